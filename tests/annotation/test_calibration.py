"""Temperatures of logits whose true temperature is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.annotation.calibration import fit_temperature
from jaxens.data.schema import Task
from jaxens.ensemble.predictions import mean_probabilities

pytestmark = pytest.mark.slow

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


def test_a_temperature_sharpens_the_mean_of_members_that_disagree():
    logits = np.random.default_rng(2).normal(size=(4, 5, 3))
    mean = softmax(logits).mean(axis=0)
    expected = mean**2 / (mean**2).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(mean_probabilities(TASK, jnp.asarray(logits), 0.5), expected, 1e-5)
    np.testing.assert_allclose(mean_probabilities(TASK, jnp.asarray(logits)), mean, rtol=1e-5)
    of_labels = (1 / (1 + np.exp(-logits))).mean(axis=0)
    expected = of_labels**2 / (of_labels**2 + (1 - of_labels) ** 2)
    np.testing.assert_allclose(mean_probabilities(MARKS, jnp.asarray(logits), 0.5), expected, 1e-5)


def test_the_calibrated_mean_is_as_sure_as_it_is_often_right():
    """Members are noisy, so that their mean is less sure than it could be."""
    rng = np.random.default_rng(3)
    true = rng.normal(0, 2, (40000, 3))
    labels = (softmax(true).cumsum(axis=1) > rng.random((40000, 1))).argmax(axis=1)
    logits = jnp.asarray(true + rng.normal(0, 2, (8, *true.shape)))
    temperature = fit_temperature(TASK, logits[:, :20000], labels[:20000])
    assert temperature < 1
    p = np.asarray(mean_probabilities(TASK, logits, temperature))[20000:]
    right = p.argmax(axis=1) == labels[20000:]
    for least in (0.4, 0.6, 0.8):
        chosen = (p.max(axis=1) >= least) & (p.max(axis=1) < least + 0.2)
        assert right[chosen].mean() == pytest.approx(p.max(axis=1)[chosen].mean(), abs=0.03)


def test_where_all_images_are_right_the_temperature_stays_within_reason():
    labels = np.arange(60) % 3
    logits = jnp.asarray(4.0 * np.eye(3)[labels])[None]
    assert 0.1 < fit_temperature(TASK, logits, labels) < 1
