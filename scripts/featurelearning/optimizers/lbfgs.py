"""L-BFGS (Nocedal & Wright 2006, algorithms 7.4 and 7.5) with a line search by bisection, batched over models.

The direction is -H g, with H the BFGS inverse Hessian of the last HISTORY pairs s = change of the parameters,
y = change of the gradient. The step t along it meets the weak Wolfe conditions (eq. 3.6), with f the objective:
    f(x + t d) <= f(x) + C1 t g.d   (Armijo)        g(x + t d).d >= C2 g.d   (curvature)
A pair comes from where the parameters were, not from the step returned, so that it is right at any learning rate.
"""

import torch
from torch import Tensor

from featurelearning.networks.dense import Params
from featurelearning.optimizers.problem import Gradients, Problem, State

LABEL = "L-BFGS"
EAGER = True
HISTORY = 10
C1, C2 = 1e-4, 0.9
TRIALS = 25  # per search; a bracket that never opens ends at t = 2^24, one that never closes from above at 2^-24
COSINE = 1e-6  # of the angle between s and y, from which a pair is kept: above the rounding of float32


def flat(tree: Params) -> Tensor:
    """Return all entries of each model in a row, [m, p]."""
    return torch.cat([value.flatten(1) for value in tree.values()], dim=1)


def shaped(rows: Tensor, like: Params) -> Params:
    """Return rows [m, p] in the layout of `like`."""
    parts = rows.split([value[0].numel() for value in like.values()], dim=1)
    return {key: part.reshape(value.shape) for (key, value), part in zip(like.items(), parts, strict=True)}


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner product of each model, [..., 1]."""
    return (a * b).sum(dim=-1, keepdim=True)


def init(params: Params, problem: Problem) -> State:
    """Return an empty history: pairs of zeros, oldest first; and no failed searches."""
    x = flat(params)
    pairs = x.new_zeros(len(x), HISTORY, x.shape[1])
    history = {"s": pairs, "y": pairs.clone()}
    previous = {"params": x, "gradients": torch.zeros_like(x)}  # s = 0 is no pair
    return {"history": history, "previous": previous, "count": {"failures": x.new_zeros(len(x), 1, 1)}}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return -t d, so that a learning rate of 1 is the method itself.

    A model whose search finds no point stays and forgets its pairs, so that it starts again from -g; where that fails
    too, every later search would fail alike, so there is none. Not-finite gradients give a not-finite step.
    """
    g, x = (flat({key: tree[key] for key in params}) for tree in (gradients, params))
    s, y = remember(state["history"], x - state["previous"]["params"], g - state["previous"]["gradients"])
    d = direction(g, s, y)
    slope = dot(g, d)
    d = torch.where((slope < 0) & slope.isfinite(), d, -steepest(g) * g)
    failures = state["count"]["failures"]
    t = search(problem.objective, params, g, d, given_up=failures[..., 0] >= 2)
    failed = (t == 0)[..., None]
    state = {
        "history": {key: torch.where(failed, 0.0, pairs) for key, pairs in (("s", s), ("y", y))},
        "previous": {"params": x, "gradients": g},
        "count": {"failures": torch.where(failed, failures + 1, 0.0)},
    }
    return shaped(-t * d, params), state


def remember(history: Params, s: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the histories [m, HISTORY, p] with the pair s, y [m, p] in the last place, where s.y is large enough."""
    kept = dot(s, y) > COSINE * dot(s, s).sqrt() * dot(y, y).sqrt()
    pairs = ((history["s"], s), (history["y"], y))
    return tuple(torch.where(kept[..., None], torch.cat([old[:, 1:], new[:, None]], dim=1), old) for old, new in pairs)


def steepest(g: Tensor) -> Tensor:
    """Return the scale [m, 1] of -g while nothing is known of the curvature: min(1, 1 / |g|_1)."""
    return (1 / g.abs().sum(dim=-1, keepdim=True)).clamp(max=1)


def direction(g: Tensor, s: Tensor, y: Tensor) -> Tensor:
    """Return -H g [m, p] by the two-loop recursion, from H0 = s.y / y.y of the newest pair; pairs of zeros count not.

    g [m, p]; s, y [m, HISTORY, p], oldest first. Source: Nocedal & Wright 2006, algorithm 7.4 and eq. 7.20.
    """
    products = dot(s, y)
    weights = torch.where(products > 0, 1 / products, 0.0)
    q, alphas = g, [None] * HISTORY
    for i in reversed(range(HISTORY)):
        alphas[i] = weights[:, i] * dot(s[:, i], q)
        q = q - alphas[i] * y[:, i]
    r = torch.where(products[:, -1] > 0, products[:, -1] / dot(y[:, -1], y[:, -1]), steepest(g)) * q
    for i in range(HISTORY):
        r = r + s[:, i] * (alphas[i] - weights[:, i] * dot(y[:, i], r))
    return -r


def search(objective: Gradients, params: Params, g: Tensor, d: Tensor, given_up: Tensor) -> Tensor:
    """Return t [m, 1] that meets the weak Wolfe conditions along d, all models in one evaluation a trial.

    A model keeps a bracket: its lower end meets Armijo but not the curvature condition, its upper end fails Armijo.
    The next t is the middle, or twice the lower end while there is no upper one. After TRIALS the lower end is taken:
    the farthest point that meets Armijo, or 0. Models given up [m, 1] get 0; those with a value or slope that is not
    finite get 1.
    """
    x, slope = flat(params), dot(g, d)
    start = objective(params)[0][:, None]
    low, high = torch.zeros_like(slope), torch.full_like(slope, torch.inf)
    t = torch.where(given_up, 0.0, torch.ones_like(slope))
    settled = given_up | ~(start + slope).isfinite()
    for _ in range(TRIALS):
        if settled.all():
            break
        values, found = objective(shaped(x + t * d, params))
        armijo = values[:, None] <= start + C1 * t * slope
        curvature = dot(flat({key: found[key] for key in params}), d) >= C2 * slope
        settled = settled | (armijo & curvature)
        low, high = torch.where(armijo, t, low), torch.where(armijo, high, t)
        t = torch.where(settled, t, torch.where(high.isinf(), 2 * low, (low + high) / 2))
    return torch.where(settled, t, low)
