"""The multitask loss equals PyTorch's."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jaxens.data.schema import Task
from jaxens.training.loss import multitask_loss

pytestmark = pytest.mark.slow

SPECIES = Task.multiclass("species", ("a", "b", "c"))
MARKS = Task.multilabel("marks", {"ring": ("eye",), "crest": ("crown",)})
RNG = np.random.default_rng(0)
LOGITS = {
    "species": RNG.normal(size=(6, 3)).astype(np.float32),
    "marks": RNG.normal(size=(6, 2)).astype(np.float32),
}


def torch_multiclass(labels: np.ndarray) -> float:
    return torch.nn.functional.cross_entropy(
        torch.tensor(LOGITS["species"]), torch.tensor(labels).long(), ignore_index=-1
    ).item()


def torch_multilabel(labels: np.ndarray) -> float:
    losses = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(LOGITS["marks"]), torch.tensor(labels).float().clamp(0), reduction="none"
    )
    return losses[torch.tensor(labels) >= 0].mean().item()


def test_the_sum_is_weighted_and_each_task_equals_pytorch() -> None:
    species = np.array([0, 2, -1, 1, -1, 0])
    marks = np.array([[1, 0], [-1, 1], [0, -1], [1, 1], [-1, -1], [0, 0]])
    labels = {"species": jnp.asarray(species), "marks": jnp.asarray(marks)}
    loss = multitask_loss((SPECIES, MARKS), (2.0, 0.5), LOGITS, labels)
    expected = 2 * torch_multiclass(species) + 0.5 * torch_multilabel(marks)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
