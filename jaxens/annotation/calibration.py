"""Calibrates probabilities by one temperature per task."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar

from jaxens.data.schema import MISSING, Task
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.ensemble.predicting import all_logits
from jaxens.ensemble.predictions import mean_probabilities

RANGE = (-3.0, 3.0)  # of the logarithm of a temperature


def calibrate(ensemble: Ensemble, split: Split) -> dict[str, float]:
    """Returns a temperature for each task, by which the logits of the mean are divided.

    It maximizes the likelihood of the labels of images that the members were not trained on, times
    a standard normal prior of the temperature's logarithm. Without the prior, the temperature
    would be 0 if every image is classified correctly.

    Guo et al. 2017 (On Calibration of Modern Neural Networks), section 4.2, without the prior.

    Args:
        ensemble: The ensemble.
        split: Validation images with labels. A task without a label gets the temperature 1.
    """
    logits = all_logits(ensemble, split.images)
    return {
        task.name: fit_temperature(task, logits[task.name], split.labels[task.name])
        for task in ensemble.tasks
    }


def fit_temperature(
    task: Task,
    logits: Float[jax.Array, "member image class"],
    labels: Int[np.ndarray, "image"] | Int[np.ndarray, "image class"],
) -> float:
    """Returns the temperature of one task; see `calibrate`."""
    known = labels != MISSING
    if not known.any():
        return 1.0

    @jax.jit
    def probabilities(temperature: jax.Array) -> jax.Array:
        return mean_probabilities(task, logits, temperature)

    def loss(log_temperature: float) -> float:
        p = np.asarray(probabilities(jnp.float32(np.exp(log_temperature))), np.float64)
        if task.kind == "multilabel":
            of_label = np.where(labels == 1, p, 1 - p)[known]
        else:
            of_label = p[known, labels[known]]
        return float(-np.log(np.maximum(of_label, 1e-12)).sum() + log_temperature**2 / 2)

    return float(np.exp(minimize_scalar(loss, bounds=RANGE, method="bounded").x))
