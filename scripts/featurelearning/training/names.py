"""The long names and units of what any training records: parameters, curves, and the choice among candidates."""

NAMES = {
    # dimensions
    "input": ("input coordinate", "1"),
    "hidden": ("hidden unit", "1"),
    "output": ("output unit", "1"),
    "bias": ("singleton dimension of a bias", "1"),
    "train": ("training sample", "1"),
    "test": ("test sample", "1"),
    "validation": ("validation sample", "1"),
    "candidate": ("candidate of the tuning grid", "1"),
    # parameters
    "weight1": ("first-layer weights", "1"),
    "bias1": ("first-layer biases", "1"),
    "weight2": ("second-layer weights", "1"),
    "bias2": ("second-layer bias", "1"),
    "first_layer_change": ("relative change of the first layer in training, |W1 - W1(0)| / |W1(0)|", "1"),
    # curves
    "train_mse": ("mean squared error on the training labels", "1"),
    "test_mse": ("mean squared error on the test labels", "1"),
    "clean_mse": ("mean squared error against the noise-free teacher on the test inputs", "1"),
    "train_loss": ("mean cross-entropy on the training images", "nat"),
    "train_accuracy": ("share of training images classified correctly", "1"),
    "validation_accuracy": ("share of validation images classified correctly", "1"),
    # tuning
    "learning_rate": ("step size", "1"),
    "chosen": ("index of the chosen candidate", "1"),
    "at_grid_edge": ("1: a chosen value is at an end of its grid", "1"),
    "tuning_learning_rate": ("learning rate of a candidate; NaN beyond an arm's grid", "1"),
    "early_accuracy": ("share of validation images classified correctly after a fifth of the steps", "1"),
    "tuning_accuracy": ("mean validation accuracy over the tuning seeds; NaN for candidates dropped before", "1"),
    "tuning_early_accuracy": ("mean validation accuracy over the tuning seeds after a fifth of the steps", "1"),
}
