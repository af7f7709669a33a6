"""Measures speed: ratios of things that run in turn in one process.

    python -m jaxens.bench train --model resnet18 --against torch

times a training step of 11 members beside a loop over members in PyTorch, and tells the share
of the matmul rate that the same run measured.
"""

import inspect
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxens.benchmarks.checks import PEERS, check
from jaxens.benchmarks.compiling import compiling
from jaxens.benchmarks.explain import METHODS, explain
from jaxens.benchmarks.frozen import frozen
from jaxens.benchmarks.lime import lime
from jaxens.benchmarks.machine import Machine, measure, peak_memory
from jaxens.benchmarks.members import members
from jaxens.benchmarks.pipeline import pipeline
from jaxens.benchmarks.results import Shown, markdown, table
from jaxens.benchmarks.scores import scores
from jaxens.benchmarks.train import train
from jaxens.cli.live import console
from jaxens.cli.parser import Parser, main, positive
from jaxens.cli.tables import whole
from jaxens.runs.run import write

Benchmark = Callable[..., Sequence[Shown]]
BENCHMARKS: dict[str, Benchmark] = {
    "train": train,
    "explain": explain,
    "lime": lime,
    "members": members,
    "frozen": frozen,
    "scores": scores,
    "input": pipeline,
    "compile": compiling,
}
MODELS = ("small", "small-vgg", "resnet18", "vgg16")
# A benchmark's flags are its arguments, and so are their defaults.
FLAGS: dict[str, dict[str, Any]] = {
    "model": {"choices": MODELS, "help": "the members' architecture"},
    "members": {"type": positive, "help": "networks in the ensemble"},
    "sizes": {"type": positive, "nargs": "+", "help": "numbers of members"},
    "methods": {"choices": METHODS, "nargs": "+", "help": "explanation methods"},
    "image_size": {"type": positive, "help": "side of a picture, pixels"},
    "batch_size": {"type": positive, "help": "pictures per member and step"},
    "pictures": {"type": positive, "help": "photographs that are decoded"},
    "images": {"type": positive, "help": "pictures that are explained"},
    "maps": {"type": positive, "help": "maps of members that are scored, some more or fewer"},
    "samples": {"type": positive, "help": "samples of LIME"},
    "rounds": {"type": positive, "help": "times that all sides are measured"},
    "dtype": {
        "choices": ("auto", "float32", "bfloat16"),
        "help": "type of the computation (auto: float32 on CPU, bfloat16 elsewhere)",
    },
    "against": {"help": "who does the same work beside"},
    "profile": {"action": "store_true", "help": "trace some steps: which operations take longest"},
}


def bench(arguments: Sequence[str] | None = None) -> None:
    given = list(sys.argv[1:] if arguments is None else arguments)
    what, settings, folder = _asked(given)
    # JAX takes three quarters of a GPU's memory for itself otherwise, and others measure there too.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    check(what, settings, folder)
    machine = measure()
    console.print(machine.describe(), soft_wrap=True)
    results = BENCHMARKS[what](**settings)
    for each in results:
        console.print(whole(table(each, machine), 240, console), soft_wrap=True)
        for note in each.explained():
            console.print(f"{note}.", soft_wrap=True)
    console.print(_peak(), soft_wrap=True)
    if folder:
        _keep(folder, machine, results, ["python", "-m", "jaxens.bench", *given])


def _asked(given: list[str]) -> tuple[str, dict[str, Any], Path | None]:
    """What is measured, with what settings, each of a list once, and where the results go."""
    first = Parser("bench", __doc__, "python -m jaxens.bench WHAT --help lists what it can be told")
    first.add_argument("what", choices=tuple(BENCHMARKS), help="what is measured")
    what = first.parse_args(given[:1]).what
    measured = BENCHMARKS[what]
    parser = Parser(f"bench {what}", inspect.getdoc(measured) or "")
    for name, argument in inspect.signature(measured).parameters.items():
        flag = dict(FLAGS[name])
        if name == "against":
            flag["choices"] = tuple(PEERS[what])
        if argument.default not in (None, False):
            text = argument.default
            text = " ".join(map(str, text)) if isinstance(text, tuple) else text
            flag["help"] += f" (default: {text})"
        parser.add_argument(f"--{name.replace('_', '-')}", default=argument.default, **flag)
    parser.add_argument("--out", type=Path, help="folder for bench.json and bench.md")
    settings = vars(parser.parse_args(given[1:]))
    folder = settings.pop("out")
    for name, value in settings.items():
        if isinstance(value, list):
            settings[name] = list(dict.fromkeys(value))
    return what, settings, folder


def _peak() -> str:
    peak, whose = peak_memory()
    return f"Peak memory of {whose}: {peak / 2**30:.2f} GiB."


def _keep(folder: Path, machine: Machine, results: Sequence[Shown], command: list[str]) -> None:
    line = " ".join(command)
    kept = {
        "command": line,
        "machine": vars(machine),
        "peak_memory": peak_memory()[0],
        "results": [each.as_json(machine) for each in results],
    }
    write(folder / "bench.json", json.dumps(kept, indent=2, allow_nan=False) + "\n")
    tables = "\n".join(markdown(each, machine) for each in results)
    write(folder / "bench.md", f"`{line}`\n\n{machine.describe()}\n\n{tables}\n{_peak()}\n")


if __name__ == "__main__":
    main(bench)
