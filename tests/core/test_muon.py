"""Muon's orthogonalisation against the polar factor, and a step of it against torch's own."""

import numpy as np
import pytest
import torch

from featurelearning.optimizers import muon
from featurelearning.optimizers.problem import Problem
from references import assert_close, random_params

SHAPES = [(3, 4, 7), (3, 7, 4), (3, 5, 5), (2, 1, 6), (2, 6, 1)]


def random(*shape: int) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(41).standard_normal(shape))


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_vectors_are_kept_and_values_come_near_to_one(shape):
    """Of the polar factor U V^T: O(A) V U^T is symmetric and has the eigenvalues 0.68 to 1.14 (Jordan et al. 2024)."""
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
    for scale in (1e-3, 1e6):
        assert_close(muon.orthogonalised(scale * matrix), muon.orthogonalised(matrix))


def test_zero_stays_and_what_is_not_finite_harms_no_other_model():
    matrix = random(3, 4, 6)
    assert not muon.orthogonalised(torch.zeros(1, 4, 6)).any()
    bad = matrix.clone()
    bad[1, 0, 0] = torch.nan
    found = muon.orthogonalised(bad)
    assert found[1].isnan().all()
    assert_close(found[[0, 2]], muon.orthogonalised(matrix)[[0, 2]])


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (5, 5)])
def test_two_steps_are_those_of_torch_up_to_the_rounding_of_bfloat16(shape):
    kind = getattr(torch.optim, "Muon", None) or pytest.skip("this torch has no Muon")
    weight = random(1, *shape)
    theirs = torch.nn.Parameter(weight[0].T.clone())  # its layout is [fan_out, fan_in]
    optimizer = kind([theirs], lr=1.0, weight_decay=0.0, momentum=muon.MOMENTUM)
    state = muon.init({"weight1": weight}, Problem())
    for scale in (1.0, -0.3):
        gradient = scale * random(1, *shape).sin()
        before, theirs.grad = theirs.detach().clone(), gradient[0].T.clone()
        optimizer.step()
        step, state = muon.update({"weight1": gradient}, state, {"weight1": weight}, Problem())
        assert_close(step["weight1"][0], (before - theirs.detach()).T, 0.05)


def test_a_bias_moves_along_its_gradient_by_one_in_the_root_mean_square_or_so():
    params = random_params(np.random.default_rng(42), 3, 4, 6)
    gradients = random_params(np.random.default_rng(43), 3, 4, 6)
    step, _ = muon.update(gradients, muon.init(params, Problem()), params, Problem())
    size = step["bias1"].square().mean(dim=(1, 2)).sqrt()
    assert ((0.68 < size) & (size < 1.14)).all()
    cosine = torch.nn.functional.cosine_similarity(step["bias1"], gradients["bias1"], dim=2)
    assert_close(cosine, torch.ones(3, 1))
