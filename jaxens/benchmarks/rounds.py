"""Time several functions in turn, so that changes in the machine's speed affect all of them."""

import math
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import jax


@dataclass(frozen=True)
class Timed:
    """Seconds per call in each round, and of the first call, which compiles."""

    first: float
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median of the rounds, seconds per call."""
        return statistics.median(self.rounds)

    def part(self, of: int) -> "Timed":
        """Returns the time of a call divided by `of`, for a call that does `of` equal things."""
        return Timed(self.first, tuple(seconds / of for seconds in self.rounds))

    @property
    def compiling(self) -> float:
        """Seconds that the first call took longer than later ones."""
        return max(0.0, self.first - self.median)


MIN_SECONDS = 2.0  # of a function in each round

Name = TypeVar("Name", bound=Hashable)


def in_turn(sides: Mapping[Name, Callable[[], object]], rounds: int) -> dict[Name, Timed]:
    """Times functions in turn, so that all of them see the same changes of the machine.

    Each is called once before, which compiles it. A function that takes less than `MIN_SECONDS` is
    called several times per round, as in a training loop: a call begins while the one before it
    runs. It has one more round at the start, which is not timed, because the process then gets
    memory from the system.

    Args:
        sides: The functions, by name.
        rounds: How often each is timed.

    Returns:
        The times of each function.
    """
    first = {name: _seconds(side, 1) for name, side in sides.items()}
    calls = {name: _calls(side) for name, side in sides.items()}
    for name, side in sides.items():
        if calls[name] > 1:
            _seconds(side, calls[name])
    seconds: dict[Name, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            seconds[name].append(_seconds(side, calls[name]) / calls[name])
    return {name: Timed(first[name], tuple(seconds[name])) for name in sides}


def _calls(side: Callable[[], object]) -> int:
    return max(1, math.ceil(MIN_SECONDS / _seconds(side, 1))) if MIN_SECONDS else 1


def _seconds(side: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    running: object = ()
    for _ in range(calls):
        before, running = running, side()
        jax.block_until_ready(before)  # more calls would need more memory
    jax.block_until_ready(running)
    return time.perf_counter() - start
