"""All shards of a study as one labelled file.

INPUTS   results/{noise,transfer,ood,theory}/evaluate/... (and the curves of results/noise/train/...)
OUTPUTS  results/noise.nc, results/transfer.nc, results/ood.nc, results/theory.nc
"""


# Seconds each: on a cluster they would wait in a queue for longer than they run.
localrules:
    aggregate_noise,
    aggregate_transfer,
    aggregate_ood,
    aggregate_theory,


rule aggregate_noise:
    input:
        train=grid.noise_files(CONFIG, "train"),
        evaluate=grid.noise_files(CONFIG, "evaluate"),
    output:
        "results/noise.nc",
    log:
        "results/logs/aggregate_noise.log",
    benchmark:
        "results/benchmarks/aggregate_noise.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(20),
    params:
        arms=rows(grid.noise_arms(CONFIG)),
        seeds=CONFIG.seeds,
        snrs=CONFIG.noise.snrs,
        planned=CONFIG.noise.estimators,
        cases={name: case.eigenvalues for name, case in CONFIG.single_index.cases.items()},
        expected={
            "train": made_by_each("train_single_index", grid.noise_arms(CONFIG)),
            "evaluate": made_by_each("evaluate_noise", grid.noise_arms(CONFIG), of="train_single_index"),
        },
        code=fingerprint("aggregate_noise.py"),
    script:
        "../../scripts/aggregate_noise.py"


rule aggregate_transfer:
    input:
        evaluate=grid.transfer_files(CONFIG),
    output:
        "results/transfer.nc",
    log:
        "results/logs/aggregate_transfer.log",
    benchmark:
        "results/benchmarks/aggregate_transfer.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        arms=rows(grid.transfer_arms(CONFIG)),
        seeds=CONFIG.seeds,
        cases=list(CONFIG.single_index.cases),
        expected={
            "evaluate": made_by_each("evaluate_transfer", grid.transfer_arms(CONFIG), of="train_single_index"),
        },
        code=fingerprint("aggregate_transfer.py"),
    script:
        "../../scripts/aggregate_transfer.py"


rule aggregate_ood:
    input:
        evaluate=grid.ood_files(CONFIG),
        tune=collect("results/ood/tune/{arm}.nc", arm=TUNED),
    output:
        "results/ood.nc",
    log:
        "results/logs/aggregate_ood.log",
    benchmark:
        "results/benchmarks/aggregate_ood.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        arms=rows(grid.ood_arms(CONFIG)),
        seeds=CONFIG.seeds,
        expected={
            "tune": made_by_each("tune_ood", grid.ood_arms(CONFIG)),
            "evaluate": made_by_each("evaluate_ood", grid.ood_arms(CONFIG), of="train_ood"),
        },
        code=fingerprint("aggregate_ood.py"),
    script:
        "../../scripts/aggregate_ood.py"


rule aggregate_theory:
    input:
        evaluate=grid.theory_files(CONFIG),
    output:
        "results/theory.nc",
    log:
        "results/logs/aggregate_theory.log",
    benchmark:
        "results/benchmarks/aggregate_theory.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        expected={"evaluate": made_by_each("evaluate_theory")},
        code=fingerprint("aggregate_theory.py"),
    script:
        "../../scripts/aggregate_theory.py"
