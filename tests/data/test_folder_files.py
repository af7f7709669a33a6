"""Which files a folder's records depend on: photos, masks, tables and COCO; nothing of our own."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from jaxens import viz
from jaxens.data import isic, partimagenet, pets
from jaxens.data.__main__ import main
from jaxens.data.folder import builder
from jaxens.data.folder.listing import RUN, list_files
from jaxens.errors import UserError
from tests.data.folders import TASK, photo, photos, rows, write
from tests.data.public import write_isic, write_partimagenet, write_pets

MARKED = TASK + '[parts.a]\nmasks = "Masks/{path}.png"\n[parts.b]\nvoc = "xml/{stem}.xml"\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = photos(tmp_path / "set")
    photo(root / "masks" / "e.png")
    (root / "xml").mkdir()
    (root / "xml" / "e.xml").write_text("<annotation></annotation>")
    write(root, MARKED, rows())
    return root


def folder_of(root: Path) -> str:
    return str(builder.prepare(root, root.parent / "cache").data_dir)


def run(root: Path) -> Path:
    """A run directory with a figure."""
    folder = root / "runs" / "folder"
    photo(folder / "look.png")
    photo(folder / "evaluation" / "maps.png")
    for name in RUN:
        (folder / name).write_text("{}")
    return folder


def test_unrelated_files_do_not_prepare_the_folder_anew(root: Path) -> None:
    first = folder_of(root)
    (root / "notes.txt").write_text("mine")
    photo(root / "thumbnails" / "e.jpg")
    (root / "other.csv").write_text("a,b\n")
    run(root)
    assert folder_of(root) == first


@pytest.mark.parametrize(
    "name", ["photos/e.jpg", "photos/new.jpg", "masks/e.png", "masks/f.png", "xml/e.xml", "t.csv"]
)
def test_a_changed_or_new_file_that_is_used_does(root: Path, name: str) -> None:
    first = folder_of(root)
    content = (root / name).read_bytes() if (root / name).exists() else b""
    (root / name).write_bytes(content + b"\n")
    assert folder_of(root) != first


def test_run_directories_and_our_page_are_no_photos(root: Path) -> None:
    before = list_files(root).files
    run(root)
    viz.save(Figure((1, 1)), root / "page.png")
    viz.save(Figure((1, 1)), root / "photos" / "page.png")
    assert list_files(root).files == before
    # But a photo of this name is one, and so is what is in a folder with a config alone.
    photo(root / "page.png")
    (root / "runs" / "folder" / "info.json").unlink()
    new = set(list_files(root).files) - set(before)
    assert {"page.png", "runs/folder/look.png", "runs/folder/evaluation/maps.png"} < new


@pytest.mark.slow
def test_describe_in_the_folder_counts_the_same_photos_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(10):
        photo(tmp_path / "set" / "ab"[i % 2] / f"{i}.jpg", 20 * i)
    monkeypatch.chdir(tmp_path / "set")
    flags = ["--cache-dir", str(tmp_path / "cache"), "--image-size", "16", "--images", "3"]
    for _ in range(2):
        main(["describe", ".", *flags])
        assert "set: 10 images (train 7, val 1, test 2)" in capsys.readouterr().out
    assert (tmp_path / "set" / "page.png").exists()
    assert len(list((tmp_path / "cache").iterdir())) == 1
    with pytest.raises(UserError, match=r"--sheet x\.png would be a photo of the data set"):
        main(["describe", ".", *flags, "--sheet", "x.png"])
    with pytest.raises(UserError, match=r"--out a/x\.png would be a photo of the data set"):
        main(["browse", "--data", "folder", "--data-dir", ".", *flags, "--out", "a/x.png"])


def write_coco(folder: Path) -> Path:
    names = [photo(folder / "photos" / f"{i}.jpg", 20 * i).name for i in range(8)]
    raw = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "annotations": [
            {"image_id": i, "category_id": i % 2, "bbox": [1, 1, 8, 8]} for i in range(8)
        ],
        "categories": [{"id": i, "name": "ab"[i]} for i in range(2)],
    }
    (folder / "c.json").write_text(json.dumps(raw))
    layout = 'images = "photos"\ncoco = "c.json"\n[tasks.kind]\ncategories = true\n'
    (folder / "dataset.toml").write_text(layout)
    return folder


@pytest.mark.parametrize(
    ("source", "write"),
    [
        (builder, write_coco),
        (partimagenet, lambda folder: write_partimagenet(folder, {"train": 10})),
        (isic, lambda folder: write_isic(folder, {"Training": 10})),
        (pets, write_pets),
    ],
)
def test_an_opened_set_that_is_prepared_reads_no_annotation(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: object,
    write: Callable[[Path], Path],
) -> None:
    folder = write(tmp_path / "data")
    first = source.prepare(folder, tmp_path / "cache")  # type: ignore[attr-defined]
    for name in (
        "jaxens.data.partimagenet.read_coco", "jaxens.data.folder.sources.read_coco",
        "jaxens.data.folder.sources.read_table", "jaxens.data.collection.Collection.__init__",
        "jaxens.data.collection.Item.__init__",
    ):  # fmt: skip
        monkeypatch.setattr(name, lambda *_, **__: pytest.fail("reads annotations"))
    again = source.prepare(folder, tmp_path / "cache")  # type: ignore[attr-defined]
    assert again.data_dir == first.data_dir
