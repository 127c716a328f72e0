"""Two-layer ReLU networks in closed form on NumPy arrays, free of torch: what evaluation of trained models needs.

Layout as in `two_layer_relu`, with any leading dimensions; the general path is torch's, `dense.input_gradients`.
"""

import numpy as np


def hidden(params: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return the features relu(x W1 + b1) [..., n, h]."""
    return np.maximum(x @ params["weight1"] + params["bias1"], 0.0)


def input_gradients(params: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return grad_x f(x_i) [..., n, d] of networks of one output: W1 (1[x W1 + b1 > 0] * w2).

    params: weight1 [..., d, h], bias1 [..., 1, h], weight2 [..., h, 1]; x [..., n, d].
    """
    active = hidden(params, x) > 0
    return (active * params["weight2"][..., None, :, 0]) @ np.swapaxes(params["weight1"], -1, -2)
