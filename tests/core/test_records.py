"""Result files: labels, atomic and byte-stable writing, honest reading, and the filling of aggregated arrays."""

import importlib.metadata
import json
import os
import time
from typing import NamedTuple

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr

from featurelearning.files import atomic, records
from featurelearning.training import shards
from featurelearning.training.names import NAMES as TRAINING

ATTRIBUTES = records.provenance(
    "a test", "a paper", {"arm": {"id": "sgd"}, "cell": {"case": "High", "snr": 1.0}}, "0123456789abcdef"
)
NAMES = {**TRAINING, "case": ("case", "1"), "noise_floor": ("floor", "1"), "snr": ("ratio", "1")}
LAYOUT = {
    "train_mse": (("arm", "case", "seed", "step"), "float32"),
    "noise_floor": (("arm", "case", "seed"), "float64"),
    "diverged_at": (("arm", "case", "seed"), "int32"),
}
COORDS = {"arm": ["one", "two"], "case": ["High", "Low"], "seed": np.arange(4), "step": np.array([0, 1, 5])}


def shard(seeds=(2, 3), step=(0, 1, 5), scale: float = 1.0) -> xr.Dataset:
    """A shard whose values tell where they came from: 10 * seed + step."""
    values = scale * (10.0 * np.array(seeds)[:, None] + np.array(step))
    variables = {
        "train_mse": (("seed", "step"), values.astype("float32")),
        "noise_floor": (("seed",), 0.5 + np.array(seeds)),
        "diverged_at": (("seed",), np.full(len(seeds), -1, "int32")),
    }
    return records.dataset(variables, {"seed": list(seeds), "step": list(step)}, ATTRIBUTES, NAMES)


def filled() -> xr.Dataset:
    target = records.empty(LAYOUT, COORDS, ATTRIBUTES, NAMES)
    for arm in COORDS["arm"]:
        for case in COORDS["case"]:
            for seeds in ((0, 1), (2, 3)):
                records.fill(target, {"arm": arm, "case": case}, shard(seeds), LAYOUT)
    return target


def test_every_variable_and_coordinate_has_a_long_name_and_a_unit():
    for name, variable in filled().variables.items():
        assert (variable.attrs["long_name"], variable.attrs["units"]) == {**records.COMMON, **NAMES}[name]
        assert variable.attrs["long_name"] and variable.attrs["units"]


def test_a_name_that_is_not_listed_is_refused():
    with pytest.raises(records.RecordError) as caught:
        records.dataset({"los": (("seed",), [1.0])}, {"seed": [0]}, ATTRIBUTES, NAMES)
    assert str(caught.value) == "variable 'los': has no long name and unit; add them where its study is declared"


def test_provenance_holds_parameters_and_versions_and_nothing_of_time_or_place():
    found = records.provenance("t", "r", {"b": 2, "a": [1.5, None]}, "c0de", "cuda: a card")
    assert found == records.provenance("t", "r", {"a": [1.5, None], "b": 2}, "c0de", "cuda: a card")
    assert records.parameters(xr.Dataset(attrs=found)) == {"a": [1.5, None], "b": 2}
    assert json.loads(found["software"])["numpy"] == np.__version__
    assert found["device"] == "cuda: a card" and found["code_fingerprint"] == "c0de"
    assert set(found) == {
        *("Conventions", "title", "record_format", "references", "parameters"),
        *("seed_scheme", "software", "device", "code_fingerprint"),
    }


def test_the_package_of_a_class_that_parameters_name_is_among_the_versions():
    arms = [{"hyperparameters": {"class": "pytest.sub:Mark"}}, {"class": "no_such:One"}, {"class": "yaml:Dumper"}]
    found = json.loads(records.provenance("t", "r", {"arms": arms, "path": "a:b c"}, "c0de")["software"])
    others = {"pytest": importlib.metadata.version("pytest"), "PyYAML": importlib.metadata.version("pyyaml")}
    assert found == json.loads(records.provenance("t", "r", {}, "c0de")["software"]) | others


def test_a_package_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(records, "PACKAGES", ("numpy", "no-such-package-here"))
    assert records.versions() == {"numpy": np.__version__}


def test_a_file_is_read_as_it_was_written(tmp_path):
    wanted = filled()
    path = tmp_path / "new folder" / "file.nc"
    records.write(wanted, path)
    found = records.read(path)
    xr.testing.assert_identical(found, wanted)
    assert {name: variable.dtype for name, variable in found.data_vars.items()} == {
        name: np.dtype(dtype) for name, (_, dtype) in LAYOUT.items()
    }
    assert os.listdir(path.parent) == ["file.nc"]


def test_nan_integers_and_scalars_survive(tmp_path):
    wanted = records.empty(LAYOUT, COORDS, ATTRIBUTES, NAMES).assign_coords(snr=1.0)
    records.write(wanted, tmp_path / "file.nc")
    xr.testing.assert_identical(records.read(tmp_path / "file.nc"), wanted)


def test_plain_netcdf_readers_open_it(tmp_path):
    records.write(filled(), tmp_path / "file.nc")
    with netCDF4.Dataset(tmp_path / "file.nc") as file:
        assert file.data_model == "NETCDF4" and file.Conventions == "CF-1.8" and file.title == "a test"
        curve = file["train_mse"]
        assert curve.dimensions == ("arm", "case", "seed", "step") and curve.units == "1"
        filters = curve.filters()
        assert filters["zlib"] and filters["shuffle"] and filters["complevel"] == 4
        assert list(file["case"][:]) == ["High", "Low"]
        np.testing.assert_array_equal(curve[1, 0, 3], [30, 31, 35])


def test_two_writes_have_equal_bytes(tmp_path):
    records.write(filled(), tmp_path / "one.nc")
    time.sleep(1.1)  # HDF5 can store times, in seconds
    records.write(filled(), tmp_path / "two.nc")
    assert (tmp_path / "one.nc").read_bytes() == (tmp_path / "two.nc").read_bytes()


@pytest.mark.parametrize("place", ["rename", "middle"])
@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt()])
def test_a_crash_while_writing_leaves_what_was_there(tmp_path, monkeypatch, place, error):
    path = tmp_path / "file.nc"
    records.write(shard(), path)
    before = path.read_bytes()

    def crash(*args, **kwargs):
        if place == "middle":
            args[1].write_bytes(before[:100])
        raise error

    target = (os, "replace") if place == "rename" else (xr.Dataset, "to_netcdf")
    monkeypatch.setattr(*target, crash)
    for written in (path, tmp_path / "new.nc"):
        with pytest.raises(atomic.WriteError if isinstance(error, OSError) else type(error)):
            records.write(shard(scale=2.0), written)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["file.nc"]


def remedy(path) -> str:
    return f"; delete it and run the same command again (snakemake makes it anew): rm '{path}'"


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.9999])
def test_a_truncated_file_is_named_with_the_remedy(tmp_path, share):
    path = tmp_path / "file.nc"
    records.write(filled(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(records.RecordError) as caught:
        records.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: unreadable or truncated (") and message.endswith(remedy(path))


@pytest.mark.parametrize("kind", [AttributeError, KeyError, OSError, RuntimeError, ValueError])
def test_whatever_the_library_raises_on_damage_names_the_file(tmp_path, monkeypatch, kind):
    def fail(*args, **kwargs):
        raise kind("NetCDF: HDF error")

    monkeypatch.setattr(xr, "open_dataset", fail)
    with pytest.raises(
        records.RecordError, match=r"file\.nc: unreadable or truncated \('?NetCDF: HDF error'?\); delete it"
    ):
        records.read(tmp_path / "file.nc")


@pytest.mark.parametrize("attributes, found", [({}, "None"), ({"record_format": "another 2"}, "'another 2'")])
def test_a_file_of_another_format_is_refused(tmp_path, attributes, found):
    path = tmp_path / "file.nc"
    xr.Dataset({"x": ("y", [1.0])}, attrs=attributes).to_netcdf(path)
    with pytest.raises(records.RecordError) as caught:
        records.read(path)
    wanted = f"{path}: made by other code or with other parameters: record_format is {found}, "
    wanted += "allowed: 'featurelearning record 1'"
    assert str(caught.value) == wanted + remedy(path)


def made_with(**changes) -> dict:
    """Return attributes that a file may be expected to have: nested parameters, two codes, with some changes."""
    parameters = {"settings": {"steps": 5, "rates": [0.1, 1]}, "seeds": [0, 1]} | changes.pop("parameters", {})
    return {"code_fingerprint": "0123456789abcdef", "parameters": parameters} | changes


@pytest.mark.parametrize(
    "expected, fault",
    [
        (made_with(), None),
        (made_with(code_fingerprint=["a", "0123456789abcdef"]), None),
        ({"parameters": {"settings": {"steps": 5, "rates": (0.1, 1)}}}, None),  # some parameters; a tuple is a list
        ({}, None),
        (made_with(code_fingerprint="a"), "code_fingerprint is '0123456789abcdef', allowed: 'a'"),
        (made_with(code_fingerprint=["a", "b"]), "code_fingerprint is '0123456789abcdef', allowed: ['a', 'b']"),
        (made_with(parameters={"settings": {"steps": 6}}), "parameters.settings.steps is 5, allowed: 6"),
        (made_with(parameters={"settings": {"steps": 5}}), "parameters.settings.rates is [0.1, 1], allowed: None"),
        (made_with(parameters={"seeds": [0]}), "parameters.seeds is [0, 1], allowed: [0]"),
        (made_with(parameters={"momentum": 0.9}), "parameters.momentum is None, allowed: 0.9"),
    ],
)
def test_a_file_of_other_code_or_parameters_is_named_with_what_differs(tmp_path, expected, fault):
    path = tmp_path / "file.nc"
    given = made_with()
    attributes = records.provenance("a test", "a paper", given["parameters"], given["code_fingerprint"])
    records.write(records.dataset({"noise_floor": (("seed",), [1.0, 2.0])}, {"seed": [0, 1]}, attributes, NAMES), path)
    if fault is None:
        assert records.read(path, expected)["noise_floor"].values.tolist() == [1, 2]
    else:
        with pytest.raises(records.RecordError) as caught:
            records.read(path, expected)
        assert str(caught.value) == f"{path}: made by other code or with other parameters: {fault}" + remedy(path)


def test_some_variables_are_read_with_their_coordinates(tmp_path):
    records.write(filled(), tmp_path / "file.nc")
    found = records.read(tmp_path / "file.nc", names=["noise_floor"])
    xr.testing.assert_identical(found["noise_floor"], filled()["noise_floor"])
    assert list(found.data_vars) == ["noise_floor"] and found.attrs == ATTRIBUTES
    with pytest.raises(records.RecordError, match="unreadable or truncated .*sensitivity"):
        records.read(tmp_path / "file.nc", names=["sensitivity"])


def test_shards_are_gathered_with_every_device_that_made_one(tmp_path):
    paths = []
    for seeds, device in (((0, 1), "cpu: b"), ((2, 3), "cpu: a")):
        paths.append(tmp_path / f"{seeds[0]}.nc")
        records.write(shard(seeds).assign_attrs(device=device), paths[-1])
    target = records.empty(LAYOUT, COORDS, {**ATTRIBUTES, "device": ""}, NAMES)
    place = {"arm": "two", "case": "Low"}
    records.gather(target, paths, {}, lambda shard: place, ["noise_floor"])
    assert target["noise_floor"].sel(place).values.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert target.attrs["device"] == "cpu: a; cpu: b" and int(target["noise_floor"].notnull().sum()) == 4
    with pytest.raises(records.RecordError, match="2.nc: made by other code"):
        records.gather(target, paths[1:], {"code_fingerprint": "x"}, lambda shard: place, ["noise_floor"])


def test_a_missing_file_is_named_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(records.RecordError) as caught:
        records.read(tmp_path / "file.nc")
    assert str(caught.value) == f"{tmp_path / 'file.nc'}: no such file; run the workflow first: snakemake --cores 2"


class Run(NamedTuple):
    """What `trained` needs of a training run."""

    params: dict
    curves: dict
    diverged_at: np.ndarray
    step: str = "eager"
    first_layer_change: np.ndarray = np.array([0.5, np.nan])


def test_a_training_run_keeps_curves_and_parameters(tmp_path):
    m, d, h = 2, 3, 4
    shapes = {"weight1": (d, h), "bias1": (1, h), "weight2": (h, 1), "bias2": (1, 1)}
    rng = np.random.default_rng(40)
    params = {key: torch.tensor(rng.standard_normal((m, *shape)), dtype=torch.float32) for key, shape in shapes.items()}
    run = Run(params, {"train_mse": rng.random((m, 3), dtype="float32")}, np.array([-1, 7], "int32"))
    result = shards.trained(run, {"seed": [5, 6]}, np.array([0, 1, 9]), ATTRIBUTES, "input", {})
    records.write(result, tmp_path / "file.nc")
    found = records.read(tmp_path / "file.nc")
    assert found["weight1"].dims == ("seed", "input", "hidden") and found["train_mse"].dims == ("seed", "step")
    np.testing.assert_array_equal(found["diverged_at"].sel(seed=6), 7)
    np.testing.assert_array_equal(found["first_layer_change"], [0.5, np.nan])
    assert found.attrs["training_step"] == "eager"
    for key, value in shards.model_parameters(found.sel(seed=6)).items():
        assert value.dtype == np.float64
        np.testing.assert_array_equal(value, params[key][1].numpy())


def test_plain_drops_the_fingerprint_and_what_is_named():
    assert records.plain({"a": 1, "code": "x", "machine": {}}, "machine") == {"a": 1}


def test_the_cell_of_a_shard_is_read_from_its_parameters():
    assert records.cell(shard()) == {"arm": "sgd", "case": "High", "snr": 1.0}


def test_an_empty_array_is_nan_and_minus_one():
    target = records.empty(LAYOUT, COORDS, ATTRIBUTES, NAMES)
    assert target["train_mse"].shape == (2, 2, 4, 3) and target["train_mse"].dtype == "float32"
    assert np.isnan(target["train_mse"]).all() and (target["diverged_at"] == -1).all()


def test_a_shard_fills_its_own_place_only():
    target = records.empty(LAYOUT, COORDS, ATTRIBUTES, NAMES)
    records.fill(target, {"arm": "two", "case": "Low"}, shard(), ["train_mse"])
    place = target["train_mse"].sel(arm="two", case="Low")
    np.testing.assert_array_equal(place.sel(seed=[2, 3]), [[20, 21, 25], [30, 31, 35]])
    assert int(np.isfinite(target["train_mse"]).sum()) == 6 and np.isnan(target["noise_floor"]).all()


def test_dimensions_are_matched_by_name():
    target = records.empty(LAYOUT, COORDS, ATTRIBUTES, NAMES)
    records.fill(target, {"arm": "two", "case": "Low"}, shard().transpose(), ["train_mse"])
    assert float(target["train_mse"].sel(arm="two", case="Low", seed=3, step=5)) == 35


@pytest.mark.parametrize(
    "cell, part",
    [
        ({"arm": "three", "case": "Low"}, shard()),
        ({"arm": "two", "case": "Low"}, shard(seeds=(3, 4))),
        ({"arm": "two", "case": "Low"}, shard(step=(0, 1, 6))),
        ({"arm": "two", "case": "Low"}, shard(step=(0, 1))),
    ],
)
def test_a_shard_that_does_not_fit_is_named(cell, part):
    with pytest.raises(records.RecordError) as caught:
        records.fill(records.empty(LAYOUT, COORDS, ATTRIBUTES, NAMES), cell, part, ["train_mse"])
    message = str(caught.value)
    assert message.startswith(f"train_mse: cell {{'arm': '{cell['arm']}', 'case': 'Low', 'seed': ")
    assert "does not fit its place" in message and "delete that shard's files" in message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_names_variable_and_cell(value):
    result = filled()
    records.require_finite(result, LAYOUT, result["diverged_at"])
    result["train_mse"].loc[{"arm": "two", "case": "High", "seed": 3, "step": 1}] = value
    result["train_mse"].loc[{"arm": "two", "case": "Low", "seed": 0}] = value
    with pytest.raises(records.RecordError) as caught:
        records.require_finite(result, LAYOUT, result["diverged_at"])
    assert str(caught.value) == (
        "train_mse: missing or not finite in cell {'arm': 'two', 'case': 'High', 'seed': 3} (2 cells in all); allowed: "
        "finite values except where diverged_at is set; delete that cell's shard and run the same command again"
    )


def test_diverged_and_unplanned_cells_may_be_nan():
    result = filled()
    result["train_mse"].loc[{"arm": "two", "case": "High", "seed": 3, "step": 5}] = np.nan
    result["diverged_at"].loc[{"arm": "two", "case": "High", "seed": 3}] = 2
    result["noise_floor"].loc[{"arm": "one", "case": "Low"}] = np.nan
    planned = xr.DataArray([[1, 0], [1, 1]], {"arm": ["one", "two"], "case": ["High", "Low"]})
    records.require_finite(result, LAYOUT, result["diverged_at"], planned)
    with pytest.raises(records.RecordError, match=r"noise_floor: .* cell {'arm': 'one', 'case': 'Low', 'seed': 0}"):
        records.require_finite(result, LAYOUT, result["diverged_at"])


def test_seed_blocks_are_put_side_by_side_in_order():
    joined = records.side_by_side([shard((2, 3)), shard((0, 1))], "seed", ATTRIBUTES)
    xr.testing.assert_identical(joined, shard((0, 1, 2, 3)))


def test_the_view_by_method_has_p_as_its_dimension_in_order():
    arms = [
        {"id": "sigma_population_p+1.00", "method": "sigma_power", "estimator": "population", "p": 1.0},
        {"id": "sigma_oas_p+1.00", "method": "sigma_power", "estimator": "oas", "p": 1.0},
        {"id": "sigma_population_p-1.00", "method": "sigma_power", "estimator": "population", "p": -1.0},
        {"id": "momentum", "method": "momentum", "estimator": "none", "p": None},
    ]
    arms = [arm | {"hyperparameters": {}, "learning_rate": None} for arm in arms]
    arms[3] |= {"hyperparameters": {"momentum": 0.9}, "learning_rate": 0.5}
    coords = {**records.arm_coordinates(arms), "seed": [0]}
    result = records.dataset(
        {"noise_floor": (("arm", "seed"), [[1.0], [2.0], [3.0], [4.0]])}, coords, ATTRIBUTES, NAMES
    )
    assert np.isnan(result["p"].sel(arm="momentum")) and json.loads(result["hyperparameters"].values[3]) == {
        "momentum": 0.9,
        "learning_rate": 0.5,
    }
    view = records.by_method(result, "population")
    assert list(view["p"].values) == [-1, 1]
    assert view["noise_floor"].sel(p=-1.0, seed=0) == 3 and view["arm"].sel(p=1.0) == "sigma_population_p+1.00"
