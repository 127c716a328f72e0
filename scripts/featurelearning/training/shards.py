"""Trained models as data sets, and back: a shard holds the models of some seeds."""

from collections.abc import Mapping

import numpy as np

from featurelearning.files import records
from featurelearning.networks.layers import dimensions, long_names, parameters
from featurelearning.training.names import NAMES


def trained(run, coords: Mapping, steps: np.ndarray, attributes: Mapping, inputs: str, names: Mapping):
    """Return a training run as a data set: curves [seed, step], final parameters, diverged_at.

    inputs: the dimension of the first layer's inputs. names: the long names and units of what NAMES does not have.
    """
    dims, about = dimensions(run.params, inputs), long_names(run.params)
    variables = {name: (("seed", "step"), curve) for name, curve in run.curves.items()}
    variables |= {name: (("seed", *dims[name]), value.cpu().numpy()) for name, value in run.params.items()}
    variables["diverged_at"] = (("seed",), run.diverged_at)
    variables["first_layer_change"] = (("seed",), run.first_layer_change)
    attributes = {**attributes, "training_step": run.step}
    return records.dataset(variables, {**coords, "step": steps}, attributes, {**about, **NAMES, **names})


def model_parameters(result) -> dict[str, np.ndarray]:
    """Return the parameters of a trained model or shard as a dict of arrays, in double precision."""
    return {name: result[name].values.astype(np.float64) for name in parameters(result.data_vars)}
