"""What the run cost, from the benchmark files of its jobs; last of all, since the final results are its inputs.

INPUTS   results/figures/*, results/claims.*, and all of results/benchmarks
OUTPUTS  results/costs.{csv,html}, results/timeline.png; unlike every other result they differ from run to run
"""


# Seconds, and all it reads are time stamps.
localrules:
    costs,


rule costs:
    input:
        collect("results/figures/{figure}.{form}", figure=FIGURES, form=["pdf", "png"]),
        collect("results/{table}.{form}", table=TABLES, form=["csv", "md", "html"]),
    output:
        csv="results/costs.csv",
        html=report(
            "results/costs.html",
            caption="../report/costs.rst",
            category="3 Run",
            labels={"shows": "cost of every stage"},
        ),
        png=report(
            "results/timeline.png",
            caption="../report/costs.rst",
            category="3 Run",
            labels={"shows": "timeline of the jobs"},
        ),
    log:
        "results/logs/costs.log",
    benchmark:
        "results/benchmarks/costs.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        benchmarks="results/benchmarks",
        threads=CONFIG.threads,
        code=fingerprint("costs.py"),
    script:
        "../../scripts/costs.py"
