"""Eigenpairs of the uncentred input covariance, per data set and estimator.

Below results/preconditioning/:
INPUTS   {study}/data/...nc, and images
OUTPUTS  {noise,firmness,teachers,transfer}/covariance/{estimator}/{case}_snr{snr}_{shard}.nc
         {ood,real}/covariance/{source}/{shard}.nc
"""


rule single_index_covariance:
    input:
        data="results/preconditioning/{study}/data/{case}_snr{snr}_{shard}.nc",
    output:
        covariance="results/preconditioning/{study}/covariance/{estimator}/{case}_snr{snr}_{shard}.nc",
    log:
        "results/logs/preconditioning/{study}/covariance/{estimator}/{case}_snr{snr}_{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/{study}/covariance/{estimator}/{case}_snr{snr}_{shard}.tsv"
    wildcard_constraints:
        **SYNTHETIC,
        estimator=grid.any_of([*CONFIG.noise.estimators, "population"]),
    conda:
        "../../envs/data.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(900, each=10, models=models),
        runtime=growing(10),
    params:
        estimator="{estimator}",
        case=case_parameters,
        expected=lambda w: {"data": made("single_index_data", w)},
        code=fingerprint("preconditioning/single_index_covariance.py"),
    script:
        "../../scripts/preconditioning/single_index_covariance.py"


rule image_covariance:
    input:
        source=lambda w: read_images(w.source),
        data="results/preconditioning/{study}/data/{source}/{shard}.nc",
    output:
        covariance="results/preconditioning/{study}/covariance/{source}/{shard}.nc",
    log:
        "results/logs/preconditioning/{study}/covariance/{source}/{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/{study}/covariance/{source}/{shard}.tsv"
    wildcard_constraints:
        **IMAGE_SHARD,
    conda:
        "../../envs/data.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=image_memory,
        runtime=growing(20),
    params:
        source="{source}",
        ridge=lambda w: getattr(CONFIG, w.study).covariance_ridge,
        expected=lambda w: {"data": made("image_data", w)},
        code=fingerprint("preconditioning/image_covariance.py"),
    script:
        "../../scripts/preconditioning/image_covariance.py"
