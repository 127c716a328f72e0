"""Arrays to labelled, self-describing netCDF files and back: the only module that imports xarray."""

import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import xarray as xr

from featurelearning import seeding
from featurelearning.files import atomic

FORMAT = "featurelearning record 1"

# Long name and unit of what every study has; all other names are declared by those who make the files.
COMMON = {
    "arm": ("method with its estimator and hyper-parameters", "1"),
    "method": ("optimisation method", "1"),
    "estimator": ("covariance estimator of the preconditioner", "1"),
    "p": ("exponent of the covariance in the preconditioner", "1"),
    "hyperparameters": ("hyper-parameters of the arm as JSON", "1"),
    "seed": ("seed of data and initialisation", "1"),
    "step": ("number of updates made", "1"),
    "diverged_at": ("first update after which the model was not finite; -1: none", "1"),
    "planned": ("1: the grid has this cell", "1"),
}
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "xarray", "netCDF4")


REMEDY = "delete it and run the same command again (snakemake makes it anew): rm '{}'"


class RecordError(ValueError):
    """A result file cannot be used; the message names the file, what is wrong and the remedy."""


def provenance(title: str, reference: str, parameters: Mapping, code: str, device: str = "cpu") -> dict[str, str]:
    """Return the attributes that every file carries: what made it, with which parameters, versions and code.

    Nothing in it depends on the time or on the place, so equal runs have equal bytes.
    """
    return {
        "Conventions": "CF-1.8",
        "title": title,
        "record_format": FORMAT,
        "references": reference,
        "parameters": json.dumps(parameters, sort_keys=True),
        "seed_scheme": seeding.SCHEME,
        "software": json.dumps({"python": platform.python_version(), **versions(named(parameters))}, sort_keys=True),
        "device": device,
        "code_fingerprint": code,
    }


def named(parameters: Mapping) -> list[str]:
    """Return the packages of the classes, package.module:Class, that parameters name, as far as they are installed."""
    modules = set(re.findall(r'"([A-Za-z_]\w*)(?:\.\w+)*:[A-Za-z_]\w*"', json.dumps(parameters)))
    owners = importlib.metadata.packages_distributions() if modules else {}
    return sorted({owner for module in modules for owner in owners.get(module, ())})


def versions(others: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions of the packages that are installed here, and of others."""
    found = {}
    for package in dict.fromkeys((*PACKAGES, *others)):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def dataset(variables: Mapping[str, tuple], coords: Mapping, attributes: Mapping, names: Mapping) -> xr.Dataset:
    """Return a data set of name -> (dimensions, array), with the long name and unit of each out of names or COMMON.

    Raises RecordError for a name that neither lists.
    """
    result = xr.Dataset(dict(variables), dict(coords), dict(attributes))
    known = {**COMMON, **names}
    for name in result.variables:
        if name not in known:
            raise RecordError(f"variable {name!r}: has no long name and unit; add them where its study is declared")
        long_name, unit = known[name]
        result[name].attrs.update(long_name=long_name, units=unit)
    return result


def plain(parameters, *dropped: str) -> dict:
    """Return a job's parameters as a dict without the code's fingerprint, what inputs must say and the dropped."""
    return {key: value for key, value in parameters.items() if key not in ("code", "expected", *dropped)}


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


def empty(layout: Mapping[str, tuple], coords: Mapping, attributes: Mapping, names: Mapping) -> xr.Dataset:
    """Return a preallocated data set: name -> (dimensions, dtype); floats NaN, integers -1."""
    sizes = {name: np.size(value[1] if isinstance(value, tuple) else value) for name, value in coords.items()}
    variables = {
        name: (dims, np.full([sizes[dim] for dim in dims], np.nan if np.dtype(dtype).kind == "f" else -1, dtype))
        for name, (dims, dtype) in layout.items()
    }
    return dataset(variables, coords, attributes, names)


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
