"""Choose an arm's learning rate, damping and rho on MNIST with patterns: each candidate on every tuning seed."""

import image_training
import joblog
import ood_training
import training_job

with joblog.to(snakemake.log[0]), training_job.begin(snakemake, "choice of learning rate") as job:
    image_training.tune(ood_training.train, snakemake, job)
