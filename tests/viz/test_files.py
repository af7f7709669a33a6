"""Figures are saved whole or not at all, and the same figure gives the same bytes."""

import subprocess
import sys

import numpy as np
import pytest

from jaxens import viz


def figure():
    return viz.show(np.zeros((4, 4, 3)), np.eye(4), title="title", signed=True)


@pytest.mark.parametrize("name", ["map.png", "map.pdf", "map.svg", "map"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, name):
    paths = [viz.save(figure(), tmp_path / folder / name) for folder in ("one", "two")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert [path.name for path in (tmp_path / "one").iterdir()] == [name]


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = viz.save(figure(), tmp_path / "map.png")
    before = path.read_bytes()
    broken = figure()

    def fail(file, **_):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(broken, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        viz.save(broken, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_importing_viz_loads_neither_jax_nor_pyplot():
    heavy = "jax", "flax", "orbax", "grain", "tensorflow_datasets", "matplotlib.pyplot"
    code = f"import sys, jaxens.viz; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
