"""Figures and verdicts.

INPUTS   results/{noise,firmness,teachers,transfer,ood,theory,real}.nc, config/claims.yaml
OUTPUTS  results/figures/{noise,methods,transfer,ood,features,spectrum,teachers,real}.{pdf,png}
         results/claims.{csv,md,html}, results/firmness.{csv,md,html}
"""


localrules:
    plot,
    check_claims,
    check_firmness,


# What each figure shows, for the report, which lists them in the order of FIGURES.
SHOWS = {
    "noise": "test error against SNR",
    "methods": "error of every method",
    "transfer": "error after transfer",
    "ood": "accuracy out of distribution",
    "features": "feature energy and sensitivity",
    "spectrum": "Gram eigenvalues",
    "teachers": "best exponent for other teachers",
    "real": "transfer between real data sets",
    "departure": "departure from the bottleneck",
    "effective": "power that each method acts like",
    "initial": "law of the first layer's start",
}


rule plot:
    input:
        data=lambda w: f"results/{DRAWN_FROM[w.figure]}.nc",
    output:
        pdf="results/figures/{figure}.pdf",
        png=report(
            "results/figures/{figure}.png",
            caption="../report/figures.rst",
            category="2 Figures",
            labels=lambda w: {"figure": f"{FIGURES.index(w.figure) + 1:02d} {w.figure}", "shows": SHOWS[w.figure]},
        ),
    log:
        "results/logs/plot/{figure}.log",
    benchmark:
        "results/benchmarks/plot/{figure}.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        expected=lambda w: gathered(DRAWN_FROM[w.figure]),
        code=lambda w: fingerprint(f"plot_{w.figure}.py"),
    script:
        "../../scripts/plot_{wildcards.figure}.py"


rule check_claims:
    input:
        **{study: f"results/{study}.nc" for study in JUDGED},
        claims=CLAIMS,
    output:
        csv="results/claims.csv",
        md="results/claims.md",
        html=report(
            "results/claims.html", caption="../report/claims.rst", category="1 Claims", labels={"table": "verdicts"}
        ),
    log:
        "results/logs/check_claims.log",
    benchmark:
        "results/benchmarks/check_claims.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        expected={study: gathered(study) for study in JUDGED},
        code=fingerprint("check_claims.py"),
    script:
        "../../scripts/check_claims.py"


rule check_firmness:
    input:
        noise="results/noise.nc",
        firmness="results/firmness.nc",
        claims=CLAIMS,
    output:
        csv="results/firmness.csv",
        md="results/firmness.md",
        html=report(
            "results/firmness.html",
            caption="../report/firmness.rst",
            category="1 Claims",
            labels={"table": "firmness of the verdicts"},
        ),
    log:
        "results/logs/check_firmness.log",
    benchmark:
        "results/benchmarks/check_firmness.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        variants={name: {case: case + name for case in CONFIG.single_index.cases} for name in CONFIG.firmness.variants},
        expected={study: gathered(study) for study in ("noise", "firmness")},
        code=fingerprint("check_firmness.py"),
    script:
        "../../scripts/check_firmness.py"
