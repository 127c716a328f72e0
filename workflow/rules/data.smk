"""Data sets, a file per seed block.

OUTPUTS  {data_cache}/mnist/*                                   the four idx files, checked by sha256
         results/{noise,transfer}/data/{case}_snr{snr}_{shard}.nc   inputs, labels, teacher, noise floor
         results/ood/data/{shard}.nc                            class patterns and splits
"""


localrules:
    mnist,


rule mnist:
    output:
        **MNIST,
    params:
        folder=CONFIG.ood.folder,
    log:
        "results/logs/mnist.log",
    benchmark:
        "results/benchmarks/mnist.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=30,
    conda:
        "../../envs/data.yaml"
    script:
        "../../scripts/mnist.py"


rule single_index_data:
    output:
        data="results/{study}/data/{case}_snr{snr}_{shard}.nc",
    params:
        master_seed=CONFIG.master_seed,
        seeds=seeds,
        study="{study}",
        case=case_parameters,
        snr=lambda wildcards: float(wildcards.snr),
        settings=settings(CONFIG.single_index, "samples_train", "samples_test", "link_sharpness"),
        code=fingerprint("single_index_data.py"),
    log:
        "results/logs/{study}/data/{case}_snr{snr}_{shard}.log",
    benchmark:
        "results/benchmarks/{study}/data/{case}_snr{snr}_{shard}.tsv"
    threads: CONFIG.threads
    resources:
        mem_mb=1000,
        runtime=10,
    conda:
        "../../envs/data.yaml"
    script:
        "../../scripts/single_index_data.py"


rule ood_data:
    output:
        data="results/ood/data/{shard}.nc",
    params:
        master_seed=CONFIG.master_seed,
        seeds=seeds,
        settings=settings(CONFIG.ood, "samples_train", "samples_validation", "pattern_scale"),
        code=fingerprint("ood_data.py"),
    log:
        "results/logs/ood/data/{shard}.log",
    benchmark:
        "results/benchmarks/ood/data/{shard}.tsv"
    threads: CONFIG.threads
    resources:
        mem_mb=1000,
        runtime=10,
    conda:
        "../../envs/data.yaml"
    script:
        "../../scripts/ood_data.py"
