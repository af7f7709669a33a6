"""Streams the batches of a training plan, for data sets that do not fit on the device."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grain
import numpy as np
from absl import flags
from jaxtyping import Int32

from jaxens.data.geometry import square
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
    process_index: int = 0,
    process_count: int = 1,
) -> grain.DatasetIterator[Batch]:
    """The batches of steps `start_step` to `stop_step - 1`, decoded ahead of time.

    A batch depends on its step alone, so a stream that starts at a later step continues an
    earlier one exactly. The iterator can be saved too, with grain's `get_state` and `set_state`.

    Args:
        source: the training images.
        plan: maps a step to the images of its batch, with a leading member axis if each member
            has its own batch. It must be picklable if there are workers.
        start_step: the first step, counted from 0.
        stop_step: the step after the last.
        workers: processes that decode; 0 means threads of this process.
        process_index: the slice of the batch axis that this process reads.
        process_count: the number of slices.

    Returns:
        An iterator of `{"images": uint8 [batch size size 3] or [member batch size size 3],
        "labels": {task: [batch] or [batch class], or these with a leading member axis}}`.

    Raises:
        ValueError: while iterating, if the processes do not divide the batch.
    """
    gather = _Gather(source, plan, process_index, process_count)
    steps = grain.MapDataset.range(start_step, stop_step).map(gather)
    if workers == 0:
        threads = max(_READ_AHEAD, cores())
        options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
        return iter(steps.to_iter_dataset(options))
    if not flags.FLAGS.is_parsed():  # grain reads some before it starts a process
        flags.FLAGS.mark_as_parsed()
    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=1)
    processes = grain.MultiprocessingOptions(
        num_workers=workers, per_worker_buffer_size=max(1, _READ_AHEAD // workers)
    )
    stream = steps.to_iter_dataset(options).mp_prefetch(processes)
    # Batches come through pipes: grain does not free its shared memory at the end of a stream,
    # and containers often have only 64 MB of it.
    pipes = grain.experimental.DatasetOptions(min_shm_size=sys.maxsize)
    return iter(grain.experimental.WithOptionsIterDataset(stream, pipes))


@dataclass(frozen=True)
class _Gather:
    """Maps a step to its batch. An image that several members draw is decoded once."""

    source: Source
    plan: Plan
    process_index: int
    process_count: int

    def __call__(self, step: int) -> Batch:
        rows = np.asarray(self.plan(int(step)))
        if rows.shape[-1] % self.process_count:
            raise ValueError(
                f"a batch of {rows.shape[-1]} images cannot be shared by "
                f"{self.process_count} processes: choose a multiple of {self.process_count}"
            )
        rows = np.split(rows, self.process_count, axis=-1)[self.process_index]
        distinct, inverse = np.unique(rows, return_inverse=True)
        inverse = inverse.reshape(rows.shape)
        examples = [  # without masks, which training does not need
            square(self.source.example(int(i)), self.source.size, self.source.crop)
            for i in distinct
        ]
        return {
            "images": np.stack([e.image for e in examples])[inverse],
            "labels": {
                task.name: np.stack([e.labels[task.name] for e in examples])[inverse]
                for task in self.source.info.tasks
            },
        }
