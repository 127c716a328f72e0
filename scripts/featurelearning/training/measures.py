"""What is recorded along training: errors of regression and accuracies of classification, per model."""

from collections.abc import Callable

import torch
from torch import Tensor

from featurelearning.networks import dense
from featurelearning.networks.dense import Params

BLOCK = 400  # samples at a time on a CPU: a model's hidden layer for a block stays in the processor's cache
Predict = Callable[[Params, Tensor], Tensor]  # outputs [m, n, o] for inputs [m, n, d]


def predict(forward: Predict, params: Params, x: Tensor) -> Tensor:
    """Return a network's outputs [m, n, o] for inputs [m, n, d]; on a CPU a model and a block of samples at a time."""
    if x.device.type != "cpu":
        return forward(params, x)
    outputs = []
    for i in range(len(x)):
        model = {key: value[i : i + 1] for key, value in params.items()}
        outputs.append(torch.cat([forward(model, block) for block in x[i : i + 1].split(BLOCK, dim=1)], dim=1))
    return torch.cat(outputs)


def regression(
    params: Params,
    x_train: Tensor,
    y_train: Tensor,
    x_test: Tensor,
    y_test: Tensor,
    clean_test: Tensor,
    predict: Predict,
) -> dict[str, Tensor]:
    """Return the mean squared errors [m] on the training labels, the test labels and the noise-free teacher."""
    train, test = predict(params, x_train), predict(params, x_test)
    return {
        "train_mse": dense.mean_squared_error(train, y_train),
        "test_mse": dense.mean_squared_error(test, y_test),
        "clean_mse": dense.mean_squared_error(test, clean_test),
    }


def classification(
    params: Params, x_train: Tensor, y_train: Tensor, x_validation: Tensor, y_validation: Tensor, predict: Predict
) -> dict[str, Tensor]:
    """Return the mean cross-entropy [m] on the training samples and the accuracies on training and validation."""
    outputs = predict(params, x_train)
    losses = torch.nn.functional.cross_entropy(outputs.flatten(0, 1), y_train.flatten(), reduction="none")
    return {
        "train_loss": losses.unflatten(0, y_train.shape).mean(dim=-1),
        "train_accuracy": correct(outputs, y_train),
        "validation_accuracy": correct(predict(params, x_validation), y_validation),
    }


def correct(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the share of samples [m] whose largest output [m, n, o] is at the label [m, n]."""
    return (outputs.argmax(dim=-1) == labels).to(outputs.dtype).mean(dim=-1)
