"""Fetch the original files of one set of images into the data cache, from a folder where the config names one."""

import logging
import sys
from pathlib import Path

from featurelearning.files import downloads

handlers = [logging.StreamHandler(), *(logging.FileHandler(path, mode="w") for path in snakemake.log)]
logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers)
name, folder = snakemake.params.dataset, snakemake.params.folder
try:
    downloads.fetch_collection(name, Path(snakemake.output[0]).parent, Path(folder) if folder else None)
except downloads.FetchError as error:
    logging.error("%s: %s", name, error)
    sys.exit(1)
