"""Measures speed: ratios of things that run in turn in one process.

    python -m jaxens.bench train --model resnet18 --against torch

times a training step of 11 members next to a loop over members in PyTorch, and prints its share
of the matmul rate that the same run measured.
"""

import dataclasses
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from jaxens.benchmarks.options import BENCHMARKS, Options
from jaxens.cli import parser, signals
from jaxens.errors import UserError, remedy

WIDTH = 240  # of a table; a narrower terminal breaks its lines


def bench(what: str, options: Options, out: Path | None, line: str) -> None:
    """Runs a benchmark, prints its tables, and writes `bench.json` and `bench.md` into `out`.

    `line` is the command line, which both files repeat.
    """
    # JAX takes three quarters of a GPU's memory otherwise, and others measure there too.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

    from jaxens.benchmarks.checks import check
    from jaxens.benchmarks.machine import measure
    from jaxens.benchmarks.results import table
    from jaxens.cli.compilation import keep_memory
    from jaxens.cli.console import say, uncut

    signals.work_begins()
    keep_memory()
    unique: dict[str, Any] = {
        name: tuple(dict.fromkeys(values))
        for name, values in vars(options).items()
        if isinstance(values, tuple)
    }
    options = dataclasses.replace(options, **unique)
    check(what, vars(options), out)
    machine = measure()
    say(machine.describe())
    module, function = BENCHMARKS[what][1].split(":")
    results = getattr(importlib.import_module(f"jaxens.benchmarks.{module}"), function)(options)
    for result in results:
        say(uncut(table(result, machine), WIDTH))
        for note in result.explained():
            say(f"{note}.")
    say(_peak())
    if out:
        _write(out, machine, results, line)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark that the first argument names."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        lines = (f"  {name:<12} {_purpose(options)}" for name, (options, _) in BENCHMARKS.items())
        print("Usage: python -m jaxens.bench WHAT [OPTIONS]\n\n" + "\n".join(lines))
        print("\nRun python -m jaxens.bench WHAT --help for the options of a benchmark.")
        return
    what, *rest = words
    if what not in BENCHMARKS:
        raise UserError(f"there is no benchmark {what!r}: {remedy(what, BENCHMARKS)}")
    kind = BENCHMARKS[what][0]

    def command(*, options: Any, out: Path | None = None) -> None:
        bench(what, options, out, " ".join(["python -m jaxens.bench", *words]))

    command.__doc__ = f"{_purpose(kind)}\n\nArgs:\n    out: folder for bench.json and bench.md"
    command.__annotations__["options"] = Annotated[kind, parser.FLAT]
    command.__kwdefaults__ = {"options": kind(), "out": None}
    parser.call(command, rest, name=f"bench {what}")


def _purpose(kind: type[Options]) -> str:
    """The docstring; under `python -OO` a dataclass has its signature in that place."""
    text = kind.__doc__ or ""
    return "" if text.startswith(f"{kind.__name__}(") else text


def _peak() -> str:
    from jaxens.benchmarks.machine import peak_memory

    peak, whose = peak_memory()
    return f"Peak memory of {whose}: {peak / 2**30:.2f} GiB."


def _write(folder: Path, machine: Any, results: Sequence[Any], line: str) -> None:
    from jaxens.benchmarks.machine import peak_memory
    from jaxens.benchmarks.results import markdown
    from jaxens.files import write_text

    record = {
        "command": line,
        "machine": dataclasses.asdict(machine),
        "peak_memory": peak_memory()[0],
        "results": [result.as_json(machine) for result in results],
    }
    write_text(folder / "bench.json", json.dumps(record, indent=2, allow_nan=False) + "\n")
    tables = "\n".join(markdown(result, machine) for result in results)
    text = f"`{line}`\n\n{machine.describe()}\n\n{tables}\n{_peak()}\n"
    write_text(folder / "bench.md", text)


if __name__ == "__main__":
    parser.run(main)
