"""Runs a benchmark and checks what it prints and keeps."""

import json
from pathlib import Path
from typing import Any

import pytest

from jaxens.bench import main as bench
from jaxens.benchmarks import machine, rounds
from jaxens.cli.console import console

NETWORKS = ["--model", "small", "--image-size", "16", "--rounds", "1"]


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every measurement as short as it can be."""
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # else it outlives the test
    monkeypatch.setattr(rounds, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(machine, "REPEATS", 1)
    monkeypatch.setattr(machine, "_CPU", {"matrix": 256, "bytes": 1 << 20})


def printed_and_kept(arguments: list[str], folder: Path) -> list[dict[str, Any]]:
    """The rows of a benchmark, which must be the same on the console and in both files."""
    arguments = [*arguments, "--out", str(folder)]
    with console.capture() as capture:
        bench(arguments)
    printed = capture.get()
    kept = json.loads((folder / "bench.json").read_text())
    assert kept["command"] == " ".join(["python -m jaxens.bench", *arguments])
    assert kept["machine"]["matmul"]["float32"] > 0
    rows = [row for results in kept["results"] for row in results["rows"]]
    assert all(len(row["timed"]["rounds"]) == 1 and row["seconds"] > 0 for row in rows)
    table = (folder / "bench.md").read_text()
    for row in rows:
        assert row["by"] in printed
        assert f"| {row['what']} | {row['by']} |" in table
    assert kept["machine"]["device"] in printed
    assert "Peak memory of" in printed
    assert "Peak memory of" in table
    return rows
