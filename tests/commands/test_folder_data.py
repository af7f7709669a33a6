"""The commands on a user's own folder: labels here and parts there, layouts, run directories."""

import json
from pathlib import Path

import pytest

from jaxens.cli.console import console
from jaxens.data.__main__ import main as data_commands
from jaxens.errors import UserError
from jaxens.evaluate import main as evaluate
from jaxens.explain import main as explain
from jaxens.runs.run import Run
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


@pytest.mark.long
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


@pytest.fixture
def read_only(labels: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The photos in a folder that can't be written, and the file that describes them."""
    layout = (labels / "dataset.toml").rename(tmp_path / "layout.toml")
    labels.chmod(0o555)
    return labels, layout


def test_a_read_only_folder_is_described_by_a_file_elsewhere(
    read_only: tuple[Path, Path], tmp_path: Path
) -> None:
    (folder, layout), run = read_only, tmp_path / "run"
    before = sorted(folder.iterdir())
    cache = ["--cache-dir", str(tmp_path / "cache")]
    data = ["--data", "folder", "--data-dir", str(folder), "--layout", str(layout), *cache]
    with console.capture() as capture:
        data_commands(["prepare", *data])
        data_commands(["browse", *data, "--images", "2", "--out", str(tmp_path / "page.png")])
        data_commands(["describe", *data, "--images", "3", "--sheet", str(tmp_path / "3.png")])
        train([*data, *TINY, "--out", str(run)])
    assert "train 14, val 2, test 4" in capture.get()
    assert Run.open(run).config.data.layout == str(layout)
    described = layout.read_text() + 'parts = ["wing"]\n[points]\nwing = ["x", "y"]\n'
    (tmp_path / "wings.toml").write_text(described.replace("t.csv", "wings.csv"))
    (parts := tmp_path / "parts").mkdir()
    lines = (folder / "t.csv").read_text().splitlines()
    (parts / "wings.csv").write_text(
        "\n".join([f"{lines[0]},x,y", *(f"{r},9,9" for r in lines[1:])])
    )
    for i in range(20):
        (parts / f"{i}.jpg").write_bytes((folder / f"{i}.jpg").read_bytes())
    moved = layout.rename(tmp_path / "moved.toml")
    with console.capture():
        evaluate([
            *(str(run), "--on", "folder", "--data-dir", str(parts), "--methods", "grad_cam"),
            *("--layout", str(tmp_path / "wings.toml"), "--parts", "wing_pattern=wing", *cache),
        ])  # fmt: skip
        with pytest.raises(UserError, match=r"layout\.toml is missing"):
            explain([str(run), "--methods", "grad_cam", *cache])
        explain([str(run), "--methods", "grad_cam", "--layout", str(moved), *cache])
    assert sorted(folder.iterdir()) == before


def test_a_run_in_the_folder_of_its_photos_is_evaluated(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (labels / "dataset.toml").read_text() + 'parts = ["wing"]\n[points]\nwing = ["x", "y"]\n'
    (labels / "dataset.toml").write_text(text)
    rows = (labels / "t.csv").read_text().splitlines()
    (labels / "t.csv").write_text(
        "\n".join([f"{rows[0]},x,y", *(f"{row},9,9" for row in rows[1:])])
    )
    monkeypatch.chdir(labels)
    cache = ["--cache-dir", str(tmp_path / "cache")]
    with console.capture():
        train(["--data", "folder", "--data-dir", ".", *TINY, *cache])
        evaluate(["runs/folder", "--methods", "grad_cam", *cache])
    assert (labels / "runs" / "folder" / "look.png").exists()
    assert (labels / "runs" / "folder" / "evaluation" / "tables.csv").exists()
    assert len(list((tmp_path / "cache").glob("folder-*"))) == 1
