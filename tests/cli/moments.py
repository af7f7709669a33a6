"""Trains as `python -m jaxens.train` does, but takes long at a moment of the training.

    python -m tests.cli.moments MOMENT NUMBERS FOLDER [flags of jaxens.train ...]

Each process whose number is in NUMBERS, such as 01, writes a line into `FOLDER/NUMBER` whenever it
comes to the moment, and then sleeps. A validation takes one image at a time, and each of them long.
While it closes the run, JAX waits a few seconds for a process, and then takes it for lost.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import pytest

from jaxens.cli import parser
from jaxens.data import preparing
from jaxens.runs import validating
from jaxens.runs.run import Run
from jaxens.train import main
from jaxens.training.trainer import Trainer

SLEEPS = {"preparation": 300, "compilation": 300, "validation": 5, "closing": 25}  # seconds
LOST = 10  # seconds without a heartbeat, or until all leave; JAX's own are 100 and 300


def slowed(
    function: Callable[..., Any], moment: str, numbers: str, folder: Path
) -> Callable[..., Any]:
    """Returns a function that writes a line and sleeps before it does its work."""

    def slow(*arguments: Any, **options: Any) -> Any:
        number = str(jax.process_index())
        if number in numbers:
            with (folder / number).open("a") as lines:
                lines.write(f"{moment}\n")
            until = time.monotonic() + SLEEPS[moment]
            while time.monotonic() < until:  # a signal just before a long sleep waits for its end
                time.sleep(0.02)
        return function(*arguments, **options)

    return slow


def train() -> None:
    """Runs the command with one of its functions slowed."""
    moment, numbers, folder, *words = sys.argv[1:]
    where, name = {
        "preparation": (preparing, "_write"),
        "compilation": (Trainer, "compile"),
        "validation": (validating, "normalized_images"),
        "closing": (Run, "close"),
    }[moment]
    with pytest.MonkeyPatch.context() as patch:
        if moment == "closing":
            initialize = partial(
                jax.distributed.initialize,
                heartbeat_timeout_seconds=LOST,
                shutdown_timeout_seconds=LOST,
            )
            patch.setattr(jax.distributed, "initialize", initialize)
        patch.setattr(validating, "member_images_at_once", lambda *_: 1)
        slow = slowed(getattr(where, name), moment, numbers, Path(folder))
        patch.setattr(where, name, slow)
        main(words)


if __name__ == "__main__":
    parser.run(train)
