"""Training: one job holds a whole shard as one batch of tensors.

Below results/preconditioning/:
INPUTS   data and covariance of the shard; for MNIST the values that `tune_ood` chose
OUTPUTS  {noise,firmness,teachers,transfer}/train/{arm}/{case}_snr{snr}_{shard}.nc   curves and final parameters
         ood/tune/{arm}.nc   validation accuracy per candidate
         ood/train/{arm}/{shard}.nc
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
        arm=synthetic_arm,
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


rule tune_ood:
    input:
        unpack(ood_covariance),
        **READ_MNIST,
        data=f"results/preconditioning/ood/data/{TUNING}.nc",
    output:
        model="results/preconditioning/ood/tune/{arm}.nc",
    log:
        "results/logs/preconditioning/ood/tune/{arm}.log",
    benchmark:
        "results/benchmarks/preconditioning/ood/tune/{arm}.tsv"
    wildcard_constraints:
        arm=OOD_ARM["arm"],
    # The longest jobs of the whole workflow: begun first, they do not end last.
    priority: 10
    conda:
        TRAIN_ENV
    threads: CONFIG.threads
    resources:
        **TRAIN_RESOURCES,
        mem_mb=growing(1400, each=50, models=tuned_models),
        runtime=growing(60),
    params:
        master_seed=CONFIG.master_seed,
        seeds=CONFIG.ood.tuning_seeds,
        arm=ood_arm,
        candidates=lambda w: p1.candidates(CONFIG, OOD_ARMS[w.arm]),
        settings=OOD_SETTINGS | LAST_ONLY,
        machine=MACHINE,
        expected=lambda w: {
            "data": made("ood_data", w, shard=TUNING),
            "covariance": made("ood_covariance", w, shard=TUNING),
        },
        code=lambda w: fingerprint("preconditioning/tune_ood.py", optimizer(w)),
    script:
        "../../scripts/preconditioning/tune_ood.py"


rule train_ood:
    input:
        unpack(ood_covariance),
        **READ_MNIST,
        data="results/preconditioning/ood/data/{shard}.nc",
        tune="results/preconditioning/ood/tune/{arm}.nc",
    output:
        model="results/preconditioning/ood/train/{arm}/{shard}.nc",
    log:
        "results/logs/preconditioning/ood/train/{arm}/{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/ood/train/{arm}/{shard}.tsv"
    wildcard_constraints:
        **OOD_ARM,
    priority: 10
    conda:
        TRAIN_ENV
    threads: CONFIG.threads
    resources:
        **TRAIN_RESOURCES,
        mem_mb=growing(1400, each=50, models=models),
        runtime=growing(60),
    params:
        master_seed=CONFIG.master_seed,
        seeds=seeds,
        arm=ood_arm,
        tuned=lambda w: list(CONFIG.ood.methods[OOD_ARMS[w.arm].method]["tune"]),
        settings=OOD_SETTINGS,
        machine=MACHINE,
        expected=lambda w: {
            "data": made("ood_data", w),
            "covariance": made("ood_covariance", w),
            "tune": made("tune_ood", w),
        },
        code=lambda w: fingerprint("preconditioning/train_ood.py", optimizer(w)),
    script:
        "../../scripts/preconditioning/train_ood.py"
