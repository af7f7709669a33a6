"""Rows become tables and JSON."""

import json

import pytest

from jaxens.benchmarks.machine import Machine
from jaxens.benchmarks.results import (
    JAXENS,
    Results,
    Row,
    beside_fastest,
    fastest,
    markdown,
    times_as_fast,
)
from jaxens.benchmarks.rounds import Timed
from jaxens.benchmarks.traffic import FORMULA

MACHINE = Machine("a device", 2, {"float32": 100e9, "bfloat16": 400e9}, 10e9, {"jax": "1"})
OURS = Row("step", JAXENS, Timed(3, (1, 2, 4)), items=100, flop=20e9, compiling=1.5, ratio=2.5)
THEIRS = Row("step", "PyTorch", Timed(3, (5, 5, 5)), items=100, flop=20e9)
FOUND = Results(
    "Training", "images", "how many times as fast as PyTorch", [OURS, THEIRS], ("Told",)
)


def test_a_table_has_the_columns_that_have_something_to_say() -> None:
    title, _, head, _, ours, theirs, *notes = markdown(FOUND, MACHINE).splitlines()
    assert title == "**Training**"
    assert head == (
        "| what | by | seconds | min to max | images/s | GFLOP/s | of the ceiling | compiling, s "
        "| ratio |"
    )
    assert ours == "| step | jaxens | 2 | 1 to 4 | 50 | 10.0 | 10% | 1.5 | 2.50 |"
    assert theirs == "| step | PyTorch | 5 | 5 to 5 | 20 | 4.0 | 4% |  |  |"
    assert [note for note in notes if note] == [
        "Ratio: how many times as fast as PyTorch.",
        "Told.",
    ]


def test_flop_are_compared_with_the_ceiling_of_their_type() -> None:
    halved = Row("step", JAXENS, Timed(3, (1.0,)), flop=100e9, dtype="bfloat16")
    (row,) = Results("", "", None, [halved]).as_json(MACHINE)["rows"]
    assert row["ceiling"] == pytest.approx(0.25)


def test_traffic_is_compared_with_the_bandwidth_and_the_table_says_how_it_is_counted() -> None:
    results = Results("", "", None, [Row("step", JAXENS, Timed(3, (2.0,)), traffic=5e9)])
    (row,) = results.as_json(MACHINE)["rows"]
    assert row["bandwidth"] == pytest.approx(0.25)
    written = markdown(results, MACHINE)
    assert "| of the bandwidth |" in written
    assert "| 25% |" in written
    assert f"{FORMULA}." in written
    assert FORMULA not in markdown(FOUND, MACHINE)


def test_json_holds_all_that_was_measured() -> None:
    kept = json.loads(json.dumps(FOUND.as_json(MACHINE), allow_nan=False))
    row = kept["rows"][0]
    assert (row["seconds"], row["timed"]["rounds"], row["ceiling"]) == (2, [1, 2, 4], 0.1)
    assert (row["flop"], row["items"], row["ratio"]) == (20e9, 100, 2.5)


def test_ours_is_compared_with_the_fastest_other() -> None:
    timed = {JAXENS: Timed(1, (2.0,)), "slow": Timed(1, (9.0,)), "fast": Timed(1, (6.0,))}
    assert fastest(timed) == "fast"
    assert times_as_fast(timed, JAXENS) == 3.0
    assert beside_fastest(timed) == "how many times as fast as fast"
    assert beside_fastest({JAXENS: Timed(1, (2.0,))}) is None
    assert times_as_fast(timed, "slow") is None
    assert times_as_fast({JAXENS: Timed(1, (2.0,))}, JAXENS) is None
