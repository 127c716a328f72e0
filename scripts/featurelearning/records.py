"""Arrays to labelled, self-describing netCDF files and back: the only module that imports xarray."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import xarray as xr

from featurelearning import atomic, seeding

FORMAT = "featurelearning record 1"

# name: (long name, unit); every variable and coordinate of every file is listed here once
NAMES = {
    # coordinates
    "arm": ("method with its estimator and hyper-parameters", "1"),
    "method": ("optimisation method", "1"),
    "estimator": ("covariance estimator of the preconditioner", "1"),
    "p": ("exponent of the covariance in the preconditioner", "1"),
    "hyperparameters": ("hyper-parameters of the arm as JSON", "1"),
    "case": ("alignment case: spectrum and teacher direction", "1"),
    "source_case": ("case that the first layer was trained on", "1"),
    "pair": ("data sets of a transfer, source and target", "1"),
    "source_set": ("data set that the first layer was trained on", "1"),
    "target_set": ("data set that the head was refitted on", "1"),
    "snr": ("signal-to-noise ratio of the labels, in standard deviations", "1"),
    "seed": ("seed of data and initialisation", "1"),
    "step": ("number of updates made", "1"),
    "direction": ("population eigen-direction, eigenvalues descending", "1"),
    "input": ("input coordinate", "1"),
    "hidden": ("hidden unit", "1"),
    "output": ("output unit", "1"),
    "bias": ("singleton dimension of a bias", "1"),
    "train": ("training sample", "1"),
    "test": ("test sample", "1"),
    "validation": ("validation sample", "1"),
    "digit": ("class of the image", "1"),
    "rate": ("learning rate of the tuning grid", "1"),
    "candidate": ("candidate of the tuning grid", "1"),
    "check": ("check of the theory", "1"),
    "exponent": ("exponent of the covariance in the preconditioner", "1"),
    "preconditioner": ("what scales the steps of the first layer, fixed or adaptive", "1"),
    "transformation": ("change A of the inputs, x' = x A^-1, and of the initialisation, W0' = A W0", "1"),
    "optimizer": ("method whose steps of the first layer are explained by a power of the covariance", "1"),
    "frame": ("coordinates of the inputs: eigenbasis of the population's covariance, or turned at random", "1"),
    "effective_step": ("number of updates made where an effective exponent is recorded", "1"),
    "initialisation": ("law of the first layer's initial weights", "1"),
    "eigenvalue": ("eigenvalue of the input covariance", "1"),
    "kind": ("identity: deviation at most bound; control: at least bound; report: no bound", "1"),
    "bound": ("bound of the check", "1"),
    # data
    "x_train": ("training inputs", "1"),
    "y_train": ("training labels, scaled", "1"),
    "x_test": ("test inputs", "1"),
    "y_test": ("test labels, scaled", "1"),
    "clean_test": ("noise-free teacher on the test inputs, scaled as the labels", "1"),
    "index": ("index of the teacher", "1"),
    "coefficient": ("coefficients of the teacher, one an index", "1"),
    "pattern": ("class pattern added to the images", "1"),
    "train_index": ("index of a training image in MNIST's training set", "1"),
    "validation_index": ("index of a validation image in MNIST's training set", "1"),
    # covariance
    "eigenvector": ("eigenvectors of the estimated covariance, in columns", "1"),
    "condition_number": ("largest over smallest eigenvalue", "1"),
    "effective_rank": ("trace over largest eigenvalue", "1"),
    "ridge": ("delta added to every eigenvalue", "1"),
    # training
    "weight1": ("first-layer weights", "1"),
    "bias1": ("first-layer biases", "1"),
    "weight2": ("second-layer weights", "1"),
    "bias2": ("second-layer bias", "1"),
    "first_layer_change": ("relative change of the first layer in training, |W1 - W1(0)| / |W1(0)|", "1"),
    "train_mse": ("mean squared error on the training labels", "1"),
    "test_mse": ("mean squared error on the test labels", "1"),
    "clean_mse": ("mean squared error against the noise-free teacher on the test inputs", "1"),
    "train_loss": ("mean cross-entropy on the training images", "nat"),
    "train_accuracy": ("share of training images classified correctly", "1"),
    "validation_accuracy": ("share of validation images classified correctly", "1"),
    "diverged_at": ("first update after which the model was not finite; -1: none", "1"),
    "unfrozen_diverged_at": ("the same of the model trained on the target from scratch", "1"),
    "learning_rate": ("step size", "1"),
    "damping": ("damping of the curvature; NaN where the method has none", "1"),
    "rho": ("radius of SAM's perturbation; NaN where the method has none", "1"),
    "tuning_rho": ("radius of a candidate; NaN where there is none", "1"),
    "chosen": ("index of the chosen candidate", "1"),
    "at_grid_edge": ("1: a chosen value is at an end of its grid", "1"),
    "tuning_learning_rate": ("learning rate of a candidate; NaN beyond an arm's grid", "1"),
    "tuning_damping": ("damping of a candidate; NaN where there is none", "1"),
    "tuning_accuracy": ("mean validation accuracy over the tuning seeds", "1"),
    # evaluation
    "noise_floor": ("mean squared label noise of the test set, scaled as the labels", "1"),
    "feature_energy": ("share of the squared first-layer weights on an eigen-direction", "1"),
    "sensitivity": ("mean squared input gradient along an eigen-direction", "1"),
    "unfrozen_test_mse": ("test error of a model trained on the target from scratch", "1"),
    "accuracy_in_distribution": ("share correct where pattern, digit and label agree", "1"),
    "accuracy_flipped_noise": ("share correct where the pattern is swapped and the label follows the digit", "1"),
    "accuracy_flipped_digits": ("share correct where the label is random and the pattern follows it", "1"),
    "accuracy_source": ("share of the source's test images that the trained network classifies correctly", "1"),
    "accuracy_target": ("share of the target's test images classified correctly by the refitted head", "1"),
    "accuracy_random": ("the same on the first layer as it was before training", "1"),
    "accuracy_specialised": ("accuracy_target of the exponent that tuning found best on the source", "1"),
    "specialised_p": ("exponent of the best validation accuracy on the source, over the tuning seeds", "1"),
    "planned": ("1: the grid has this cell", "1"),
    # diagnosis
    "explained_share": ("share of the labels' variance that a direction explains by itself, cross-validated", "1"),
    "chance_share": ("largest share that independent labels exceed with a chance of 5 %", "1"),
    "recommended": ("exponent that the diagnosis recommends", "1"),
    # theory
    "deviation": ("largest relative deviation of a check over steps and points", "1"),
    "departure": ("largest relative deviation, over points, of training on changed inputs from that on the given", "1"),
    "isotropy_error": ("relative distance of the initial pre-activations' second moments from sigma^2 X P X^T", "1"),
    "isotropy_noise": ("the distance that a P-isotropic law is expected to have from that many hidden units", "1"),
    "effective_exponent": ("p of the Sigma^p that best explains the first layer's change from its gradients", "1"),
    "step_exponent": ("p of the Sigma^p that best explains one step of the first layer from its gradient", "1"),
    "gram_eigenvalue": ("eigenvalue of X P X^T / n, P a power of the uncentred empirical covariance", "1"),
    "gram_eigenvalue_population": ("eigenvalue of X P X^T / n, P a power of the population covariance", "1"),
    "gram_slope": ("half the log-log slope of the Gram eigenvalues against the singular values", "1"),
    "singular_value": ("singular value of the inputs divided by the square root of their number", "1"),
}
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "xarray", "netCDF4")


REMEDY = "delete it and run the same command again (snakemake makes it anew): rm '{}'"


class RecordError(ValueError):
    """A result file cannot be used; the message names the file, what is wrong and the remedy."""


def provenance(title: str, parameters: Mapping, code: str, device: str = "cpu") -> dict[str, str]:
    """Return the attributes that every file carries: what made it, with which parameters, versions and code.

    Nothing in it depends on the time or on the place, so equal runs have equal bytes.
    """
    return {
        "Conventions": "CF-1.8",
        "title": title,
        "record_format": FORMAT,
        "references": "arXiv:2509.25637",
        "parameters": json.dumps(parameters, sort_keys=True),
        "seed_scheme": seeding.SCHEME,
        "software": json.dumps({"python": platform.python_version(), **versions()}, sort_keys=True),
        "device": device,
        "code_fingerprint": code,
    }


def versions() -> dict[str, str]:
    """Return the versions of the packages that are installed here."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def dataset(variables: Mapping[str, tuple], coords: Mapping, attributes: Mapping) -> xr.Dataset:
    """Return a data set of name -> (dimensions, array), with the long name and unit of every name in NAMES.

    Raises RecordError for a name that NAMES does not list.
    """
    result = xr.Dataset(dict(variables), dict(coords), dict(attributes))
    for name in result.variables:
        if name not in NAMES:
            raise RecordError(f"variable {name!r}: not in records.NAMES; add its long name and unit there")
        long_name, unit = NAMES[name]
        result[name].attrs.update(long_name=long_name, units=unit)
    return result


def plain(parameters, *dropped: str) -> dict:
    """Return a job's parameters as a dict without the code's fingerprint, what inputs must say and the dropped."""
    return {key: value for key, value in parameters.items() if key not in ("code", "expected", *dropped)}


def trained(run, coords: Mapping, steps: np.ndarray, attributes: Mapping, inputs: str) -> xr.Dataset:
    """Return a training run as a data set: curves [seed, step], final parameters, diverged_at.

    inputs: the dimension of the first layer's inputs.
    """
    dims = {"weight1": (inputs, "hidden"), "bias1": ("bias", "hidden")}
    dims |= {"weight2": ("hidden", "output"), "bias2": ("bias", "output")}
    variables = {name: (("seed", "step"), curve) for name, curve in run.curves.items()}
    variables |= {name: (("seed", *dims[name]), value.cpu().numpy()) for name, value in run.params.items()}
    variables["diverged_at"] = (("seed",), run.diverged_at)
    variables["first_layer_change"] = (("seed",), run.first_layer_change)
    return dataset(variables, {**coords, "step": steps}, {**attributes, "training_step": run.step})


def model_parameters(result: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the parameters of a trained model or shard as a dict of arrays, in double precision."""
    names = ("weight1", "bias1", "weight2", "bias2")
    return {name: result[name].values.astype(np.float64) for name in names}


def write(result: xr.Dataset, path: str | os.PathLike) -> None:
    """Write a netCDF-4 file (zlib level 4, shuffle) under a temporary name, then rename it: whole or not at all."""
    encoding = {
        name: {"zlib": True, "complevel": 4, "shuffle": True}
        for name, variable in result.variables.items()
        if variable.dtype.kind in "fiu" and variable.ndim > 0
    }
    for name in result.variables:
        encoding.setdefault(name, {})["_FillValue"] = None
    with atomic.whole(path) as temporary:
        result.to_netcdf(temporary, engine="netcdf4", format="NETCDF4", encoding=encoding)


def read(path: str | os.PathLike, expected: Mapping | None = None, names: Sequence[str] | None = None) -> xr.Dataset:
    """Return a file's data set, loaded; raises RecordError for a file that is missing, truncated or not ours.

    expected: attributes that the file must have, `parameters` not as JSON and some of them only; a list of allowed code
    fingerprints may stand for one. RecordError also where one is another. names: the variables to load, None for all.
    """
    try:
        with xr.open_dataset(path, engine="netcdf4") as opened:
            result = (opened if names is None else opened[list(names)]).load()
    except FileNotFoundError as error:
        raise RecordError(f"{path}: no such file; run the workflow first: snakemake --cores 2") from error
    except (AttributeError, LookupError, OSError, RuntimeError, ValueError) as error:  # netCDF4 raises each of them
        raise RecordError(f"{path}: unreadable or truncated ({error}); {REMEDY.format(path)}") from error
    found = {**result.attrs, "parameters": parameters(result) if "parameters" in result.attrs else {}}
    wanted = {"record_format": FORMAT} | json.loads(json.dumps(expected or {}))
    for name, given, allowed in differences(found, wanted):
        raise RecordError(
            f"{path}: made by other code or with other parameters: {name} is {given!r}, allowed: {allowed!r}; "
            f"{REMEDY.format(path)}"
        )
    return result


def differences(found: Mapping, wanted: Mapping, prefix: str = "") -> Iterator[tuple[str, object, object]]:
    """Yield name, value and wanted value of every entry of `wanted`, at any depth, that is another in `found`.

    `found` may have more attributes and more parameters, but nothing more within a parameter.
    """
    more = found.keys() - wanted.keys() if prefix.count(".") > 1 else ()
    for name in [*wanted, *sorted(more)]:
        given, value = found.get(name), wanted.get(name)
        if isinstance(value, dict) and isinstance(given, dict):
            yield from differences(given, value, f"{prefix}{name}.")
        elif given != value and not (name.endswith("code_fingerprint") and isinstance(value, list) and given in value):
            yield prefix + name, given, value


def parameters(result: xr.Dataset) -> dict:
    """Return the resolved parameters that a file was made with."""
    return json.loads(result.attrs["parameters"])


def empty(layout: Mapping[str, tuple], coords: Mapping, attributes: Mapping) -> xr.Dataset:
    """Return a preallocated data set: name -> (dimensions, dtype); floats NaN, integers -1."""
    sizes = {name: np.size(value[1] if isinstance(value, tuple) else value) for name, value in coords.items()}
    variables = {
        name: (dims, np.full([sizes[dim] for dim in dims], np.nan if np.dtype(dtype).kind == "f" else -1, dtype))
        for name, (dims, dtype) in layout.items()
    }
    return dataset(variables, coords, attributes)


def fill(target: xr.Dataset, cell: Mapping, shard: xr.Dataset, names: Iterable[str]) -> None:
    """Copy the named variables of a shard, which holds some seeds of one cell, to their labelled place in target.

    Raises RecordError, naming the cell, where target has no such place or the shard has other coordinates.
    """
    for name in names:
        labels = {**cell, "seed": shard["seed"].values}
        try:
            target[name].loc[{dim: label for dim, label in labels.items() if dim in target[name].dims}] = shard[name]
        except (KeyError, IndexError, ValueError) as error:
            raise RecordError(
                f"{name}: cell {labels} does not fit its place ({error}); allowed: the cells and coordinates of the "
                "grid; delete that shard's files and run the same command again"
            ) from error


def gather(
    target: xr.Dataset,
    paths: Iterable[str],
    expected: Mapping,
    place: Callable[[xr.Dataset], Mapping],
    names: Sequence[str],
) -> None:
    """Copy the named variables of shard files into target, a file at a time; `place` gives the labels of a shard.

    The attribute `device` of target becomes the list of every device that made one. See `read` and `fill`.
    """
    devices = set(filter(None, target.attrs["device"].split("; ")))
    for path in paths:
        shard = read(path, expected, names)
        fill(target, place(shard), shard, names)
        devices.add(shard.attrs["device"])
    target.attrs["device"] = "; ".join(sorted(devices))


def cell(shard: xr.Dataset) -> dict:
    """Return the labels of the cell family that a shard was made for: arm and, where there are, case and SNR."""
    made_with = parameters(shard)
    labels = {key: value for key, value in made_with.get("cell", {}).items() if key in ("case", "snr")}
    return {"arm": made_with["arm"]["id"], **labels}


def arm_coordinates(arms: Sequence[Mapping]) -> dict:
    """Return the arm dimension with its method, estimator, p and further hyper-parameters."""
    own = [{"learning_rate": arm["learning_rate"]} if arm["learning_rate"] else {} for arm in arms]
    others = [dict(arm["hyperparameters"]) | rate for arm, rate in zip(arms, own, strict=True)]
    return {
        "arm": [arm["id"] for arm in arms],
        "method": ("arm", [arm["method"] for arm in arms]),
        "estimator": ("arm", [arm["estimator"] for arm in arms]),
        "p": ("arm", [np.nan if arm["p"] is None else arm["p"] for arm in arms]),
        "hyperparameters": ("arm", [json.dumps(other, sort_keys=True) for other in others]),
    }


def require_finite(
    result: xr.Dataset, names: Iterable[str], diverged: xr.DataArray, planned: xr.DataArray | int = 1
) -> None:
    """Raise RecordError, naming the cell, for a value that is not finite in a planned cell that did not diverge."""
    for name in names:
        other = [dim for dim in result[name].dims if dim not in diverged.dims]
        wrong = (diverged < 0) & (planned == 1) & ~np.isfinite(result[name]).all(dim=other)
        for place in np.argwhere(wrong.values):
            labels = {dim: wrong[dim].values[i].item() for dim, i in zip(wrong.dims, place, strict=True)}
            raise RecordError(
                f"{name}: missing or not finite in cell {labels} ({int(wrong.sum())} cells in all); allowed: finite "
                "values except where diverged_at is set; delete that cell's shard and run the same command again"
            )


def side_by_side(shards: Sequence[xr.Dataset], dim: str, attributes: Mapping) -> xr.Dataset:
    """Return the shards joined along one dimension; what lacks it must be equal in all."""
    joined = xr.concat(shards, dim, data_vars="minimal", coords="minimal", compat="equals", join="exact")
    return joined.sortby(dim).assign_attrs(attributes)


def by_method(result: xr.Dataset, estimator: str) -> xr.Dataset:
    """Return the arms of one estimator with p as their dimension, sorted: the (p, ...) view of an aggregated file."""
    chosen = result.isel(arm=np.flatnonzero((result["estimator"] == estimator).values))
    return chosen.swap_dims(arm="p").sortby("p")
