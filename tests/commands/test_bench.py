"""The benchmark runs; what it measures is not asserted."""

import numpy as np

from jaxens.bench import bench
from jaxens.benchmarks.rounds import in_turn
from jaxens.viz.live import console


def test_sides_run_in_turn_after_a_first_call():
    order = []
    sides = {name: lambda name=name: order.append(name) for name in "ab"}
    timed = in_turn(sides, rounds=3)
    assert order == ["a", "b"] * 4
    assert all(len(each.rounds) == 3 and each.first >= 0 for each in timed.values())
    assert timed["a"].median == np.median(timed["a"].rounds)


def test_lime_is_measured_for_separate_networks_and_for_heads_on_one_trunk():
    with console.capture() as capture:
        bench(["lime", "--members", "2", "--image-size", "16", "--samples", "12", "--rounds", "1"])
    printed = capture.get()
    assert "separate networks" in printed
    assert "heads on one trunk" in printed
    assert printed.count("marcotcr/lime, a member after another, batches of 10") == 4
    assert printed.count("1.0\n") + printed.count("1.0 ") >= 2
