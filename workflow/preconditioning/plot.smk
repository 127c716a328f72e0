"""P1's figures, and the stability of its verdicts; the verdicts themselves come from core/judge.smk.

Below results/preconditioning/:
INPUTS   {study}.nc
OUTPUTS  figures/{figure}.{pdf,png}
         firmness.{csv,md,html}
"""


localrules:
    plot_preconditioning,
    check_stability,


use rule plot as plot_preconditioning with:
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
        paper="preconditioning",
        figure=grid.any_of(figures_of("preconditioning")),


rule check_stability:
    input:
        noise="results/preconditioning/noise.nc",
        firmness="results/preconditioning/firmness.nc",
    output:
        csv="results/preconditioning/firmness.csv",
        md="results/preconditioning/firmness.md",
        html=report(
            "results/preconditioning/firmness.html",
            caption="captions/firmness.rst",
            category=category("tables", "preconditioning"),
            labels={"table": "stability of the verdicts"},
        ),
    log:
        "results/logs/preconditioning/check_stability.log",
    benchmark:
        "results/benchmarks/preconditioning/check_stability.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        variants={name: {case: case + name for case in CONFIG.single_index.cases} for name in CONFIG.firmness.variants},
        claims=CLAIMS["noise"],
        expected={study: aggregated(study) for study in ("noise", "firmness")},
        code=fingerprint("preconditioning/check_stability.py"),
    script:
        "../../scripts/preconditioning/check_stability.py"
