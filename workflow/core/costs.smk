"""What the run cost, from the benchmark files of its jobs; last of all, since the final results are its inputs.

INPUTS   the figures and tables of every study, and all of results/benchmarks
OUTPUTS  results/costs.{csv,html}, results/timeline.png; unlike every other result they differ from run to run
"""


# Seconds, and all it reads are time stamps.
localrules:
    costs,


rule costs:
    input:
        [of_paper(paper) for paper in CONFIG.papers],
    output:
        csv="results/costs.csv",
        html=report(
            "results/costs.html",
            caption="captions/costs.rst",
            category="Run",
            labels={"shows": "cost of every stage"},
        ),
        png=report(
            "results/timeline.png",
            caption="captions/costs.rst",
            category="Run",
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
        code=fingerprint("core/costs.py"),
    script:
        "../../scripts/core/costs.py"
