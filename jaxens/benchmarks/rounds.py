"""Things measured in turn, several times, so that a machine's moods fall on all of them."""

import math
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import jax


@dataclass(frozen=True)
class Timed:
    """Seconds of a call in each round, and of the first call, which compiles."""

    first: float
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    def part(self, of: int) -> "Timed":
        """The time of one of the equal parts that a call consists of."""
        return Timed(self.first, tuple(each / of for each in self.rounds))

    @property
    def compiling(self) -> float:
        """What the first call took longer than later ones."""
        return max(0.0, self.first - self.median)


LEAST = 2.0  # seconds that a side lasts in a round, at least

Name = TypeVar("Name", bound=Hashable)


def in_turn(sides: Mapping[Name, Callable[[], object]], rounds: int) -> dict[Name, Timed]:
    """Runs every side once, untimed but for the first call, then all sides in each round.

    A side that is done in less than `LEAST` seconds is called several times a round, one call
    behind another without waiting, as a training loop does: a round then lasts about that.
    Results are waited for where they are JAX's (or say how: `block_until_ready`).
    """
    first = {name: _seconds(side, 1) for name, side in sides.items()}
    calls = {name: _calls(side) for name, side in sides.items()}
    took: dict[Name, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            took[name].append(_seconds(side, calls[name]) / calls[name])
    return {name: Timed(first[name], tuple(took[name])) for name in sides}


def _calls(side: Callable[[], object]) -> int:
    return max(1, math.ceil(LEAST / _seconds(side, 1))) if LEAST else 1


def _seconds(side: Callable[[], object], calls: int) -> float:
    began = time.perf_counter()
    jax.block_until_ready([side() for _ in range(calls)])
    return time.perf_counter() - began
