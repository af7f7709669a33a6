"""The commands on a user's own folder: labels here and parts there, layouts, run directories."""

import json
from pathlib import Path

import pytest

from jaxens.cli.console import console
from jaxens.errors import UserError
from jaxens.evaluate import main as evaluate
from jaxens.train import main as train
from tests.data.public import photo, write_partimagenet

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("without_look")]

TINY = ["--image-size", "16", "--members", "2", "--epochs", "1", "--batch-size", "4"]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Photos and a table with the patterns of wings, and no truth."""
    folder = tmp_path / "photos"
    rows = ["file,pattern"]
    for i in range(20):
        photo(folder / f"{i}.jpg", gray=40 + 80 * (i % 2) + i)
        rows.append(f"{i}.jpg,{('plain', 'barred')[i % 2]}")
    (folder / "t.csv").write_text("\n".join(rows))
    (folder / "dataset.toml").write_text(
        'table = "t.csv"\n[tasks.wing_pattern]\ncolumn = "pattern"\n'
    )
    return folder


def test_labels_of_one_folder_are_explained_with_the_parts_of_another(
    labels: Path, tmp_path: Path
) -> None:
    cache, run = ["--cache-dir", str(tmp_path / "cache")], tmp_path / "run"
    other = write_partimagenet(tmp_path / "parts", {"train": 6, "val": 2, "test": 4})
    there = ["--on", "partimagenet", "--data-dir", str(other), "--methods", "grad_cam", *cache]
    with console.capture():
        train(["--data", "folder", "--data-dir", str(labels), *TINY, *cache, "--out", str(run)])
        with pytest.raises(UserError, match=r"a task of it without parts \(wing_pattern\)"):
            evaluate([str(run), *there])
        evaluate([str(run), *there, "--parts", "wing_pattern=wing"])
    settings = json.loads((run / "evaluation-on-partimagenet" / "settings.json").read_text())
    assert (settings["questions"], settings["truth"]) == (["wing_pattern"], ["wing"])
