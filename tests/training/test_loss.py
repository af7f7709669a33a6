"""The multitask loss adds weighted tasks, and leaves missing labels out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.data.schema import Task
from jaxens.training.loss import multitask_loss, task_loss

pytestmark = pytest.mark.slow

SPECIES = Task.multiclass("species", ("a", "b", "c"))
MARKS = Task.multilabel("marks", {"ring": ("eye",), "crest": ("crown",)})


def test_equal_logits_cost_the_logarithm_of_the_number_of_answers():
    logits = {"species": jnp.ones((4, 3)), "marks": jnp.zeros((4, 2))}
    labels = {
        "species": jnp.array([0, 2, -1, 1]),
        "marks": jnp.array([[1, 0], [-1, 1], [0, -1], [-1, -1]]),
    }
    loss = multitask_loss((SPECIES, MARKS), (2.0, 0.5), logits, labels)
    assert loss == pytest.approx(2 * np.log(3) + 0.5 * np.log(2))


def test_a_missing_label_has_no_loss_and_no_gradient():
    logits = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    labels = jnp.array([2, -1, 0])
    loss, gradient = jax.value_and_grad(lambda x: task_loss(SPECIES, x, labels))(logits)
    assert loss == pytest.approx(task_loss(SPECIES, logits[::2], labels[::2]))
    assert not gradient[1].any()
    assert gradient[::2].all()


def test_a_batch_without_labels_has_no_loss_and_no_gradient():
    logits = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    missing = jnp.full(6, -1)
    loss, gradient = jax.value_and_grad(lambda x: task_loss(SPECIES, x, missing))(logits)
    assert loss == 0
    assert not gradient.any()
