"""Evaluation of trained models; reads parameters and never trains.

INPUTS   results/{noise,transfer,ood}/train/...
OUTPUTS  results/{noise,firmness,teachers,transfer}/evaluate/{arm}/{case}_snr{snr}_{shard}.nc
         results/ood/evaluate/{arm}/{shard}.nc
         results/theory/evaluate/{shard}.nc
"""


rule evaluate_noise:
    input:
        data="results/{study}/data/{case}_snr{snr}_{shard}.nc",
        model="results/{study}/train/{arm}/{case}_snr{snr}_{shard}.nc",
    output:
        evaluation="results/{study}/evaluate/{arm}/{case}_snr{snr}_{shard}.nc",
    log:
        "results/logs/{study}/evaluate/{arm}/{case}_snr{snr}_{shard}.log",
    benchmark:
        "results/benchmarks/{study}/evaluate/{arm}/{case}_snr{snr}_{shard}.tsv"
    wildcard_constraints:
        study=grid.any_of(grid.SYNTHETIC),
    conda:
        "../../envs/analysis.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(1300, each=20),
        runtime=growing(10),
    params:
        expected=lambda w: {
            "data": made_by("single_index_data", w),
            "model": made_by("train_single_index", w),
        },
        code=fingerprint("evaluate_noise.py"),
    script:
        "../../scripts/evaluate_noise.py"


rule evaluate_transfer:
    input:
        data="results/transfer/data/{case}_snr{snr}_{shard}.nc",
        frozen="results/noise/train/{arm}/{case}_snr{snr}_{shard}.nc",
        unfrozen="results/transfer/train/{arm}/{case}_snr{snr}_{shard}.nc",
    output:
        evaluation="results/transfer/evaluate/{arm}/{case}_snr{snr}_{shard}.nc",
    log:
        "results/logs/transfer/evaluate/{arm}/{case}_snr{snr}_{shard}.log",
    benchmark:
        "results/benchmarks/transfer/evaluate/{arm}/{case}_snr{snr}_{shard}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(1300, each=20),
        runtime=growing(10),
    params:
        ridge=CONFIG.transfer.ridge,
        expected=lambda w: {
            "data": made_by("single_index_data", w, study="transfer"),
            "frozen": made_by("train_single_index", w, study="noise"),
            "unfrozen": made_by("train_single_index", w, study="transfer"),
        },
        code=fingerprint("evaluate_transfer.py"),
    script:
        "../../scripts/evaluate_transfer.py"


rule evaluate_ood:
    input:
        **READ_MNIST,
        data="results/ood/data/{shard}.nc",
        model="results/ood/train/{arm}/{shard}.nc",
    output:
        evaluation="results/ood/evaluate/{arm}/{shard}.nc",
    log:
        "results/logs/ood/evaluate/{arm}/{shard}.log",
    benchmark:
        "results/benchmarks/ood/evaluate/{arm}/{shard}.tsv"
    conda:
        TRAIN_ENV
    threads: CONFIG.threads
    resources:
        mem_mb=growing(1300, each=20),
        runtime=growing(10),
    params:
        master_seed=CONFIG.master_seed,
        threads=CONFIG.threads,
        expected=lambda w: {"data": made_by("ood_data", w), "model": made_by("train_ood", w)},
        code=fingerprint("evaluate_ood.py"),
    script:
        "../../scripts/evaluate_ood.py"


rule evaluate_theory:
    output:
        evaluation="results/theory/evaluate/{shard}.nc",
    log:
        "results/logs/theory/evaluate/{shard}.log",
    benchmark:
        "results/benchmarks/theory/evaluate/{shard}.tsv"
    priority: 10
    conda:
        "../../envs/train-cpu.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(1500),
        runtime=growing(30),
    params:
        master_seed=CONFIG.master_seed,
        seeds=seeds,
        exponents=CONFIG.exponents,
        theory=CONFIG.theory.model_dump(),
        threads=CONFIG.threads,
        code=fingerprint("evaluate_theory.py"),
    script:
        "../../scripts/evaluate_theory.py"
