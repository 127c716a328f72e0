"""An exponent recommended from each data set before training, and how often that was right.

Below results/preconditioning/:
INPUTS   {noise,teachers}/data/...nc, noise.nc, teachers.nc
OUTPUTS  {noise,teachers}/diagnose/{case}_snr{snr}_{shard}.nc
         diagnosis.{csv,md,html}
"""


localrules:
    check_diagnosis,


rule diagnose:
    input:
        data="results/preconditioning/{study}/data/{case}_snr{snr}_{shard}.nc",
    output:
        diagnosis="results/preconditioning/{study}/diagnose/{case}_snr{snr}_{shard}.nc",
    log:
        "results/logs/preconditioning/{study}/diagnose/{case}_snr{snr}_{shard}.log",
    benchmark:
        "results/benchmarks/preconditioning/{study}/diagnose/{case}_snr{snr}_{shard}.tsv"
    wildcard_constraints:
        **SYNTHETIC | {"study": grid.any_of(DIAGNOSED)},
    conda:
        "../../envs/data.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=growing(900, each=10, models=models),
        runtime=growing(30),
    params:
        exponents=CONFIG.exponents,
        expected=lambda w: {"data": made("single_index_data", w)},
        code=fingerprint("preconditioning/diagnose.py"),
    script:
        "../../scripts/preconditioning/diagnose.py"


rule check_diagnosis:
    input:
        **{study: f"results/preconditioning/{study}.nc" for study in DIAGNOSED},
        **{f"{study}_diagnoses": p1.diagnosis_files(CONFIG, study) for study in DIAGNOSED},
    output:
        csv="results/preconditioning/diagnosis.csv",
        md="results/preconditioning/diagnosis.md",
        html=report(
            "results/preconditioning/diagnosis.html",
            caption="captions/diagnosis.rst",
            category=category("tables", "preconditioning"),
            labels={"table": "diagnosis before training"},
        ),
    log:
        "results/logs/preconditioning/check_diagnosis.log",
    benchmark:
        "results/benchmarks/preconditioning/check_diagnosis.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        studies=DIAGNOSED,
        expected={study: aggregated(study) for study in DIAGNOSED} | {"diagnosis": made_by_each("diagnose")},
        code=fingerprint("preconditioning/check_diagnosis.py"),
    script:
        "../../scripts/preconditioning/check_diagnosis.py"
