"""Eigenpairs of the uncentred input covariance, per data set and estimator.

INPUTS   results/{study}/data/...nc (and MNIST)
OUTPUTS  results/{noise,firmness,teachers,transfer}/covariance/{estimator}/{case}_snr{snr}_{shard}.nc
         results/ood/covariance/empirical/{shard}.nc
"""


rule single_index_covariance:
    input:
        data="results/{study}/data/{case}_snr{snr}_{shard}.nc",
    output:
        covariance="results/{study}/covariance/{estimator}/{case}_snr{snr}_{shard}.nc",
    log:
        "results/logs/{study}/covariance/{estimator}/{case}_snr{snr}_{shard}.log",
    benchmark:
        "results/benchmarks/{study}/covariance/{estimator}/{case}_snr{snr}_{shard}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(900, each=10),
        runtime=growing(10),
    params:
        estimator="{estimator}",
        case=case_parameters,
        expected=lambda w: {"data": made_by("single_index_data", w)},
        code=fingerprint("single_index_covariance.py"),
    script:
        "../../scripts/single_index_covariance.py"


rule ood_covariance:
    input:
        **READ_MNIST,
        data="results/ood/data/{shard}.nc",
    output:
        covariance="results/ood/covariance/empirical/{shard}.nc",
    log:
        "results/logs/ood/covariance/empirical/{shard}.log",
    benchmark:
        "results/benchmarks/ood/covariance/empirical/{shard}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(1200, each=15),
        runtime=growing(20),
    params:
        ridge=CONFIG.ood.covariance_ridge,
        expected=lambda w: {"data": made_by("ood_data", w)},
        code=fingerprint("ood_covariance.py"),
    script:
        "../../scripts/ood_covariance.py"
