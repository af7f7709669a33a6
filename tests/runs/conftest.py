"""A run directory with one epoch, here and at a URL."""

import fsspec
import jax.numpy as jnp
import pytest

from jaxens.runs.run import Run
from tests.runs.in_memory import ROOT
from tests.runs.small import CONFIG, INFO, SCORES


@pytest.fixture
def folder(tmp_path):
    """Of a run with one epoch."""
    run = Run.create(tmp_path / "run", CONFIG, INFO, data="0123")
    run.checkpoints.save(1, {"weights": jnp.zeros(3)}, 0.5)
    steps = [None, 2, None]
    losses = [1.5, None, 1.5]
    run.log(
        epoch=1, step=4, loss=losses, diverged_at=steps, member_images_per_second=9.5, val=SCORES
    )
    run.log(test=SCORES, diverged_at=steps)
    run.close()
    return run.folder


@pytest.fixture
def files():
    return fsspec.filesystem("memory")


@pytest.fixture
def uploaded(files, folder):
    """A run at the URL, without a working copy."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name != ".lock":
            files.pipe_file(f"{ROOT}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return folder
