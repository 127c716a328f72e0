"""Muon's orthogonalisation against the polar factor, and a step of it against torch's own."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from featurelearning.optimizers import muon
from featurelearning.optimizers.problem import Problem
from reference_muon import spread
from references import assert_close, random_params

SHAPES = [(3, 4, 7), (3, 7, 4), (3, 5, 5), (2, 1, 6), (2, 6, 1)]


def random(*shape: int, seed: int = 41) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_vectors_are_kept_and_values_come_near_to_one(shape):
    """So O(A) is the polar factor U V^T up to factors 0.68 to 1.14, the range of f above 0.01."""
    matrix = random(*shape)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    assert (s / torch.linalg.vector_norm(s, dim=1, keepdim=True)).min() > 0.01
    inside = u.mT @ muon.orthogonalised(matrix) @ v.mT
    values = inside.diagonal(dim1=1, dim2=2)
    assert_close(inside, torch.diag_embed(values))
    assert 0.68 < values.min() and values.max() < 1.14
    assert_close(u @ inside @ v, muon.orthogonalised(matrix))


def test_rotations_go_through_and_scales_do_not_matter():
    matrix, left, right = random(3, 4, 6), torch.linalg.qr(random(4, 4))[0], torch.linalg.qr(random(6, 6))[0]
    assert_close(muon.orthogonalised(left @ matrix @ right), left @ muon.orthogonalised(matrix) @ right)
    for scale, dtype, tolerance in (
        (1e-200, torch.float64, 1e-10),
        (1e25, torch.float32, 1e-5),
        (1e-25, torch.float32, 1e-5),
    ):
        found = muon.orthogonalised((scale * matrix).to(dtype))
        assert_close(found, muon.orthogonalised(matrix), tolerance)


def test_zero_stays_and_what_is_not_finite_harms_no_other_model():
    matrix = random(3, 4, 6)
    assert not muon.orthogonalised(torch.zeros(1, 4, 6)).any()
    for value in (torch.nan, torch.inf, -torch.inf):
        bad = matrix.clone()
        bad[1, 0, 0] = value
        found = muon.orthogonalised(bad)
        assert found[1].isnan().all()
        assert_close(found[[0, 2]], muon.orthogonalised(matrix)[[0, 2]])


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (5, 5)])
def test_steps_are_those_of_torch_up_to_the_rounding_of_bfloat16(shape):
    kind = getattr(torch.optim, "Muon", None) or pytest.skip("this torch has no Muon")
    weight = random(1, *shape)
    theirs = torch.nn.Parameter(weight[0].T.clone())  # its layout is [fan_out, fan_in]
    optimizer = kind([theirs], lr=1.0, weight_decay=0.0, momentum=muon.MOMENTUM)
    state = muon.init({"weight1": weight}, Problem())
    for seed in range(4):
        gradient = random(1, *shape, seed=seed)
        before, theirs.grad = theirs.detach().clone(), gradient[0].T.clone()
        optimizer.step()
        step, state = muon.update({"weight1": gradient}, state, {"weight1": weight}, Problem())
        assert_close(step["weight1"][0], (before - theirs.detach()).T, 0.05)


def test_what_has_rank_one_moves_along_its_gradient_by_f_of_one():
    """A bias [1, h] and the weights of one output [h, 1]."""
    params, gradients = (random_params(np.random.default_rng(seed), 3, 4, 6) for seed in (42, 43))
    step, _ = muon.update(gradients, muon.init(params, Problem()), params, Problem())
    for key, factor in (("bias1", 6**0.5), ("weight2", 1.0), ("bias2", 1.0)):
        unit = gradients[key] / torch.linalg.matrix_norm(gradients[key], keepdim=True)
        assert_close(step[key], factor * float(spread(np.ones(1))[0]) * unit)


@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 1, 6), (3, 6, 1)])
def test_a_single_row_or_column_takes_no_product(shape):
    """torch.compile does not end on the steps of one entry, which it would write out as one expression."""
    with FlopCounterMode(display=False) as counter:
        muon.orthogonalised(random(*shape))
    assert counter.get_total_flops() == 0
    with FlopCounterMode(display=False) as counter:
        muon.orthogonalised(random(3, 2, 6))
    assert counter.get_total_flops() > 0
