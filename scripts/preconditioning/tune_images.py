"""Choose an arm's learning rate, and what else stands under tune, on a set of images by successive halving."""

from featurelearning.files import joblog
from featurelearning.preconditioning import image_training
from featurelearning.preconditioning.names import REFERENCE
from featurelearning.training.job import begin

with joblog.of(snakemake), begin(snakemake, "choice of learning rate", REFERENCE) as job:
    image_training.tune(snakemake, job)
