"""Temperatures of logits whose true temperature is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.annotation.calibration import fit_temperature
from jaxens.data.schema import Task
from jaxens.ensemble.predictions import mean_probabilities

TASK = Task.multiclass("bill", ("short", "medium", "long"), ("bill",))
MARKS = Task.multilabel("marks", {"crest": ("crest",), "ring": ("ring",)})


def softmax(logits):
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(temperature):
    rng = np.random.default_rng(0)
    true = rng.normal(0, 1.5, (20000, 3))
    labels = (softmax(true).cumsum(axis=1) > rng.random((20000, 1))).argmax(axis=1)
    found = fit_temperature(TASK, jnp.asarray(true * temperature)[None], labels)
    assert found == pytest.approx(temperature, rel=0.05)


def test_unknown_labels_do_not_count():
    rng = np.random.default_rng(1)
    true = rng.normal(0, 2, (20000, 2))
    labels = (1 / (1 + np.exp(-true)) > rng.random(true.shape)).astype(np.int8)
    labels[::3] = -1
    assert fit_temperature(MARKS, jnp.asarray(2 * true)[None], labels) == pytest.approx(2, rel=0.05)
    assert fit_temperature(MARKS, jnp.asarray(true)[None], np.full_like(labels, -1)) == 1


def test_calibrated_probabilities_are_the_mean_of_the_members():
    logits = np.random.default_rng(2).normal(size=(4, 5, 3))
    ours = mean_probabilities(TASK, jnp.asarray(logits), 2.0)
    np.testing.assert_allclose(ours, softmax(logits / 2).mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(
        mean_probabilities(TASK, jnp.asarray(logits)), softmax(logits).mean(axis=0), rtol=1e-5
    )
