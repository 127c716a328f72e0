"""Data sets, a file per seed block.

OUTPUTS  {data_cache}/mnist/*                                   the four idx files, checked by sha256
         results/{noise,firmness,teachers,transfer}/data/{case}_snr{snr}_{shard}.nc   inputs, labels, teacher, noise floor
         results/ood/data/{shard}.nc                            class patterns and splits
"""


localrules:
    mnist,


rule mnist:
    output:
        **{name: update(path) for name, path in MNIST.items()},
    log:
        "results/logs/mnist.log",
    benchmark:
        "results/benchmarks/mnist.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(30),
    params:
        folder=CONFIG.ood.folder,
    script:
        "../../scripts/mnist.py"


rule single_index_data:
    output:
        data="results/{study}/data/{case}_snr{snr}_{shard}.nc",
    log:
        "results/logs/{study}/data/{case}_snr{snr}_{shard}.log",
    benchmark:
        "results/benchmarks/{study}/data/{case}_snr{snr}_{shard}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(900, each=10),
        runtime=growing(10),
    params:
        master_seed=CONFIG.master_seed,
        seeds=seeds,
        study="{study}",
        case=case_parameters,
        snr=lambda wildcards: float(wildcards.snr),
        variant=variant,
        settings=settings(CONFIG.single_index, "samples_train", "samples_test", "link_sharpness"),
        code=fingerprint("single_index_data.py"),
    script:
        "../../scripts/single_index_data.py"


rule ood_data:
    output:
        data="results/ood/data/{shard}.nc",
    log:
        "results/logs/ood/data/{shard}.log",
    benchmark:
        "results/benchmarks/ood/data/{shard}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(900, each=10),
        runtime=growing(10),
    params:
        master_seed=CONFIG.master_seed,
        seeds=seeds,
        settings=settings(CONFIG.ood, "samples_train", "samples_validation", "pattern_scale"),
        code=fingerprint("ood_data.py"),
    script:
        "../../scripts/ood_data.py"
