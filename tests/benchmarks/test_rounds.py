"""Functions take turns, and fast ones are called often enough to be timed."""

import itertools

import numpy as np
import pytest

from jaxens.benchmarks import rounds
from jaxens.benchmarks.rounds import Timed, in_turn


def test_functions_take_turns_after_a_first_call_of_each() -> None:
    order: list[str] = []
    timed = in_turn({name: lambda name=name: order.append(name) for name in "ab"}, rounds=3)
    assert order == ["a", "b"] + ["a", "b"] * 3
    assert all(len(times.rounds) == 3 and times.first >= 0 for times in timed.values())
    assert timed["a"].median == np.median(timed["a"].rounds)


def test_a_fast_function_is_called_until_its_round_is_long_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = itertools.count(0, 0.25)  # a call takes a quarter of a second
    monkeypatch.setattr(rounds, "MIN_SECONDS", 1.0)
    monkeypatch.setattr(rounds.time, "perf_counter", lambda: next(ticks))
    calls: list[int] = []
    timed = in_turn({"fast": lambda: calls.append(0)}, rounds=2)
    assert len(calls) == 1 + 1 + 3 * 4  # the first round is not timed
    assert timed["fast"].rounds == (0.25 / 4,) * 2  # the mocked clock advances once per round


def test_a_round_waits_for_results_with_block_until_ready() -> None:
    class Pending:
        waited = 0

        def block_until_ready(self) -> None:
            Pending.waited += 1

    in_turn({"a": Pending}, rounds=2)
    assert Pending.waited == 3


def test_compile_time_is_the_difference_to_the_first_call() -> None:
    timed = Timed(5.0, (1.0, 2.0, 4.0))
    assert timed.compiling == 3.0
    assert timed.part(2).rounds == (0.5, 1.0, 2.0)
    assert Timed(1.0, (2.0,)).compiling == 0.0
