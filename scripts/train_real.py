"""Train one shard on a source: the seeds of one arm as one batch, with the values that tuning chose."""

import image_training
import joblog
import real_training
import training_job

with joblog.to(snakemake.log[0]), training_job.begin(snakemake, "trained models and their curves") as job:
    image_training.train_chosen(real_training.train, snakemake, job)
