"""Sides take turns, and quick ones are called often enough to be timed."""

import itertools

import numpy as np
import pytest

from jaxens.benchmarks import rounds
from jaxens.benchmarks.rounds import Timed, in_turn


def test_sides_run_in_turn_after_a_first_call() -> None:
    order: list[str] = []
    timed = in_turn({name: lambda name=name: order.append(name) for name in "ab"}, rounds=3)
    assert order == ["a", "b"] + ["a", "b"] * 3
    assert all(len(each.rounds) == 3 and each.first >= 0 for each in timed.values())
    assert timed["a"].median == np.median(timed["a"].rounds)


def test_a_quick_side_is_called_until_its_round_is_long_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = itertools.count(0, 0.25)  # a call takes a quarter of a second
    monkeypatch.setattr(rounds, "LEAST", 1.0)
    monkeypatch.setattr(rounds.time, "perf_counter", lambda: next(ticks))
    calls: list[int] = []
    timed = in_turn({"quick": lambda: calls.append(0)}, rounds=2)
    assert len(calls) == 1 + 1 + 2 * 4
    assert timed["quick"].rounds == (0.25 / 4,) * 2  # this clock does not go on within a round


def test_a_result_that_says_how_is_waited_for() -> None:
    class Pending:
        waited = 0

        def block_until_ready(self) -> None:
            Pending.waited += 1

    in_turn({"a": Pending}, rounds=2)
    assert Pending.waited == 3


def test_compiling_is_what_the_first_call_took_longer() -> None:
    timed = Timed(5.0, (1.0, 2.0, 4.0))
    assert timed.compiling == 3.0
    assert timed.part(2).rounds == (0.5, 1.0, 2.0)
    assert Timed(1.0, (2.0,)).compiling == 0.0
