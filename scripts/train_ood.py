"""Train one shard on MNIST with patterns: the seeds of one arm as one batch, with the values that tuning chose."""

import image_training
import joblog
import ood_training
import training_job

with joblog.to(snakemake.log[0]), training_job.begin(snakemake, "trained models and their curves") as job:
    image_training.train_chosen(ood_training.train, snakemake, job)
