"""The multitask loss equals PyTorch's, and leaves missing labels out."""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from jaxens.data.schema import Task
from jaxens.training.loss import multitask_loss, task_loss

SPECIES = Task.multiclass("species", ("a", "b", "c"))
MARKS = Task.multilabel("marks", {"ring": ("eye",), "crest": ("crown",)})
RNG = np.random.default_rng(0)
LOGITS = {
    "species": RNG.normal(size=(6, 3)).astype(np.float32),
    "marks": RNG.normal(size=(6, 2)).astype(np.float32),
}


def torch_multiclass(labels):
    return torch.nn.functional.cross_entropy(
        torch.tensor(LOGITS["species"]), torch.tensor(labels).long(), ignore_index=-1
    ).item()


def torch_multilabel(labels):
    losses = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(LOGITS["marks"]), torch.tensor(labels).float().clamp(0), reduction="none"
    )
    return losses[torch.tensor(labels) >= 0].mean().item()


def test_the_sum_is_weighted_and_each_task_equals_pytorch():
    species = np.array([0, 2, -1, 1, -1, 0])
    marks = np.array([[1, 0], [-1, 1], [0, -1], [1, 1], [-1, -1], [0, 0]])
    labels = {"species": jnp.asarray(species), "marks": jnp.asarray(marks)}
    got = multitask_loss((SPECIES, MARKS), (2.0, 0.5), LOGITS, labels)
    want = 2 * torch_multiclass(species) + 0.5 * torch_multilabel(marks)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_a_batch_without_labels_has_no_loss_and_no_gradient():
    none = jnp.full(6, -1)
    loss, gradient = jax.value_and_grad(lambda x: task_loss(SPECIES, x, none))(LOGITS["species"])
    assert loss == 0
    assert not gradient.any()
