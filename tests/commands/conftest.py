"""A tiny data set and a tiny finished run, made once."""

from pathlib import Path
from typing import NamedTuple

import pytest

from jaxens.train import train


class TinyRun(NamedTuple):
    folder: Path
    flags: list[str]
    printed: str


@pytest.fixture(scope="session")
def flags(tmp_path_factory) -> list[str]:
    """Flags of a run that takes seconds."""
    cache = tmp_path_factory.mktemp("cache")
    pictures = ["--train-pictures", "24", "--val-pictures", "6", "--test-pictures", "12"]
    run = ["--members", "2", "--epochs", "2", "--batch-size", "8", "--image-size", "16"]
    return [*pictures, *run, "--cache-dir", str(cache)]


@pytest.fixture(scope="session")
def run(flags, tmp_path_factory) -> TinyRun:
    from jaxens.viz.live import console

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    with console.capture() as capture:
        train([*flags, "--out", str(folder)])
    return TinyRun(folder, flags, capture.get())
