"""An exponent recommended from each data set before training, and how often that was right.

INPUTS   results/{noise,teachers}/data/...nc, results/noise.nc, results/teachers.nc
OUTPUTS  results/{noise,teachers}/diagnose/{case}_snr{snr}_{shard}.nc
         results/diagnosis.{csv,md,html}
"""


localrules:
    check_diagnosis,


rule diagnose:
    input:
        data="results/{study}/data/{case}_snr{snr}_{shard}.nc",
    output:
        diagnosis="results/{study}/diagnose/{case}_snr{snr}_{shard}.nc",
    log:
        "results/logs/{study}/diagnose/{case}_snr{snr}_{shard}.log",
    benchmark:
        "results/benchmarks/{study}/diagnose/{case}_snr{snr}_{shard}.tsv"
    wildcard_constraints:
        study=grid.any_of(DIAGNOSED),
    conda:
        "../../envs/data.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(900, each=10),
        runtime=growing(30),
    params:
        exponents=CONFIG.exponents,
        expected=lambda w: {"data": made_by("single_index_data", w)},
        code=fingerprint("diagnose.py"),
    script:
        "../../scripts/diagnose.py"


rule check_diagnosis:
    input:
        **{study: f"results/{study}.nc" for study in DIAGNOSED},
        **{f"{study}_diagnoses": grid.diagnosis_files(CONFIG, study) for study in DIAGNOSED},
    output:
        csv="results/diagnosis.csv",
        md="results/diagnosis.md",
        html=report(
            "results/diagnosis.html",
            caption="../report/diagnosis.rst",
            category="1 Claims",
            labels={"table": "diagnosis before training"},
        ),
    log:
        "results/logs/check_diagnosis.log",
    benchmark:
        "results/benchmarks/check_diagnosis.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        studies=DIAGNOSED,
        expected={study: gathered(study) for study in DIAGNOSED} | {"diagnosis": made_by_each("diagnose")},
        code=fingerprint("check_diagnosis.py"),
    script:
        "../../scripts/check_diagnosis.py"
