"""What is inconsistent about one photo is listed, and ends a preparation only if it is frequent."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxens.data import partimagenet
from jaxens.data.folder import builder
from jaxens.data.folder.listing import Listing
from jaxens.data.folder.marking import marks_of, points_of
from jaxens.data.folder.parsing import read_layout
from jaxens.data.folder.sources import Sources
from jaxens.data.folder.splits import split_photos
from jaxens.data.folder.table import Place, Table
from jaxens.data.preparing import PROBLEMS, notices
from jaxens.errors import UserError
from tests.data.folders import photo
from tests.data.public import write_partimagenet

COUNT = 12
LAYOUT = """
images = "photos"
table = "t.csv"
[split]
column = "fold"
[tasks.kind]
column = "kind"
parts = ["eye", "head"]
[tasks.signs]
columns = ["ring"]
[points]
eye = ["x", "y"]
[parts.head]
box = {left = "l", top = "t", right = "r", bottom = "b"}
"""
NAMES = "file,kind,ring,x,y,l,t,r,b,fold"
FOLDS = ("train", "val", "test")
Cells = list[list[str]]


def rows() -> Cells:
    return [
        [f"{i}.jpg", "ab"[i % 2], "1", "5", "6", "2", "2", "9", "9", FOLDS[i % 3]]
        for i in range(COUNT)
    ]


def written(root: Path, cells: Cells, layout: str = LAYOUT) -> Path:
    for i in range(COUNT):
        photo(root / "photos" / f"{i}.jpg", 20 * i)
    (root / "t.csv").write_text("\n".join([NAMES, *map(",".join, cells)]))
    (root / "dataset.toml").write_text(layout)
    return root


def prepared(root: Path) -> tuple[dict[str, dict[str, str]], list[str], int]:
    """The rows of the list by photo, the notices, and how many photos there are."""
    records = builder.prepare(root, root.parent / "cache")
    listed = next((root.parent / "cache").rglob(PROBLEMS)).read_text()
    count = sum(split.num_examples for split in records.info.splits.values())
    return {r["photo"]: r for r in csv.DictReader(listed.splitlines())}, notices(records), count


def change(row: int, column: str, value: str) -> Callable[[Cells], None]:
    def changed(cells: Cells) -> None:
        cells[row][NAMES.split(",").index(column)] = value

    return changed


def repeat(row: int, column: str, value: str) -> Callable[[Cells], None]:
    def repeated(cells: Cells) -> None:
        cells.append(list(cells[row]))
        change(-1, column, value)(cells)

    return repeated


@pytest.mark.parametrize(
    ("edit", "reason", "consequence", "kept"),
    [
        (change(4, "x", "?"), "t.csv, row 6, x: it should be a number, not '?'", "unknown", 12),
        (change(4, "y", "1e999"), "row 6, y: it should be a number, not '1e999'", "unknown", 12),
        (change(4, "y", ""), "t.csv, row 6, y: it is empty, and x is not", "unknown", 12),
        (change(4, "ring", "maybe"), "row 6, ring: it should be 0 or 1", "unknown", 12),
        (change(4, "r", ""), "row 6, r: it is empty, and the other sides", "unknown", 12),
        (change(4, "b", "n.d."), "row 6, b: it should be a number, not 'n.d.'", "unknown", 12),
        (change(4, "r", "2"), "row 6, r: the box has no area", "its mask is empty", 12),
        (change(4, "fold", ""), "fold: it should be train, val or test, not empty", "left out", 11),
        (change(4, "fold", "later"), "train, val or test, not 'later'", "left out", 11),
        (
            repeat(4, "kind", "b"),
            "row 14, kind: it contradicts row 6, on the",
            "left out",
            11,
        ),
        (lambda cells: cells[4].pop(), "row 6: it has 9 fields, and the first row", "left out", 11),
        (lambda cells: cells[4].append("test"), "row 6: it has 11 fields, and", "left out", 11),
    ],
)
def test_one_wrong_row_is_listed(
    tmp_path: Path, edit: Callable[[Cells], None], reason: str, consequence: str, kept: int
) -> None:
    cells = rows()
    edit(cells)
    listed, found, count = prepared(written(tmp_path / "set", cells))
    assert list(listed) == ["photos/4.jpg"]
    assert reason in listed["photos/4.jpg"]["reason"]
    assert consequence in listed["photos/4.jpg"]["consequence"]
    assert count == kept
    assert found[-2].startswith("set: 1 of 12 photos ")


def test_a_row_with_too_few_fields_for_a_name_is_listed(tmp_path: Path) -> None:
    root = written(tmp_path / "set", [["", "total 12"], *rows()])
    listed, _, count = prepared(root)
    assert listed["t.csv, row 2"]["reason"].startswith("t.csv, row 2: it has 2 fields")
    assert count == COUNT


def test_what_can_not_be_used_is_unknown_and_the_rest_is_used(tmp_path: Path) -> None:
    cells = rows()
    for edit in (change(4, "x", "?"), change(4, "ring", "?"), change(4, "r", "?")):
        edit(cells)
    whole = builder.read(written(tmp_path / "set", cells))
    items = {item.id: item for items in whole.splits.values() for item in items}
    bad, good = items["photos/4.jpg"], items["photos/5.jpg"]
    assert np.isnan(bad.points).all()
    assert (bad.labels["signs"].tolist(), len(bad.marks)) == ([-1], 0)
    assert good.points.tolist() == [[5, 6]]
    assert (good.labels["signs"].tolist(), len(good.marks)) == ([1], 1)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda i: change(i, "x", "?"), "have a value in a table that can't be used (t.csv, row 2"),
        (lambda i: change(i, "r", "1"), "have a mask that can't be used (t.csv, row 2, r: the box"),
        (lambda i: change(i, "fold", "?"), "can't be used (t.csv, row 2, fold: it should be"),
        (lambda i: repeat(i, "x", "9"), "can't be used (t.csv, row 14, x: it contradicts row 2"),
        (lambda i: lambda cells: cells[i].append("?"), "can't be used (t.csv, row 2: it has 11"),
    ],
)
def test_many_wrong_rows_end_it_before_a_photo_is_read(
    tmp_path: Path, edit: Callable[[int], Callable[[Cells], None]], message: str
) -> None:
    cells = rows()
    for i in range(4):
        edit(i)(cells)
    with pytest.raises(UserError) as caught:
        builder.prepare(written(tmp_path / "set", cells), tmp_path / "cache")
    assert "set: more than 5% of the 12 photos" in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    (listed,) = (tmp_path / "cache").rglob(PROBLEMS)
    assert f"{listed} lists them: correct them, or dataset.toml" in str(caught.value)
    assert len(listed.read_text().splitlines()) == 5
    assert not list((tmp_path / "cache").rglob("*.jsonl"))


@pytest.mark.slow
def test_a_table_of_wrong_values_alone_is_refused_in_seconds(tmp_path: Path) -> None:
    root = written(tmp_path / "set", [])
    layout = read_layout(root)
    names = [f"photos/{i}.jpg" for i in range(50_000)]
    lines = [[name, "a", "?", "?", "", "9", "2", "", "2", "?"] for name in names]
    places = [Place(root / "t.csv", "t.csv", line) for line in range(len(lines))]
    table = Table(root / "t.csv", tuple(NAMES.split(",")), lines, places)
    rows = {name: [i] for i, name in enumerate(names)}
    sources = Sources(layout, Listing(root, names, []), names, rows, table, [], {}, [])
    points_of(sources)
    marks_of(sources)
    with pytest.raises(UserError, match="more than 5% of the 50000 photos can't be used"):
        split_photos(sources, {})


def test_one_photo_in_no_folder_of_a_split_is_listed(tmp_path: Path) -> None:
    for i in range(COUNT):
        photo(tmp_path / "set" / FOLDS[i % 3] / "ab"[i % 2] / f"{i}.jpg", 20 * i)
    photo(tmp_path / "set" / "stray.jpg")
    text = "[split]\nfolders = true\n[tasks.kind]\npattern = '(.).*'\n"
    (tmp_path / "set" / "dataset.toml").write_text(text)
    listed, _, count = prepared(tmp_path / "set")
    assert count == COUNT
    assert "is in no folder train, val or test" in listed["stray.jpg"]["reason"]


def coco(root: Path) -> dict[str, Any]:
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 24, "height": 16} for i in range(COUNT)]
    notes = [
        {"image_id": i, "category_id": i % 2, "bbox": [1, 1, 8, 8], "keypoints": [3, 3, 2]}
        for i in range(COUNT)
    ]
    categories = [{"id": i, "name": "ab"[i], "keypoints": ["nose"]} for i in range(2)]
    return {"images": images, "annotations": notes, "categories": categories}


COCO = """
images = "photos"
coco = "c.json"
[tasks.kind]
categories = true
[points]
nose = "nose"
[parts.a]
coco = "a"
"""


def with_coco(root: Path, raw: Any) -> Path:
    written(root, rows(), COCO)
    (root / "c.json").write_text(json.dumps(raw))
    return root


@pytest.mark.parametrize(
    ("key", "place", "field", "value", "photo", "reason"),
    [
        ("images", 4, None, 3, "images[4]", "images[4].id: it should be a number or text"),
        (
            "images",
            4,
            "id",
            1,
            "photos/4.jpg",
            "images[4].id: it should be a number or text that no",
        ),
        ("images", 4, "file_name", None, "images[4]", "images[4].file_name: it should be a text"),
        ("annotations", 4, "image_id", 77, "image 77", "is of image 77, which is not listed"),
        ("annotations", 4, "image_id", [], "image []", "is of image [], which is not listed"),
        ("annotations", 4, None, "x", "image None", "is of image None, which is not listed"),
        ("annotations", 4, "category_id", 9, "photos/4.jpg", "[4].category_id: it should be"),
        ("annotations", 4, "keypoints", [1], "photos/4.jpg", "[4].keypoints: it should be 3"),
        (
            "annotations",
            4,
            "bbox",
            [1, 1, 99, 8],
            "photos/4.jpg",
            "c.json annotations[4] has a box of a (1, 1, 100, 9) that leaves its 24 x 16 pixels",
        ),
    ],
)
def test_one_wrong_entry_of_coco_is_listed(
    tmp_path: Path, key: str, place: int, field: str | None, value: Any, photo: str, reason: str
) -> None:
    raw = coco(tmp_path)
    if field is None:
        raw[key][place] = value
    else:
        raw[key][place][field] = value
    listed, _, count = prepared(with_coco(tmp_path / "set", raw))
    assert count == COUNT
    assert reason in listed[photo]["reason"]


def test_a_coco_file_may_name_and_annotate_many_photos_that_are_not_here(tmp_path: Path) -> None:
    raw = coco(tmp_path)
    for i in range(30):
        raw["images"].append({"id": 100 + i, "file_name": f"u{i}.jpg"})
        raw["annotations"].append({"image_id": 100 + i, "category_id": 0, "bbox": [1, 1, 2, 2]})
        raw["annotations"].append({"image_id": 200 + i, "category_id": 0, "bbox": [1, 1, 2, 2]})
    listed, found, count = prepared(with_coco(tmp_path / "set", raw))
    assert count == COUNT
    assert len(listed) == 60
    assert "60 photos are named or annotated, and are not there: " in found[0]


def test_many_wrong_annotations_of_coco_end_it(tmp_path: Path) -> None:
    raw = coco(tmp_path)
    for i in range(4):
        raw["annotations"][i]["category_id"] = 9
    with pytest.raises(UserError, match="more than 5% of the 12 photos have an annotation that"):
        builder.read(with_coco(tmp_path / "set", raw))


def test_one_wrong_annotation_of_partimagenet_is_listed(tmp_path: Path) -> None:
    folder = write_partimagenet(tmp_path / "parts", {"train": 10})
    raw = json.loads((folder / "train.json").read_text())
    raw["annotations"].append(raw["annotations"][0] | {"image_id": 10**6})
    (folder / "train.json").write_text(json.dumps(raw))
    records = partimagenet.prepare(folder, tmp_path / "cache")
    assert sum(split.num_examples for split in records.info.splits.values()) == 10
    assert any("is of image 1000000, which is not listed" in each for each in notices(records))
