"""All shards of a study as one labelled file.

Below results/preconditioning/:
INPUTS   {noise,firmness,teachers,transfer,ood,real,theory}/evaluate/...   the first three's curves from train/...
         {ood,real}/tune/...
OUTPUTS  {noise,firmness,teachers,transfer,ood,real,theory}.nc
"""


# Seconds each: on a cluster they would wait in a queue for longer than they run.
localrules:
    aggregate_noise,
    aggregate_firmness,
    aggregate_teachers,
    aggregate_transfer,
    aggregate_ood,
    aggregate_real,
    aggregate_theory,


rule aggregate_noise:
    input:
        train=p1.synthetic_files(CONFIG, "noise", "train"),
        evaluate=p1.synthetic_files(CONFIG, "noise", "evaluate"),
    output:
        "results/preconditioning/noise.nc",
    log:
        "results/logs/preconditioning/aggregate_noise.log",
    benchmark:
        "results/benchmarks/preconditioning/aggregate_noise.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(20),
    params:
        **gathering("noise"),
        code=fingerprint("preconditioning/aggregate_noise.py"),
    script:
        "../../scripts/preconditioning/aggregate_noise.py"


use rule aggregate_noise as aggregate_firmness with:
    input:
        train=p1.synthetic_files(CONFIG, "firmness", "train"),
        evaluate=p1.synthetic_files(CONFIG, "firmness", "evaluate"),
    output:
        "results/preconditioning/firmness.nc",
    log:
        "results/logs/preconditioning/aggregate_firmness.log",
    benchmark:
        "results/benchmarks/preconditioning/aggregate_firmness.tsv"
    params:
        **gathering("firmness"),
        code=fingerprint("preconditioning/aggregate_noise.py"),


use rule aggregate_noise as aggregate_teachers with:
    input:
        train=p1.synthetic_files(CONFIG, "teachers", "train"),
        evaluate=p1.synthetic_files(CONFIG, "teachers", "evaluate"),
    output:
        "results/preconditioning/teachers.nc",
    log:
        "results/logs/preconditioning/aggregate_teachers.log",
    benchmark:
        "results/benchmarks/preconditioning/aggregate_teachers.tsv"
    params:
        **gathering("teachers"),
        code=fingerprint("preconditioning/aggregate_noise.py"),


rule aggregate_transfer:
    input:
        evaluate=p1.transfer_files(CONFIG),
    output:
        "results/preconditioning/transfer.nc",
    log:
        "results/logs/preconditioning/aggregate_transfer.log",
    benchmark:
        "results/benchmarks/preconditioning/aggregate_transfer.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        arms=rows(p1.transfer_arms(CONFIG)),
        seeds=CONFIG.seeds,
        cases=list(CONFIG.single_index.cases),
        expected={
            "evaluate": made_by_each("evaluate_transfer", p1.transfer_arms(CONFIG), models="train_single_index"),
        },
        code=fingerprint("preconditioning/aggregate_transfer.py"),
    script:
        "../../scripts/preconditioning/aggregate_transfer.py"


rule aggregate_ood:
    input:
        evaluate=image_grid.evaluated_files(CONFIG, "ood"),
        tune=image_grid.tuned_files(CONFIG, "ood"),
    output:
        "results/preconditioning/ood.nc",
    log:
        "results/logs/preconditioning/aggregate_ood.log",
    benchmark:
        "results/benchmarks/preconditioning/aggregate_ood.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        arms=rows(IMAGE_ARMS["ood"].values()),
        seeds=CONFIG.seeds,
        tuned={arm.id: list(image_grid.tuned(CONFIG, "ood", arm)) for arm in IMAGE_ARMS["ood"].values()},
        expected=images_made("ood"),
        code=fingerprint("preconditioning/aggregate_ood.py"),
    script:
        "../../scripts/preconditioning/aggregate_ood.py"


rule aggregate_real:
    input:
        evaluate=image_grid.evaluated_files(CONFIG, "real"),
        tune=image_grid.tuned_files(CONFIG, "real"),
    output:
        "results/preconditioning/real.nc",
    log:
        "results/logs/preconditioning/aggregate_real.log",
    benchmark:
        "results/benchmarks/preconditioning/aggregate_real.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        pairs=[list(pair) for pair in CONFIG.real.pairs],
        arms=rows(IMAGE_ARMS["real"].values()),
        seeds=CONFIG.seeds,
        learning_rates=CONFIG.real.learning_rates,
        expected=images_made("real"),
        code=fingerprint("preconditioning/aggregate_real.py"),
    script:
        "../../scripts/preconditioning/aggregate_real.py"


rule aggregate_theory:
    input:
        evaluate=p1.theory_files(CONFIG),
    output:
        "results/preconditioning/theory.nc",
    log:
        "results/logs/preconditioning/aggregate_theory.log",
    benchmark:
        "results/benchmarks/preconditioning/aggregate_theory.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        expected={"evaluate": made_by_each("evaluate_theory")},
        code=fingerprint("preconditioning/aggregate_theory.py"),
    script:
        "../../scripts/preconditioning/aggregate_theory.py"
