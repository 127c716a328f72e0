"""Train one shard on a set of images: the seeds of one arm as one batch, with the values that tuning chose."""

from featurelearning.files import joblog
from featurelearning.preconditioning import image_training
from featurelearning.preconditioning.names import REFERENCE
from featurelearning.training.job import begin

with joblog.of(snakemake), begin(snakemake, "trained models and their curves", REFERENCE) as job:
    image_training.train_chosen(snakemake, job)
