"""Streams the batches of a training plan, for data sets that do not fit on the device."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int32

from jaxens.data.prefetch import Workers, in_order
from jaxens.data.preparing import cores
from jaxens.data.source import Source

Plan = Callable[[int], Int32[np.ndarray, "batch"] | Int32[np.ndarray, "member batch"]]
Batch = dict[str, Any]

_READ_AHEAD = 4  # least number of batches that are decoded ahead


def batches(
    source: Source,
    plan: Plan,
    start_step: int,
    stop_step: int,
    workers: int = 0,
) -> Iterator[Batch]:
    """Yields the batches of steps `start_step` to `stop_step - 1`, decoded ahead of time.

    A batch depends on its step alone, so a stream that starts at a later step continues an
    earlier one exactly.

    Args:
        source: The training images.
        plan: Maps a step to the images of its batch, with a leading member axis if each member
            has its own batch. It must be picklable if there are workers.
        start_step: The first step, counted from 0.
        stop_step: The step after the last.
        workers: Processes that decode; 0 means threads of this process.

    Yields:
        `{"images": uint8 [batch size size 3] or [member batch size size 3],
        "labels": {task: [batch] or [batch class], or these with a leading member axis}}`.

    Raises:
        UserError: If the prepared data is damaged, or a worker died.
    """
    gather = _Gather(source, plan)
    steps = range(start_step, stop_step)
    if workers == 0:
        threads = max(_READ_AHEAD, cores())
        yield from in_order(gather, steps, threads, threads)
        return
    with Workers(gather, workers, "decodes images") as pool:
        yield from in_order(pool, steps, workers, max(_READ_AHEAD, workers))


@dataclass(frozen=True)
class _Gather:
    """Maps a step to its batch. An image that several members draw is decoded once."""

    source: Source
    plan: Plan

    def __call__(self, step: int) -> Batch:
        rows = np.asarray(self.plan(step))
        distinct, inverse = np.unique(rows, return_inverse=True)
        inverse = inverse.reshape(rows.shape)
        # Without masks, which training does not need.
        examples = [self.source.decoded(int(i), masks=False) for i in distinct]
        return {
            "images": np.stack([e.image for e in examples])[inverse],
            "labels": {
                task.name: np.stack([e.labels[task.name] for e in examples])[inverse]
                for task in self.source.info.tasks
            },
        }
