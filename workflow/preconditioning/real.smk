"""Transfer between real data sets: a first layer trained on the source, a head refitted on the target.

Below results/preconditioning/:
INPUTS   {data_cache}/{mnist,fashion_mnist,cifar10,svhn}/*   see core/data.smk
OUTPUTS  real/covariance/{source}/{shard}.nc
         real/tune/{source}/{arm}.nc                 validation accuracy per learning rate
         real/train/{source}/{arm}/{shard}.nc        curves and final parameters
         real/evaluate/{source}_to_{target}/{arm}/{shard}.nc
         real.nc
"""

REAL_ARMS = real_grid.arms(CONFIG)
REAL_SHARD = {"source": grid.any_of(SETS), "shard": grid.any_of([*grid.shards(CONFIG), TUNING])}
REAL_ARM = REAL_SHARD | {"arm": grid.any_of(REAL_ARMS)}
REAL_OPTIMIZER = "featurelearning/optimizers/sigma_power.py"
REAL_SETTINGS = settings(CONFIG.real, "samples_train", "samples_validation", "hidden", "steps", "weight_decay")
REAL_SETTINGS |= settings(CONFIG, "records")
# Megabytes of a model, its data and its eigenvectors, and of a whole set of images, which grow with the pixels.
REAL_MODEL = {name: 50 if images.pixels < 1000 else 350 for name, images in SETS.items()}
REAL_IMAGES = {name: 1400 if images.pixels < 1000 else 3500 for name, images in SETS.items()}


localrules:
    aggregate_real,


rule real_covariance:
    input:
        source=lambda w: read_images(w.source),
    output:
        covariance="results/preconditioning/real/covariance/{source}/{shard}.nc",
    log:
        "results/logs/preconditioning/real/covariance/{source}/{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/real/covariance/{source}/{shard}.tsv"
    wildcard_constraints:
        **REAL_SHARD,
    conda:
        "../../envs/data.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=lambda w, attempt: attempt
        * (REAL_IMAGES[w.source] + REAL_MODEL[w.source] * len(real_grid.seeds(CONFIG, w.shard))),
        runtime=growing(20),
    params:
        master_seed=CONFIG.master_seed,
        seeds=lambda w: real_grid.seeds(CONFIG, w.shard),
        source=lambda w: w.source,
        samples_train=CONFIG.real.samples_train,
        ridge=CONFIG.real.covariance_ridge,
        code=fingerprint("preconditioning/real_covariance.py"),
    script:
        "../../scripts/preconditioning/real_covariance.py"


rule tune_real:
    input:
        source=lambda w: read_images(w.source),
        covariance=f"results/preconditioning/real/covariance/{{source}}/{TUNING}.nc",
    output:
        model="results/preconditioning/real/tune/{source}/{arm}.nc",
    log:
        "results/logs/preconditioning/real/tune/{source}/{arm}.log",
    benchmark:
        "results/benchmarks/preconditioning/real/tune/{source}/{arm}.tsv"
    wildcard_constraints:
        **{key: REAL_ARM[key] for key in ("source", "arm")},
    priority: 10
    conda:
        TRAIN_ENV
    threads: CONFIG.threads
    resources:
        **TRAIN_RESOURCES,
        mem_mb=lambda w, attempt: attempt
        * (
            REAL_IMAGES[w.source]
            + REAL_MODEL[w.source] * len(CONFIG.real.learning_rates) * len(CONFIG.real.tuning_seeds)
        ),
        runtime=growing(60),
    params:
        master_seed=CONFIG.master_seed,
        seeds=CONFIG.real.tuning_seeds,
        source=lambda w: w.source,
        arm=lambda w: REAL_ARMS[w.arm]._asdict(),
        candidates=real_grid.candidates(CONFIG),
        settings=REAL_SETTINGS | LAST_ONLY,
        machine=MACHINE,
        expected=lambda w: {"covariance": made("real_covariance", w, shard=TUNING)},
        code=fingerprint("preconditioning/tune_real.py", REAL_OPTIMIZER),
    script:
        "../../scripts/preconditioning/tune_real.py"


rule train_real:
    input:
        source=lambda w: read_images(w.source),
        covariance="results/preconditioning/real/covariance/{source}/{shard}.nc",
        tune="results/preconditioning/real/tune/{source}/{arm}.nc",
    output:
        model="results/preconditioning/real/train/{source}/{arm}/{shard}.nc",
    log:
        "results/logs/preconditioning/real/train/{source}/{arm}/{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/real/train/{source}/{arm}/{shard}.tsv"
    wildcard_constraints:
        **REAL_ARM,
    priority: 10
    conda:
        TRAIN_ENV
    threads: CONFIG.threads
    resources:
        **TRAIN_RESOURCES,
        mem_mb=lambda w, attempt: attempt
        * (REAL_IMAGES[w.source] + REAL_MODEL[w.source] * len(real_grid.seeds(CONFIG, w.shard))),
        runtime=growing(60),
    params:
        master_seed=CONFIG.master_seed,
        seeds=lambda w: real_grid.seeds(CONFIG, w.shard),
        source=lambda w: w.source,
        arm=lambda w: REAL_ARMS[w.arm]._asdict(),
        tuned=list(real_grid.candidates(CONFIG)[0]),
        settings=REAL_SETTINGS,
        machine=MACHINE,
        expected=lambda w: {"covariance": made("real_covariance", w), "tune": made("tune_real", w)},
        code=fingerprint("preconditioning/train_real.py", REAL_OPTIMIZER),
    script:
        "../../scripts/preconditioning/train_real.py"


rule evaluate_real:
    input:
        source=lambda w: read_images(w.source),
        target=lambda w: read_images(w.target),
        model="results/preconditioning/real/train/{source}/{arm}/{shard}.nc",
    output:
        evaluation="results/preconditioning/real/evaluate/{source}_to_{target}/{arm}/{shard}.nc",
    log:
        "results/logs/preconditioning/real/evaluate/{source}_to_{target}/{arm}/{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/real/evaluate/{source}_to_{target}/{arm}/{shard}.tsv"
    wildcard_constraints:
        **REAL_ARM,
        target=REAL_ARM["source"],
    conda:
        TRAIN_ENV
    threads: CONFIG.threads
    resources:
        mem_mb=lambda w, attempt: attempt * (REAL_IMAGES[w.source] + REAL_IMAGES[w.target]),
        runtime=growing(20),
    params:
        master_seed=CONFIG.master_seed,
        source=lambda w: w.source,
        target=lambda w: w.target,
        samples_target=CONFIG.real.samples_target,
        ridge=CONFIG.real.ridge,
        threads=CONFIG.threads,
        expected=lambda w: {"model": made("train_real", w)},
        code=fingerprint("preconditioning/evaluate_real.py"),
    script:
        "../../scripts/preconditioning/evaluate_real.py"


rule aggregate_real:
    input:
        evaluate=real_grid.evaluated_files(CONFIG),
        tune=real_grid.tuned_files(CONFIG),
    output:
        "results/preconditioning/real.nc",
    log:
        "results/logs/preconditioning/aggregate_real.log",
    benchmark:
        "results/benchmarks/preconditioning/aggregate_real.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        pairs=[list(pair) for pair in CONFIG.real.pairs],
        arms=rows(REAL_ARMS.values()),
        seeds=CONFIG.seeds,
        learning_rates=CONFIG.real.learning_rates,
        expected={
            "tune": made_by_each("tune_real"),
            "evaluate": made_by_each("evaluate_real", models="train_real"),
        },
        code=fingerprint("preconditioning/aggregate_real.py"),
    script:
        "../../scripts/preconditioning/aggregate_real.py"
