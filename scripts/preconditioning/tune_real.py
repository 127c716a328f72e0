"""Choose an arm's learning rate on a source: each candidate on every tuning seed."""

from featurelearning.files import joblog
from featurelearning.preconditioning import image_training, real_training
from featurelearning.preconditioning.names import REFERENCE
from featurelearning.training.job import begin

with joblog.of(snakemake), begin(snakemake, "choice of learning rate", REFERENCE) as job:
    image_training.tune(real_training.train, snakemake, job)
