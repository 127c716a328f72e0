"""Evaluation of trained models; reads parameters and never trains.

Below results/preconditioning/:
INPUTS   {noise,firmness,teachers,transfer,ood,real}/train/..., their data, and images
OUTPUTS  {noise,firmness,teachers,transfer}/evaluate/{arm}/{case}_snr{snr}_{shard}.nc
         ood/evaluate/{source}/{arm}/{shard}.nc
         real/evaluate/{source}_to_{target}/{arm}/{shard}.nc
         theory/evaluate/{shard}.nc
"""


rule evaluate_noise:
    input:
        data="results/preconditioning/{study}/data/{case}_snr{snr}_{shard}.nc",
        model="results/preconditioning/{study}/train/{arm}/{case}_snr{snr}_{shard}.nc",
    output:
        evaluation="results/preconditioning/{study}/evaluate/{arm}/{case}_snr{snr}_{shard}.nc",
    log:
        "results/logs/preconditioning/{study}/evaluate/{arm}/{case}_snr{snr}_{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/{study}/evaluate/{arm}/{case}_snr{snr}_{shard}.tsv"
    wildcard_constraints:
        **SYNTHETIC_ARM | {"study": grid.any_of(p1.SYNTHETIC)},
    conda:
        "../../envs/analysis.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(1300, each=20, models=models),
        runtime=growing(10),
    params:
        expected=lambda w: {
            "data": made("single_index_data", w),
            "model": made("train_single_index", w),
        },
        code=fingerprint("preconditioning/evaluate_noise.py"),
    script:
        "../../scripts/preconditioning/evaluate_noise.py"


rule evaluate_transfer:
    input:
        data="results/preconditioning/transfer/data/{case}_snr{snr}_{shard}.nc",
        frozen="results/preconditioning/noise/train/{arm}/{case}_snr{snr}_{shard}.nc",
        unfrozen="results/preconditioning/transfer/train/{arm}/{case}_snr{snr}_{shard}.nc",
    output:
        evaluation="results/preconditioning/transfer/evaluate/{arm}/{case}_snr{snr}_{shard}.nc",
    log:
        "results/logs/preconditioning/transfer/evaluate/{arm}/{case}_snr{snr}_{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/transfer/evaluate/{arm}/{case}_snr{snr}_{shard}.tsv"
    wildcard_constraints:
        **{key: value for key, value in SYNTHETIC_ARM.items() if key != "study"},
    conda:
        "../../envs/analysis.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(1300, each=20, models=models),
        runtime=growing(10),
    params:
        ridge=CONFIG.transfer.ridge,
        expected=lambda w: {
            "data": made("single_index_data", w, study="transfer"),
            "frozen": made("train_single_index", w, study="noise"),
            "unfrozen": made("train_single_index", w, study="transfer"),
        },
        code=fingerprint("preconditioning/evaluate_transfer.py"),
    script:
        "../../scripts/preconditioning/evaluate_transfer.py"


rule evaluate_ood:
    input:
        source=lambda w: read_images(w.source),
        data="results/preconditioning/ood/data/{source}/{shard}.nc",
        model="results/preconditioning/ood/train/{source}/{arm}/{shard}.nc",
    output:
        evaluation="results/preconditioning/ood/evaluate/{source}/{arm}/{shard}.nc",
    log:
        "results/logs/preconditioning/ood/evaluate/{source}/{arm}/{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/ood/evaluate/{source}/{arm}/{shard}.tsv"
    wildcard_constraints:
        **{key: IMAGE_ARM[key] for key in ("source", "arm", "shard")},
    conda:
        TRAIN_ENV
    threads: CONFIG.threads
    resources:
        mem_mb=growing(1300, each=20, models=models),
        runtime=growing(10),
    params:
        master_seed=CONFIG.master_seed,
        source=lambda w: w.source,
        threads=CONFIG.threads,
        expected=lambda w: {
            "data": made("image_data", w, study="ood"),
            "model": made("train_images", w, study="ood"),
        },
        code=fingerprint("preconditioning/evaluate_ood.py"),
    script:
        "../../scripts/preconditioning/evaluate_ood.py"


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
        **{key: IMAGE_ARM[key] for key in ("source", "arm", "shard")},
        target=IMAGE_ARM["source"],
    conda:
        TRAIN_ENV
    threads: CONFIG.threads
    resources:
        mem_mb=lambda w, attempt: attempt * (SET_MEMORY[w.source] + SET_MEMORY[w.target]),
        runtime=growing(20),
    params:
        master_seed=CONFIG.master_seed,
        source=lambda w: w.source,
        target=lambda w: w.target,
        samples_target=CONFIG.real.samples_target,
        ridge=CONFIG.real.ridge,
        threads=CONFIG.threads,
        expected=lambda w: {"model": made("train_images", w, study="real")},
        code=fingerprint("preconditioning/evaluate_real.py"),
    script:
        "../../scripts/preconditioning/evaluate_real.py"


rule evaluate_theory:
    output:
        evaluation="results/preconditioning/theory/evaluate/{shard}.nc",
    log:
        "results/logs/preconditioning/theory/evaluate/{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/theory/evaluate/{shard}.tsv"
    wildcard_constraints:
        shard=SYNTHETIC["shard"],
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
        theory=p1.theory_parameters(CONFIG),
        threads=CONFIG.threads,
        code=fingerprint("preconditioning/evaluate_theory.py", *map(method_file, CONFIG.theory.methods)),
    script:
        "../../scripts/preconditioning/evaluate_theory.py"
