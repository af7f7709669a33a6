"""Saves states of three members, as one of several processes, and says how long that took."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from jax.experimental import multihost_utils

from jaxens.cli import live, signals
from jaxens.cli.distributed import job
from jaxens.ensemble.quality import Quality
from jaxens.files import LOCK
from jaxens.runs import shards, watchdog
from jaxens.runs.parts import layout_of, restored
from jaxens.runs.processes import all_share
from jaxens.runs.run import Run
from jaxens.runs.saving import save_epoch, save_part
from jaxens.runs.unsaved import UnsavedRun
from jaxens.training.layout import MeshLayout
from jaxens.training.mesh import Placement
from jaxens.training.state import TRAINING, State
from jaxens.training.trainer import Part
from tests.runs.small import CONFIG, INFO

MEMBERS, BATCH = 3, 8
SCORES = [
    Quality("wing", "accuracy", (0.5, 0.25, 0.75), 0.75, 0.5),
    Quality("marks", "AUC", (0.5, 0.25, 0.75), 0.75, 0.5),
]


def state_of(epoch: int, megabytes: float = 0.1) -> State:
    """Returns the state of three members after an epoch, of about this size."""
    rows = int(megabytes * 2**20 / 4 / 4 / MEMBERS / 64)
    rng = np.random.default_rng(epoch)

    def array(*shape: int) -> np.ndarray:
        return rng.normal(size=(MEMBERS, *shape)).astype(np.float32)

    params = {"kernel": array(2 * rows, 64), "bias": array(5)}
    moments = ({"kernel": array(rows, 128), "bias": array(5)}, rng.integers(0, 9, MEMBERS))
    trunk = {"kernel": rng.normal(size=(6, 7)).astype(np.float32)}
    diverged_at = np.array([TRAINING, 2, TRAINING], np.int32)
    return State(params, {"mean": array(1)}, moments[:1], diverged_at, trunk)


def part_of(epoch: int) -> Part:
    """Returns an epoch of four steps with losses that tell it from others."""
    return Part(epoch, 4 * epoch, np.arange(MEMBERS) / 3 + epoch)


@contextmanager
def counted_gathers() -> Iterator[list[int]]:
    """Within it, the sizes of the arrays are noted that processes gather from one another."""
    sizes: list[int] = []
    gather = multihost_utils.process_allgather

    def count(tree: Any, tiled: bool = False) -> Any:
        sizes.extend(leaf.nbytes for leaf in jax.tree.leaves(tree))
        return gather(tree, tiled)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multihost_utils, "process_allgather", count)
        yield sizes


def spoil(seconds: float, message: str) -> None:
    """Makes this process write slowly, or fail at the end."""

    handler = ocp.type_handlers.ArrayHandler
    serialize = handler.serialize

    async def spoiled(*args: Any) -> list[Any]:
        return [*await serialize(*args), Late()]

    class Late(ocp.future.Future):
        def result(self, timeout: float | None = None) -> None:
            time.sleep(seconds)
            if message:
                raise ValueError(message)

    handler.serialize = spoiled


@contextmanager
def hanging_disk(folder: Path) -> Iterator[None]:
    """The disk hangs for this process within the block, like a network share that is gone."""
    watchdog.CHECK, watchdog.WARN, live.GIVE_UP = 0.1, 0.5, 2.0
    (folder / LOCK).unlink()
    os.mkfifo(folder / LOCK)  # whoever opens it waits
    tempfile.TemporaryFile = lambda **_: (folder / LOCK).open("w")  # type: ignore[assignment,misc]
    spoil(300, "")
    with signals.handled(), watchdog.watchdog(folder, live.Live().disk_hangs):
        yield


def save(
    folders: Sequence[str],
    layout: Sequence[int],
    epochs: int = 2,
    megabytes: float = 0.1,
    fault: tuple[float, str] | None = None,
    at: int = 1,
    lost: float | None = None,
    hangs: bool = False,
) -> None:
    """Saves epochs, and then a part of the next one.

    Args:
        folders: The run directory, as each process sees it.
        layout: Devices for members and images.
        epochs: Their number.
        megabytes: The size of a state.
        fault: Seconds that a write takes, and the error at its end.
        at: The process to which this happens.
        lost: Replaces the seconds of silence after which a process is lost.
        hangs: Whether the disk hangs for that process, from the first save on.
    """
    number = jax.process_index()
    folder = Path(folders[number])
    placement = Placement.on_devices(MEMBERS, BATCH, MeshLayout(*layout))
    shards.LOST = lost or shards.LOST
    if fault and number == at:
        spoil(*fault)
    if number == 0:
        run: Run | UnsavedRun = Run.create(folder, CONFIG, INFO, data="0123")
    else:
        run = UnsavedRun(CONFIG, INFO)
    if all_share(folder):
        run.share(folder)
    stack = ExitStack()
    if hangs and number == at:
        stack.enter_context(hanging_disk(folder))
    with stack:
        save_all(run, placement, epochs, megabytes)


def save_all(run: Run | UnsavedRun, placement: Placement, epochs: int, megabytes: float) -> None:
    """Saves epochs and a part, closes the run, and says how long each took."""
    try:
        for epoch in range(1, epochs + 1):
            state = placement.spread(state_of(epoch, megabytes))
            jax.block_until_ready(state)
            began = time.monotonic()
            with counted_gathers() as sizes:
                part, losses = part_of(epoch), np.ones(MEMBERS)
                save_epoch(run, placement, part, state, losses, 1.0, SCORES)
            seconds = time.monotonic() - began
            print(f"epoch {epoch}: {seconds:.3f} s, {sum(sizes)} bytes gathered", flush=True)
            del state
            run.checkpoints.wait()
        state = placement.spread(state_of(epochs + 1, megabytes))
        began = time.monotonic()
        with counted_gathers() as sizes:
            save_part(run, placement, part_of(epochs + 1), state)
        seconds = time.monotonic() - began
        print(f"part: {seconds:.3f} s, {sum(sizes)} bytes gathered")
    finally:
        print(run.close())


def check_saved(folder: Path) -> None:
    """Checks that a run has the bits of the members of two epochs, and of a part of the third."""
    run = Run.open(folder)
    like = state_of(0)
    for read in (run.checkpoints.latest, run.checkpoints.best):
        _check_same(read(like), (2, state_of(2)))
    saved = run.parts.latest(4, layout_of(like))
    assert saved is not None
    _check_same(restored(*saved, 4), (part_of(3), state_of(3)))
    run.close()


def _check_same(ours: Any, expected: Any) -> None:
    assert jax.tree.structure(ours) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, ours, expected)


if __name__ == "__main__":
    case = json.loads(sys.argv[1])
    with job(True):
        save(**case)
