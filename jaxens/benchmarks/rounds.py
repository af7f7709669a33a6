"""Things measured in turn, several times, so that a machine's moods fall on all of them."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax


@dataclass(frozen=True)
class Timed:
    """Seconds of each round, and of the first call, which compiles."""

    first: float
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


def in_turn(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timed]:
    """Runs every side once, untimed but for the first call, then all sides in each round.

    A side's result is waited for, where it is JAX's.
    """
    first = {name: _seconds(side) for name, side in sides.items()}
    took: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            took[name].append(_seconds(side))
    return {name: Timed(first[name], tuple(took[name])) for name in sides}


def _seconds(side: Callable[[], object]) -> float:
    began = time.perf_counter()
    jax.block_until_ready(side())
    return time.perf_counter() - began
