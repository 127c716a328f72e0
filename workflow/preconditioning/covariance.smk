"""Eigenpairs of the uncentred input covariance, per data set and estimator.

Below results/preconditioning/:
INPUTS   {study}/data/...nc (and MNIST)
OUTPUTS  {noise,firmness,teachers,transfer}/covariance/{estimator}/{case}_snr{snr}_{shard}.nc
         ood/covariance/empirical/{shard}.nc
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


rule ood_covariance:
    input:
        **READ_MNIST,
        data="results/preconditioning/ood/data/{shard}.nc",
    output:
        covariance="results/preconditioning/ood/covariance/empirical/{shard}.nc",
    log:
        "results/logs/preconditioning/ood/covariance/empirical/{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/ood/covariance/empirical/{shard}.tsv"
    wildcard_constraints:
        **OOD_SHARD,
    conda:
        "../../envs/data.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(1200, each=15, models=models),
        runtime=growing(20),
    params:
        ridge=CONFIG.ood.covariance_ridge,
        expected=lambda w: {"data": made("ood_data", w)},
        code=fingerprint("preconditioning/ood_covariance.py"),
    script:
        "../../scripts/preconditioning/ood_covariance.py"
