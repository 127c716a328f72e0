"""Figures and verdicts, the same for every study.

INPUTS   results/{paper}/{study}.nc; the claims of config/claims/{paper}.yaml are parameters, so that a change of one
         reruns its study's verdicts only
OUTPUTS  results/{paper}/{study}/claims.{csv,md,html}; the outputs of `plot` are given where a paper uses it, with the
         captions of its room
"""


localrules:
    judge,


rule plot:
    input:
        data=lambda w: f"results/{w.paper}/{DRAWN[w.paper, w.figure].name}.nc",
    log:
        "results/logs/plot.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        expected=lambda w: aggregated(DRAWN[w.paper, w.figure].name),
        labels=LABELS,
        code=lambda w: fingerprint(f"{w.paper}/plot_{w.figure}.py"),
    script:
        "../../scripts/{wildcards.paper}/plot_{wildcards.figure}.py"


rule judge:
    input:
        unpack(lambda w: {name: f"results/{STUDIES[name].paper}/{name}.nc" for name in judged_with(w.study)}),
    output:
        csv="results/{paper}/{study}/claims.csv",
        md="results/{paper}/{study}/claims.md",
        html=report(
            "results/{paper}/{study}/claims.html",
            caption="captions/claims.rst",
            category=category("claims"),
            labels={"study": "{study}"},
        ),
    log:
        "results/logs/{paper}/{study}/claims.log",
    benchmark:
        "results/benchmarks/{paper}/{study}/claims.tsv"
    wildcard_constraints:
        paper=grid.any_of(CONFIG.papers),
        study=grid.any_of(STUDIES),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        paper="{paper}",
        claims=lambda w: CLAIMS[w.study],
        expected=lambda w: {name: aggregated(name) for name in judged_with(w.study)},
        code=lambda w: fingerprint("core/judge.py", f"featurelearning/{w.paper}/studies.py"),
    script:
        "../../scripts/core/judge.py"
