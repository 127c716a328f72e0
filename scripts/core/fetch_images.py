"""Fetch the original files of a set of images into the data cache, from the folder that the configuration names."""

import logging
import sys
from pathlib import Path

from featurelearning.files import downloads, joblog

with joblog.of(snakemake) as log:
    downloads.LOG.setLevel(logging.INFO)
    for stream in (log, sys.stderr):
        downloads.LOG.addHandler(logging.StreamHandler(stream))
    params = snakemake.params
    folder = Path(params.folder) if params.folder else None
    downloads.fetch_set(params.dataset, Path(snakemake.output[0]).parent, folder, params.key)
