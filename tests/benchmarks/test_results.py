"""Rows become tables and JSON."""

import json

import pytest

from jaxens.benchmarks.machine import Machine
from jaxens.benchmarks.results import (
    JAXENS,
    Results,
    Row,
    fastest,
    markdown,
    ratio_to_fastest,
    times_as_fast,
)
from jaxens.benchmarks.rounds import Timed
from jaxens.benchmarks.traffic import FORMULA

MACHINE = Machine("a device", 2, {"float32": 100e9, "bfloat16": 400e9}, 10e9, {"jax": "1"})
OURS = Row("step", JAXENS, Timed(3, (1, 2, 4)), items=100, flop=20e9, compiling=1.5, ratio=2.5)
THEIRS = Row("step", "PyTorch", Timed(3, (5, 5, 5)), items=100, flop=20e9)
RESULTS = Results(
    "Training", "images", "how many times as fast as PyTorch", [OURS, THEIRS], ("A note",)
)


def test_a_table_leaves_out_empty_columns() -> None:
    title, _, head, _, ours, theirs, *notes = markdown(RESULTS, MACHINE).splitlines()
    assert title == "**Training**"
    assert head == (
        "| what | by | seconds | min to max | images/s | GFLOP/s | of the ceiling | compiling, s "
        "| ratio |"
    )
    assert ours == "| step | jaxens | 2 | 1 to 4 | 50 | 10.0 | 10% | 1.5 | 2.50 |"
    assert theirs == "| step | PyTorch | 5 | 5 to 5 | 20 | 4.0 | 4% |  |  |"
    assert [note for note in notes if note] == [
        "Ratio: how many times as fast as PyTorch.",
        "A note.",
    ]


def test_the_ceiling_is_that_of_the_rows_type() -> None:
    row = Row("step", JAXENS, Timed(3, (1.0,)), flop=100e9, dtype="bfloat16")
    (row,) = Results("", "", None, [row]).as_json(MACHINE)["rows"]
    assert row["ceiling"] == pytest.approx(0.25)


def test_traffic_is_shown_as_a_share_of_the_bandwidth_with_a_note() -> None:
    results = Results("", "", None, [Row("step", JAXENS, Timed(3, (2.0,)), traffic=5e9)])
    (row,) = results.as_json(MACHINE)["rows"]
    assert row["bandwidth"] == pytest.approx(0.25)
    written = markdown(results, MACHINE)
    assert "| of the bandwidth |" in written
    assert "| 25% |" in written
    assert f"{FORMULA}." in written
    assert FORMULA not in markdown(RESULTS, MACHINE)


def test_json_has_all_numbers() -> None:
    kept = json.loads(json.dumps(RESULTS.as_json(MACHINE), allow_nan=False))
    row = kept["rows"][0]
    assert (row["seconds"], row["timed"]["rounds"], row["ceiling"]) == (2, [1, 2, 4], 0.1)
    assert (row["flop"], row["items"], row["ratio"]) == (20e9, 100, 2.5)


def test_the_ratio_is_to_the_fastest_other_side() -> None:
    timed = {JAXENS: Timed(1, (2.0,)), "slow": Timed(1, (9.0,)), "fast": Timed(1, (6.0,))}
    assert fastest(timed) == "fast"
    assert times_as_fast(timed, JAXENS) == 3.0
    assert ratio_to_fastest(timed) == "how many times as fast as fast"
    assert ratio_to_fastest({JAXENS: Timed(1, (2.0,))}) is None
    assert times_as_fast(timed, "slow") is None
    assert times_as_fast({JAXENS: Timed(1, (2.0,))}, JAXENS) is None
