"""The toy paper's rules.

OUTPUTS  results/toy/toss/train/{arm}/{shard}.nc, results/toy/toss.nc, results/toy/figures/methods.{pdf,png}
"""

from workflow.toy import grid as toy_grid

TOSS_ARMS = toy_grid.arms(CONFIG)


localrules:
    toy,
    toss,
    aggregate_toss,
    plot_toy,


rule toy:
    input:
        lambda w: of_paper("toy"),


rule toss:
    input:
        lambda w: of_study("toss"),


rule train_toss:
    output:
        model="results/toy/toss/train/{arm}/{shard}.nc",
    log:
        "results/logs/toy/toss/train/{arm}/{shard}.log",
    benchmark:
        "results/benchmarks/toy/toss/train/{arm}/{shard}.tsv"
    wildcard_constraints:
        arm=grid.any_of(TOSS_ARMS),
        shard=grid.any_of(grid.shards(CONFIG)),
    conda:
        TRAIN_ENV
    threads: CONFIG.threads
    resources:
        **TRAIN_RESOURCES,
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        master_seed=CONFIG.master_seed,
        seeds=lambda w: grid.seeds(w.shard),
        arm=lambda w: TOSS_ARMS[w.arm]._asdict(),
        settings=settings(CONFIG.toss, "samples", "inputs", "hidden", "steps", "learning_rate")
        | settings(CONFIG, "records"),
        machine=MACHINE,
        code=lambda w: fingerprint("toy/train_toss.py", f"featurelearning/optimizers/{TOSS_ARMS[w.arm].method}.py"),
    script:
        "../../scripts/toy/train_toss.py"


rule aggregate_toss:
    input:
        train=list(toy_grid.trained_files(CONFIG)),
    output:
        "results/toy/toss.nc",
    log:
        "results/logs/toy/aggregate_toss.log",
    benchmark:
        "results/benchmarks/toy/toss/aggregate.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        arms=rows(TOSS_ARMS.values()),
        seeds=CONFIG.seeds,
        expected={"train": made_by_each("train_toss", TOSS_ARMS.values())},
        code=fingerprint("toy/aggregate_toss.py"),
    script:
        "../../scripts/toy/aggregate_toss.py"


use rule plot as plot_toy with:
    output:
        pdf="results/{paper}/figures/{figure}.pdf",
        png=report(
            "results/{paper}/figures/{figure}.png",
            caption="captions/figures.rst",
            category=category("figures"),
            labels=figure_labels,
        ),
    log:
        "results/logs/{paper}/figures/{figure}.log",
    benchmark:
        "results/benchmarks/{paper}/figures/{figure}.tsv"
    wildcard_constraints:
        paper="toy",
        figure=grid.any_of(figures_of("toy")),
