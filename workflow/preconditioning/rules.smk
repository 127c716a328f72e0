"""P1's rules, and a target for the paper and for each of its studies."""


include: "common.smk"
include: "data.smk"
include: "covariance.smk"
include: "train.smk"
include: "evaluate.smk"
include: "aggregate.smk"
include: "diagnose.smk"
include: "plot.smk"


localrules:
    preconditioning,
    noise,
    transfer,
    ood,
    theory,
    firmness,
    teachers,
    real,
    diagnosis,


rule preconditioning:
    input:
        of_paper("preconditioning"),


rule noise:
    input:
        lambda w: of_study("noise"),


rule transfer:
    input:
        lambda w: of_study("transfer"),


rule ood:
    input:
        lambda w: of_study("ood"),


rule theory:
    input:
        lambda w: of_study("theory"),


rule firmness:
    input:
        lambda w: of_study("firmness"),


rule teachers:
    input:
        lambda w: of_study("teachers"),


rule real:
    input:
        lambda w: of_study("real"),


rule diagnosis:
    input:
        lambda w: of_study("diagnosis"),
