"""Training: one job holds a whole shard as one batch of tensors.

Below results/preconditioning/:
INPUTS   data and covariance of the shard; for images the values that `tune_images` chose
OUTPUTS  {noise,firmness,teachers,transfer}/train/{arm}/{case}_snr{snr}_{shard}.nc   curves and final parameters
         {ood,real}/tune/{source}/{arm}.nc   validation accuracy per candidate
         {ood,real}/train/{source}/{arm}/{shard}.nc
"""


rule train_single_index:
    input:
        unpack(single_index_covariance),
        data="results/preconditioning/{study}/data/{case}_snr{snr}_{shard}.nc",
    output:
        model="results/preconditioning/{study}/train/{arm}/{case}_snr{snr}_{shard}.nc",
    log:
        "results/logs/preconditioning/{study}/train/{arm}/{case}_snr{snr}_{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/{study}/train/{arm}/{case}_snr{snr}_{shard}.tsv"
    wildcard_constraints:
        **SYNTHETIC_ARM,
    conda:
        TRAIN_ENV
    threads: CONFIG.threads
    resources:
        **TRAIN_RESOURCES,
        mem_mb=growing(1300, each=20, models=models),
        runtime=growing(60),
    params:
        master_seed=CONFIG.master_seed,
        seeds=seeds,
        cell=lambda w: {"study": w.study, "case": w.case, "snr": float(w.snr)},
        variant=variant,
        arm=arm,
        settings=settings(CONFIG.single_index, "hidden", "initial_scale", "learning_rate", "steps", "weight_decay")
        | TRAINING,
        machine=MACHINE,
        expected=lambda w: {
            "data": made("single_index_data", w),
            "covariance": made("single_index_covariance", w, estimator=SYNTHETIC_ARMS[w.arm].estimator),
        },
        code=lambda w: fingerprint("preconditioning/train_single_index.py", optimizer(w)),
    script:
        "../../scripts/preconditioning/train_single_index.py"


rule tune_images:
    input:
        unpack(image_covariance),
        source=lambda w: read_images(w.source),
        data=f"results/preconditioning/{{study}}/data/{{source}}/{TUNING}.nc",
    output:
        model="results/preconditioning/{study}/tune/{source}/{arm}.nc",
    log:
        "results/logs/preconditioning/{study}/tune/{source}/{arm}.log",
    benchmark:
        "results/benchmarks/preconditioning/{study}/tune/{source}/{arm}.tsv"
    wildcard_constraints:
        **{key: IMAGE_ARM[key] for key in ("study", "source", "arm")},
    # The longest jobs of the whole workflow: begun first, they do not end last.
    priority: 10
    conda:
        TRAIN_ENV
    threads: CONFIG.threads
    resources:
        **TRAIN_RESOURCES,
        mem_mb=image_memory,
        runtime=growing(60),
    params:
        master_seed=CONFIG.master_seed,
        seeds=image_seeds,
        source=lambda w: w.source,
        arm=arm,
        candidates=candidates,
        settings=lambda w: image_settings(w.study) | LAST_ONLY,
        machine=MACHINE,
        expected=lambda w: {
            "data": made("image_data", w, shard=TUNING),
            "covariance": made("image_covariance", w, shard=TUNING),
        },
        code=lambda w: fingerprint("preconditioning/tune_images.py", optimizer(w)),
    script:
        "../../scripts/preconditioning/tune_images.py"


rule train_images:
    input:
        unpack(image_covariance),
        source=lambda w: read_images(w.source),
        data="results/preconditioning/{study}/data/{source}/{shard}.nc",
        tune="results/preconditioning/{study}/tune/{source}/{arm}.nc",
    output:
        model="results/preconditioning/{study}/train/{source}/{arm}/{shard}.nc",
    log:
        "results/logs/preconditioning/{study}/train/{source}/{arm}/{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/{study}/train/{source}/{arm}/{shard}.tsv"
    wildcard_constraints:
        **IMAGE_ARM,
    priority: 10
    conda:
        TRAIN_ENV
    threads: CONFIG.threads
    resources:
        **TRAIN_RESOURCES,
        mem_mb=image_memory,
        runtime=growing(60),
    params:
        master_seed=CONFIG.master_seed,
        seeds=image_seeds,
        source=lambda w: w.source,
        arm=arm,
        tuned=tuned,
        settings=lambda w: image_settings(w.study),
        machine=MACHINE,
        expected=lambda w: {
            "data": made("image_data", w),
            "covariance": made("image_covariance", w),
            "tune": made("tune_images", w),
        },
        code=lambda w: fingerprint("preconditioning/train_images.py", optimizer(w)),
    script:
        "../../scripts/preconditioning/train_images.py"
