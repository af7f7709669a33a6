"""Streams the batches of a training plan, for sets that do not fit on the device."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
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

_READ_AHEAD = 4  # batches that lie decoded and wait, at least


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

    A batch depends on its step alone, so a stream that starts at a later step goes on
    exactly where another was left. The iterator itself can be saved too, with grain's
    `get_state` and `set_state`.

    Args:
        source: the training pictures.
        plan: maps a step to the pictures of its batch; with a member axis, where each member
            has its own. It must be picklable if there are workers.
        start_step: the first step, counted from 0.
        stop_step: the step after the last.
        workers: processes that decode; 0 means threads of this process.
        process_index: which slice of the batch axis is ours.
        process_count: into how many slices the batch axis is cut.

    Returns:
        An iterator of `{"images": uint8 [batch size size 3] or [member batch size size 3],
        "labels": {task: [batch], [batch classes], or these with members in front}}`.

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
    # Batches come through pipes: grain's shared memory is not freed at the end of a stream,
    # and containers often have but 64 MB of it.
    pipes = grain.experimental.DatasetOptions(min_shm_size=sys.maxsize)
    return iter(grain.experimental.WithOptionsIterDataset(stream, pipes))


@dataclass(frozen=True)
class _Gather:
    """Step -> batch. A picture that several members drew is decoded once."""

    source: Source
    plan: Plan
    process_index: int
    process_count: int

    def __call__(self, step: int) -> Batch:
        drawn = np.asarray(self.plan(int(step)))
        if drawn.shape[-1] % self.process_count:
            raise ValueError(
                f"a batch of {drawn.shape[-1]} pictures cannot be shared by "
                f"{self.process_count} processes: choose a multiple of {self.process_count}"
            )
        ours = np.split(drawn, self.process_count, axis=-1)[self.process_index]
        distinct, place = np.unique(ours, return_inverse=True)
        place = place.reshape(ours.shape)
        # Training needs no masks, and a mask can cost as much as its photo.
        examples = [replace(self.source.example(int(i)), mask=None) for i in distinct]
        pictures = [square(e, self.source.size, self.source.crop) for e in examples]
        return {
            "images": np.stack([p.image for p in pictures])[place],
            "labels": {
                task.name: np.stack([p.labels[task.name] for p in pictures])[place]
                for task in self.source.info.tasks
            },
        }
