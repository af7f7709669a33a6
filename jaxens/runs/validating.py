"""Scores the members of a training on the devices that train them."""

from collections.abc import Callable
from functools import partial

import numpy as np

from jaxens.chunks import in_chunks
from jaxens.data.split import Split
from jaxens.ensemble import programs
from jaxens.ensemble.inputs import normalized_images
from jaxens.ensemble.quality import Quality, quality_of_logits
from jaxens.models.memory import member_images_at_once
from jaxens.training.agreement import smallest
from jaxens.training.state import State
from jaxens.training.trainer import Trainer

Validation = Callable[[State], list[Quality]]


def _go_on() -> None:
    """Does nothing: nobody asks to stop."""


def validation(
    trainer: Trainer, split: Split, after_chunk: Callable[[], None] = _go_on
) -> Validation:
    """Returns a function from a state, on the devices of the mesh, to the scores of every task.

    Each device computes the logits of its own members for its share of the images. So no device
    needs memory for all members.

    Args:
        trainer: The trainer.
        split: Images with labels for each of its tasks; the same in all processes.
        after_chunk: Called after each chunk of images, in all processes; it may raise.
    """
    place, model = trainer.placement, trainer.model
    members = trainer.config.ensemble.members
    predict = place.predicting(partial(programs.logits, mesh=None, model=model))
    of_device = place.filled // place.layout.member
    at_once = smallest(member_images_at_once(model, split.images.shape[1], of_device) // of_device)
    chunk = max(1, at_once) * place.layout.data

    def scores(state: State) -> list[Quality]:
        def logits(images: np.ndarray) -> dict[str, np.ndarray]:
            result = predict(state, normalized_images(images))
            after_chunk()
            return result

        by_task = in_chunks(logits, chunk, split.images, out_axis=1)
        if place.members == members:
            return quality_of_logits(trainer.tasks, by_task, split)
        of_members = {task: each[:members] for task, each in by_task.items()}
        of_baseline = {task: each[members:] for task, each in by_task.items()}
        return quality_of_logits(trainer.tasks, of_members, split, of_baseline)

    return scores
