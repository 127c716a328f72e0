"""Fetch MNIST's four idx files into the data cache, from ood.folder where the config names one."""

import logging
import sys
from pathlib import Path

from featurelearning.files import downloads

handlers = [logging.StreamHandler(), *(logging.FileHandler(path, mode="w") for path in snakemake.log)]
logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers)
folder = snakemake.params.folder
try:
    downloads.fetch_mnist(Path(snakemake.output[0]).parent, Path(folder) if folder else None)
except downloads.FetchError as error:
    logging.error("mnist: %s", error)
    sys.exit(1)
