"""A run directory at a URL whose files are in memory, and what tests ask of it."""

import jax.numpy as jnp
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from jaxens.errors import UserError
from jaxens.runs.run import Run

URL = "memory://bucket/run"
ROOT = "/bucket/run"
LIKE = {"weights": jnp.zeros(3)}


def save(folder, epoch):
    """Adds a checkpoint to a run directory; its weights are the number of the epoch."""
    run = Run.open(folder)
    run.checkpoints.save(epoch, {"weights": jnp.full(3, float(epoch))}, 0.5)
    run.close()


def latest(folder):
    run = Run.open(folder)
    read = run.checkpoints.latest(LIKE)
    run.close()
    return read


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def there(files):
    return {path.removeprefix(f"{ROOT}/"): files.cat_file(path) for path in files.find(ROOT)}


def refusal(call, *args):
    with pytest.raises(UserError) as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def failing(monkeypatch, method, fails):
    """Makes a method of the file system fail for some paths.

    Args:
        monkeypatch: Ends it.
        method: The name of the method, whose last positional argument is the path.
        fails: Returns whether the method fails for a path.

    Returns:
        A list, to which each call adds its path.
    """
    usual = getattr(MemoryFileSystem, method)
    called = []

    def call(self, *paths, **settings):
        called.append(paths[-1])
        if fails(str(paths[-1])):
            raise PermissionError("no permission\nfor you")
        return usual(self, *paths, **settings)

    monkeypatch.setattr(MemoryFileSystem, method, call)
    return called
