"""The long names and units of what P1's files before the aggregated ones hold; those of the latter are in `studies`."""

from featurelearning.training.names import NAMES as TRAINING

REFERENCE = "arXiv:2509.25637"
# Shared by several studies.
COORDINATES = {
    "case": ("alignment case: spectrum and teacher direction", "1"),
    "snr": ("signal-to-noise ratio of the labels, in standard deviations", "1"),
    "direction": ("population eigen-direction, eigenvalues descending", "1"),
    "eigenvalue": ("eigenvalue of the input covariance", "1"),
}
NAMES = {
    **TRAINING,
    **COORDINATES,
    # data
    "x_train": ("training inputs", "1"),
    "y_train": ("training labels, scaled", "1"),
    "x_test": ("test inputs", "1"),
    "y_test": ("test labels, scaled", "1"),
    "clean_test": ("noise-free teacher on the test inputs, scaled as the labels", "1"),
    "index": ("index of the teacher", "1"),
    "coefficient": ("coefficients of the teacher, one an index", "1"),
    "digit": ("class of the image", "1"),
    "pattern": ("class pattern added to the images", "1"),
    "train_index": ("index of a training image in the set's training images", "1"),
    "validation_index": ("index of a validation image in the set's training images", "1"),
    # covariance
    "eigenvector": ("eigenvectors of the estimated covariance, in columns", "1"),
    "condition_number": ("largest over smallest eigenvalue", "1"),
    "effective_rank": ("trace over largest eigenvalue", "1"),
    "ridge": ("delta added to every eigenvalue", "1"),
    # evaluation
    "noise_floor": ("mean squared label noise of the test set, scaled as the labels", "1"),
    "feature_energy": ("share of the squared first-layer weights on an eigen-direction", "1"),
    "sensitivity": ("mean squared input gradient along an eigen-direction", "1"),
    "unfrozen_test_mse": ("test error of a model trained on the target from scratch", "1"),
    "unfrozen_diverged_at": ("the same of the model trained on the target from scratch", "1"),
    "accuracy_in_distribution": ("share correct where pattern, digit and label agree", "1"),
    "accuracy_flipped_noise": ("share correct where the pattern is swapped and the label follows the digit", "1"),
    "accuracy_flipped_digits": ("share correct where the label is random and the pattern follows it", "1"),
    "accuracy_source": ("share of the source's test images that the trained network classifies correctly", "1"),
    "accuracy_target": ("share of the target's test images classified correctly by the refitted head", "1"),
    "accuracy_random": ("the same on the first layer as it was before training", "1"),
    # theory
    "check": ("check of the theory", "1"),
    "exponent": ("exponent of the covariance in the preconditioner", "1"),
    "preconditioner": ("what scales the steps of the first layer, fixed or adaptive", "1"),
    "transformation": ("change A of the inputs, x' = x A^-1, and of the initialisation, W0' = A W0", "1"),
    "optimizer": ("method whose steps of the first layer are explained by a power of the covariance", "1"),
    "frame": ("coordinates of the inputs: eigenbasis of the population's covariance, or rotated at random", "1"),
    "effective_step": ("number of updates made where an effective exponent is recorded", "1"),
    "initialisation": ("law of the first layer's initial weights", "1"),
    "kind": ("identity: deviation at most bound; control: at least bound; report: no bound", "1"),
    "bound": ("bound of the check", "1"),
    "deviation": ("largest relative deviation of a check over steps and points", "1"),
    "departure": ("largest relative deviation, over points, of training on changed inputs from that on the given", "1"),
    "isotropy_error": ("relative distance of the initial pre-activations' second moments from sigma^2 X P X^T", "1"),
    "isotropy_noise": ("the distance that a P-isotropic law is expected to have from that many hidden units", "1"),
    "effective_exponent": ("p of the Sigma^p that best explains the first layer's change from its gradients", "1"),
    "step_exponent": ("p of the Sigma^p that best explains one step of the first layer from its gradient", "1"),
    "gram_eigenvalue": ("eigenvalue of X P X^T / n, P a power of the uncentred empirical covariance", "1"),
    "gram_eigenvalue_population": ("eigenvalue of X P X^T / n, P a power of the population covariance", "1"),
    "gram_slope": ("half the log-log slope of the Gram eigenvalues against the singular values", "1"),
    "singular_value": ("singular value of the inputs divided by the square root of their number", "1"),
    # diagnosis
    "explained_share": ("share of the labels' variance that a direction explains by itself, cross-validated", "1"),
    "chance_share": ("largest share that independent labels exceed with a chance of 5 %", "1"),
    "recommended": ("exponent that the diagnosis recommends", "1"),
}
