"""Transfer between real data sets: a first layer trained on the source, a head refitted on the target.

INPUTS   {data_cache}/{mnist,fashion_mnist,cifar10,svhn}/*   the original files, checked by sha256
OUTPUTS  results/real/covariance/{source}/{shard}.nc
         results/real/tune/{source}/{arm}.nc                 validation accuracy per learning rate
         results/real/train/{source}/{arm}/{shard}.nc        curves and final parameters
         results/real/evaluate/{source}_to_{target}/{arm}/{shard}.nc
         results/real.nc
"""

REAL_ARMS = real_grid.arms(CONFIG)
REAL_ARM = {"arm": grid.any_of(REAL_ARMS), "source": grid.any_of(real_grid.FILES)}
REAL_OPTIMIZER = "featurelearning/optimizers/sigma_power.py"
REAL_SETTINGS = settings(CONFIG.real, "samples_train", "samples_validation", "hidden", "steps", "weight_decay")
REAL_SETTINGS |= settings(CONFIG, "records")
# Megabytes of a model, its data and its eigenvectors, and of a whole set of images; both in pixels of the images.
REAL_MODEL = {"mnist": 50, "fashion_mnist": 50, "cifar10": 350, "svhn": 350}
REAL_IMAGES = {"mnist": 1400, "fashion_mnist": 1400, "cifar10": 3500, "svhn": 3500}


localrules:
    fashion_mnist,
    cifar10,
    svhn,
    aggregate_real,


rule fashion_mnist:
    output:
        [update(path) for path in real_grid.files(CONFIG, "fashion_mnist")],
    log:
        "results/logs/fashion_mnist.log",
    benchmark:
        "results/benchmarks/fashion_mnist.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(30),
    params:
        dataset="fashion_mnist",
        folder=CONFIG.real.folders.get("fashion_mnist"),
    script:
        "../../scripts/real_images.py"


use rule fashion_mnist as cifar10 with:
    output:
        [update(path) for path in real_grid.files(CONFIG, "cifar10")],
    log:
        "results/logs/cifar10.log",
    benchmark:
        "results/benchmarks/cifar10.tsv"
    params:
        dataset="cifar10",
        folder=CONFIG.real.folders.get("cifar10"),


use rule fashion_mnist as svhn with:
    output:
        [update(path) for path in real_grid.files(CONFIG, "svhn")],
    log:
        "results/logs/svhn.log",
    benchmark:
        "results/benchmarks/svhn.tsv"
    params:
        dataset="svhn",
        folder=CONFIG.real.folders.get("svhn"),


rule real_covariance:
    input:
        source=lambda w: [ancient(path) for path in real_grid.files(CONFIG, w.source)],
    output:
        covariance="results/real/covariance/{source}/{shard}.nc",
    log:
        "results/logs/real/covariance/{source}/{shard}.log",
    benchmark:
        "results/benchmarks/real/covariance/{source}/{shard}.tsv"
    wildcard_constraints:
        source=REAL_ARM["source"],
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
        code=fingerprint("real_covariance.py"),
    script:
        "../../scripts/real_covariance.py"


rule tune_real:
    input:
        source=lambda w: [ancient(path) for path in real_grid.files(CONFIG, w.source)],
        covariance=f"results/real/covariance/{{source}}/{grid.TUNING}.nc",
    output:
        model="results/real/tune/{source}/{arm}.nc",
    log:
        "results/logs/real/tune/{source}/{arm}.log",
    benchmark:
        "results/benchmarks/real/tune/{source}/{arm}.tsv"
    wildcard_constraints:
        **REAL_ARM,
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
        expected=lambda w: {"covariance": made_by("real_covariance", w, shard=grid.TUNING)},
        code=fingerprint("tune_real.py", REAL_OPTIMIZER),
    script:
        "../../scripts/tune_real.py"


rule train_real:
    input:
        source=lambda w: [ancient(path) for path in real_grid.files(CONFIG, w.source)],
        covariance="results/real/covariance/{source}/{shard}.nc",
        tune="results/real/tune/{source}/{arm}.nc",
    output:
        model="results/real/train/{source}/{arm}/{shard}.nc",
    log:
        "results/logs/real/train/{source}/{arm}/{shard}.log",
    benchmark:
        "results/benchmarks/real/train/{source}/{arm}/{shard}.tsv"
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
        expected=lambda w: {"covariance": made_by("real_covariance", w), "tune": made_by("tune_real", w)},
        code=fingerprint("train_real.py", REAL_OPTIMIZER),
    script:
        "../../scripts/train_real.py"


rule evaluate_real:
    input:
        source=lambda w: [ancient(path) for path in real_grid.files(CONFIG, w.source)],
        target=lambda w: [ancient(path) for path in real_grid.files(CONFIG, w.target)],
        model="results/real/train/{source}/{arm}/{shard}.nc",
    output:
        evaluation="results/real/evaluate/{source}_to_{target}/{arm}/{shard}.nc",
    log:
        "results/logs/real/evaluate/{source}_to_{target}/{arm}/{shard}.log",
    benchmark:
        "results/benchmarks/real/evaluate/{source}_to_{target}/{arm}/{shard}.tsv"
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
        expected=lambda w: {"model": made_by("train_real", w)},
        code=fingerprint("evaluate_real.py"),
    script:
        "../../scripts/evaluate_real.py"


rule aggregate_real:
    input:
        evaluate=real_grid.evaluated_files(CONFIG),
        tune=real_grid.tuned_files(CONFIG),
    output:
        "results/real.nc",
    log:
        "results/logs/aggregate_real.log",
    benchmark:
        "results/benchmarks/aggregate_real.tsv"
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
            "evaluate": made_by_each("evaluate_real", of="train_real"),
        },
        code=fingerprint("aggregate_real.py"),
    script:
        "../../scripts/aggregate_real.py"
