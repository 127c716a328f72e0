"""Choose an arm's learning rate, damping and rho on MNIST with patterns: each candidate on every tuning seed."""

from featurelearning.files import joblog
from featurelearning.preconditioning import image_training, ood_training
from featurelearning.preconditioning.names import REFERENCE
from featurelearning.training.job import begin

with joblog.of(snakemake), begin(snakemake, "choice of learning rate", REFERENCE) as job:
    image_training.tune(ood_training.train, snakemake, job)
