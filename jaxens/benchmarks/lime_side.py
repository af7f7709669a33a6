"""LIME by marcotcr/lime, for a PyTorch model with the same weights."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int

from jaxens.benchmarks.lime import BATCHES, marcotcr
from jaxens.benchmarks.subject import Explained
from jaxens.benchmarks.torch_side import Members, device, variants


def lime_sides(
    subject: Explained, segments: Int[np.ndarray, "height width"], samples: int
) -> dict[str, Callable[[], object]]:
    """Returns, by memory layout of PyTorch, a function that explains all images of a subject.

    It explains the first member.

    Args:
        subject: Members and images.
        segments: Labels of the pixels of each image.
        samples: Of each image.
    """
    sides: dict[str, Callable[[], object]] = {}
    for variant in variants(device().type == "cuda"):
        if variant.compiled:
            continue
        members = Members(subject, variant)
        members.nets[0].eval()
        by = variant.name.replace("PyTorch", "marcotcr/lime")
        sides[by] = partial(_all_images, members, segments, samples)
    return sides


def _all_images(members: Members, segments: Int[np.ndarray, "height width"], samples: int) -> None:
    network = partial(probabilities, members)
    for image in members.images.permute(0, 2, 3, 1).cpu().numpy():
        marcotcr([network], image, segments, samples, max(BATCHES))


def probabilities(
    members: Members, images: Float[np.ndarray, "image height width 3"]
) -> Float[np.ndarray, "image class"]:
    """Returns what the first member predicts: the function that marcotcr/lime needs."""
    with torch.no_grad(), members.autocast():
        batch = torch.tensor(images).permute(0, 3, 1, 2)
        logits = members.nets[0](
            batch.to(members.device, memory_format=members.variant.memory_format)
        )
    return logits.float().softmax(-1).cpu().numpy()
