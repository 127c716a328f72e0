"""The same numbers for shards of any size, in single precision, and on a GPU where there is one."""

import numpy as np
import pytest
import torch

from featurelearning.networks import two_layer_relu
from featurelearning.preconditioning import single_index
from featurelearning.seeding import generator
from featurelearning.training import regression
from featurelearning.training.experiments import Models, Place, Recipe
from references import assert_close

SPECTRUM = np.array([10.0] + [0.1] * 9)
SETTINGS = {"steps": 300, "records": 10, "learning_rate": 0.03, "weight_decay": 1e-6}
PURPOSES = ("inputs", "coefficient", "label noise")
ARRAYS = ("x_train", "y_train", "x_test", "y_test", "clean_test")


def drawn(seed: int) -> single_index.SingleIndexData:
    """Return a seed's data as the workflow draws them, case High at SNR 1, in small."""
    return single_index.draw(SPECTRUM, 0, 1.0, 50, 200, 10.0, *(generator(42, purpose, seed) for purpose in PURPOSES))


def initial(seed: int) -> dict[str, np.ndarray]:
    return two_layer_relu.kaiming_uniform(generator(42, "initialisation", seed), len(SPECTRUM), 32, 1, 0.1)


def trained(seeds, p=0.5, **options):
    """Train one shard as the workflow does."""
    data = [drawn(seed) for seed in seeds]
    models = Models(
        two_layer_relu,
        [initial(seed) for seed in seeds],
        {name: np.stack([getattr(each, name) for each in data]) for name in ARRAYS},
        [f"seed {seed}" for seed in seeds],
    )
    basis, powers = np.stack([np.eye(len(SPECTRUM))] * len(seeds)), np.stack([SPECTRUM**p] * len(seeds))
    return regression.fit(models, Recipe("sigma_power", **SETTINGS, basis=basis, powers=powers), Place(**options))


@pytest.mark.parametrize("step", ["eager", "descent"])
@pytest.mark.parametrize("size", [1, 3])
def test_single_precision_in_shards_of_any_size_ends_within_a_percent(size, step, request):
    compiled = None if step == "eager" else request.getfixturevalue("compiled")
    whole = trained(range(10), compiled=compiled)
    assert whole.step == step
    parts = [trained(range(first, min(first + size, 10)), compiled=compiled) for first in range(0, 10, size)]
    for name in ("train_mse", "test_mse", "clean_mse"):
        found = np.concatenate([part.curves[name][:, -1] for part in parts])
        np.testing.assert_allclose(found, whole.curves[name][:, -1], rtol=0.01)
        assert (whole.curves[name][:, -1] < 0.9 * whole.curves[name][:, 0]).all(), "the models have learned"


def test_a_gpu_trains_the_same_models(tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device: GPU and CPU were not compared")
    for dtype, tolerance in ((torch.float64, 1e-8), (torch.float32, 0.01)):
        for compiled in (None, tmp_path):
            cpu, gpu = (trained(range(3), dtype=dtype, device=device, compiled=compiled) for device in ("cpu", "cuda"))
            for name, curve in cpu.curves.items():
                np.testing.assert_allclose(gpu.curves[name], curve, rtol=tolerance)
            assert_close(gpu.params["weight1"].cpu(), cpu.params["weight1"], tolerance)
