"""Data sets, a file per seed block.

Below results/preconditioning/:
OUTPUTS  {noise,firmness,teachers,transfer}/data/{case}_snr{snr}_{shard}.nc   inputs, labels, teacher, noise floor
         {ood,real}/data/{source}/{shard}.nc   splits, and class patterns
"""


rule single_index_data:
    output:
        data="results/preconditioning/{study}/data/{case}_snr{snr}_{shard}.nc",
    log:
        "results/logs/preconditioning/{study}/data/{case}_snr{snr}_{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/{study}/data/{case}_snr{snr}_{shard}.tsv"
    wildcard_constraints:
        **SYNTHETIC,
    conda:
        "../../envs/data.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(900, each=10, models=models),
        runtime=growing(10),
    params:
        master_seed=CONFIG.master_seed,
        seeds=seeds,
        study="{study}",
        case=case_parameters,
        snr=lambda wildcards: float(wildcards.snr),
        variant=variant,
        settings=settings(CONFIG.single_index, "samples_train", "samples_test", "link_sharpness"),
        code=fingerprint("preconditioning/single_index_data.py"),
    script:
        "../../scripts/preconditioning/single_index_data.py"


rule image_data:
    output:
        data="results/preconditioning/{study}/data/{source}/{shard}.nc",
    log:
        "results/logs/preconditioning/{study}/data/{source}/{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/{study}/data/{source}/{shard}.tsv"
    wildcard_constraints:
        **IMAGE_SHARD,
    conda:
        "../../envs/data.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(900, each=10, models=image_models),
        runtime=growing(10),
    params:
        master_seed=CONFIG.master_seed,
        seeds=image_seeds,
        study="{study}",
        source="{source}",
        settings=image_data,
        code=fingerprint("preconditioning/image_data.py"),
    script:
        "../../scripts/preconditioning/image_data.py"
