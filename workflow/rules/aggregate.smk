"""All shards of a study as one labelled file.

INPUTS   results/{noise,firmness,teachers,transfer,ood,theory}/evaluate/... (the first three's curves: train/...)
OUTPUTS  results/noise.nc, results/firmness.nc, results/teachers.nc, results/transfer.nc, results/ood.nc, results/theory.nc
"""


# Seconds each: on a cluster they would wait in a queue for longer than they run.
localrules:
    aggregate_noise,
    aggregate_firmness,
    aggregate_teachers,
    aggregate_transfer,
    aggregate_ood,
    aggregate_theory,


rule aggregate_noise:
    input:
        train=grid.synthetic_files(CONFIG, "noise", "train"),
        evaluate=grid.synthetic_files(CONFIG, "noise", "evaluate"),
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
        **gathering("noise"),
        code=fingerprint("aggregate_noise.py"),
    script:
        "../../scripts/aggregate_noise.py"


use rule aggregate_noise as aggregate_firmness with:
    input:
        train=grid.synthetic_files(CONFIG, "firmness", "train"),
        evaluate=grid.synthetic_files(CONFIG, "firmness", "evaluate"),
    output:
        "results/firmness.nc",
    log:
        "results/logs/aggregate_firmness.log",
    benchmark:
        "results/benchmarks/aggregate_firmness.tsv"
    params:
        **gathering("firmness"),
        code=fingerprint("aggregate_noise.py"),


use rule aggregate_noise as aggregate_teachers with:
    input:
        train=grid.synthetic_files(CONFIG, "teachers", "train"),
        evaluate=grid.synthetic_files(CONFIG, "teachers", "evaluate"),
    output:
        "results/teachers.nc",
    log:
        "results/logs/aggregate_teachers.log",
    benchmark:
        "results/benchmarks/aggregate_teachers.tsv"
    params:
        **gathering("teachers"),
        code=fingerprint("aggregate_noise.py"),


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
        tune=collect("results/ood/tune/{arm}.nc", arm=OOD_ARMS),
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
        tuned={arm.id: list(CONFIG.ood.methods[arm.method]["tune"]) for arm in grid.ood_arms(CONFIG)},
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
