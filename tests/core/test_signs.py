"""Random signs: fair, independent between places, draws and models, and the same in any batch."""

import numpy as np
import torch

from featurelearning.optimizers import signs
from references import MONTE_CARLO

LIKE = {"a": torch.zeros(4, 30, 50), "b": torch.zeros(4, 1, 50)}
STREAMS = torch.tensor(np.random.default_rng(5).integers(-(2**31), 2**31, (4, 2)), dtype=torch.int32)
DRAWS = 200


def flat(draw: int, streams=STREAMS, like=LIKE) -> torch.Tensor:
    found = signs.rademacher(streams, torch.full((len(streams), 1, 1), float(draw)), like)
    return torch.cat([value.flatten(1) for value in found.values()], dim=1)


def bound(count: int) -> float:
    """Return the size that a mean of so many independent signs exceeds with chance MONTE_CARLO: Hoeffding's."""
    return (2 * np.log(2 / MONTE_CARLO) / count) ** 0.5


def test_signs_are_plus_or_minus_one_in_the_layout_and_type_asked_for():
    like = {key: value.double() for key, value in LIKE.items()}
    found = signs.rademacher(STREAMS, torch.zeros(4, 1, 1), like)
    assert {key: (v.shape, v.dtype) for key, v in found.items()} == {k: (v.shape, v.dtype) for k, v in like.items()}
    assert all((value.abs() == 1).all() for value in found.values())


def test_signs_are_fair():
    drawn = torch.stack([flat(draw) for draw in range(DRAWS)])
    assert abs(drawn.mean()) < bound(drawn.numel())


def test_places_draws_and_models_are_independent():
    drawn = torch.stack([flat(draw) for draw in range(DRAWS)])  # [draw, model, place]
    for lag in (1, 2, 7, 32, 50):
        assert abs((drawn[:, :, lag:] * drawn[:, :, :-lag]).mean()) < bound(drawn[:, :, lag:].numel())
        assert abs((drawn[lag:] * drawn[:-lag]).mean()) < bound(drawn[lag:].numel())
    for model in (1, 2, 3):
        assert abs((drawn[:, 0] * drawn[:, model]).mean()) < bound(drawn[:, 0].numel())


def test_the_estimate_of_a_diagonal_is_unbiased():
    h = torch.tensor(np.random.default_rng(6).standard_normal((20, 20)))
    h = h + h.T
    like = {"a": torch.zeros(1, 4, 5, dtype=torch.float64)}
    numbers, streams = torch.arange(20_000.0)[:, None, None], STREAMS[:1].expand(20_000, 2)
    draws = signs.rademacher(streams, numbers, {"a": like["a"].expand(20_000, 4, 5)})["a"].flatten(1)
    estimate = (draws * (draws @ h)).mean(dim=0)
    spread = (h.square().sum(dim=1) - h.diag() ** 2).sqrt() / len(draws) ** 0.5
    assert ((estimate - h.diag()).abs() < 5 * spread).all()


def test_a_model_draws_the_same_in_any_batch_and_whatever_the_type_of_the_counter():
    for model in range(4):
        alone = signs.rademacher(STREAMS[model : model + 1], torch.full((1, 1, 1), 9), {"a": LIKE["a"][:1]})
        assert torch.equal(alone["a"][0].flatten(), flat(9)[model, : LIKE["a"][0].numel()])


def test_the_mixer_is_a_bijection():
    """Checked on the low half of the words and on every single-bit difference: no two words meet."""
    words = torch.arange(2**20, dtype=torch.int32)
    assert len(torch.unique(signs.mixed(words))) == len(words)
