"""Names from files are data in all that the commands print, draw and write."""

from pathlib import Path

import numpy as np
import pytest

from jaxens.cli.console import console
from jaxens.data.__main__ import main as data
from jaxens.evaluate import main as evaluate
from jaxens.explain import main as explain
from jaxens.train import main as train
from tests.data import tiny_cub

pytestmark = pytest.mark.long

LONG = "w" * 10_000
PART = "../../../../../escaped"
CLASSES = ("[/red] [bold]", "\x1b[2Jansi\x1b]0;title\x07", "\u202egnp.exe", LONG, "$_{$", "a|b<i>")
NETWORK = ["--members", "2", "--epochs", "1", "--batch-size", "6", "--image-size", "16"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data set whose classes, a part, a task and its classes have hostile names."""
    root = tiny_cub.write(tmp_path_factory.mktemp("set"))

    def rewrite(table, old, new):
        path = root / table
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    for old, new in zip(tiny_cub.SPECIES, CLASSES, strict=True):
        rewrite("classes.txt", old, f"{old[:4]}{new}")
    rewrite("parts/parts.txt", "beak", PART)
    rewrite("attributes/attributes.txt", "has_bill_shape", f"has_{PART}_shape")
    rewrite("attributes/attributes.txt", "dagger", "[/dagger]\x1b[31m")
    rewrite("attributes/attributes.txt", "cone", LONG)
    return root


def outside(root: Path, inside: Path) -> set[Path]:
    return {path for path in root.rglob("*") if inside not in path.parents and path != inside}


def test_hostile_names_are_shown_and_named_as_files_by_every_command(folder, tmp_path):
    run = tmp_path / "a" / "b" / "c" / "d" / "e" / "f" / "run"
    run.parent.mkdir(parents=True)
    source = ["--data", "cub", "--data-dir", str(folder), "--cache-dir", str(tmp_path / "cache")]
    task = f"{PART}_shape"
    few = ["--methods", "grad_cam", "--member-images-at-once", "2"]
    before = outside(tmp_path, run)
    with console.capture() as capture:
        train([*source, *NETWORK, "--out", str(run)])
        evaluate([str(run), *few, "--limit", "5"])
        explain([str(run), *few, "--images", "2", "--task", task])
        data(["browse", *source, "--image-size", "16", "--out", str(run / "page.png")])
    shown = capture.get()
    assert not any(c < " " for c in shown.replace("\n", ""))
    assert "\u202e" not in shown
    assert max(map(len, shown.splitlines())) < 1000
    for name in ("[/dagger]", r"\x1b[31m"):
        assert name in shown
    written = outside(tmp_path, run) - before
    assert all(tmp_path / "cache" in {path, *path.parents} for path in written)
    (figure,) = (run / "evaluation-sample-5" / "sizes").glob("*.png")
    assert figure.stem == task.replace("/", "-").strip(".")
    assert (run / "look.png").exists()
    assert (run / "page.png").exists()
    (explained,) = run.glob("explained-*")
    assert len(list(explained.rglob("*.png"))) == 3
    table = (run / "evaluation-sample-5" / "tables.md").read_text()
    assert "\x1b" not in table
    scores = np.load(run / "evaluation-sample-5" / "scores.npz")
    assert {name.split("/")[0] for name in scores} == {figure.stem}
