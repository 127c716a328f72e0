"""Choose an arm's learning rate on a source: each candidate on every tuning seed."""

import image_training
import joblog
import real_training
import training_job

with joblog.to(snakemake.log[0]), training_job.begin(snakemake, "choice of learning rate") as job:
    image_training.tune(real_training.train, snakemake, job)
