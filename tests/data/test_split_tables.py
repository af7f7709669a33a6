"""Tables of splits, such as train.csv and test.csv: each row belongs to the split of its table."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

import jaxens.data
from jaxens.data.folder import builder
from jaxens.data.folder.split_names import split_of_path
from jaxens.data.folder.unused import name_unused
from jaxens.data.preparing import PROBLEMS
from jaxens.errors import UserError
from tests.data.folders import opened, photo

COUNT = 20
TASK = '[tasks.kind]\ncolumn = "kind"\n'
TABLES = 'table = ["train.csv", "test.csv"]\nfile = "file"\n[split]\nfiles = true\n' + TASK


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for i in range(COUNT):
        photo(tmp_path / "set" / "images" / f"{i}.jpg", 10 * i)
    return tmp_path / "set"


def table(
    rows: Sequence[int], names: str = "file,kind", first: str = "{}.jpg", separator: str = ","
) -> str:
    lines = [names, *(f"{first.format(i)},{'ab'[i % 2]},{i % 3}" for i in rows)]
    wide = names.count(",") + 1
    return "\n".join(separator.join(line.split(",")[:wide]) for line in lines)


def written(root: Path, tables: Mapping[str, str], layout: str = "") -> Path:
    for name, text in tables.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    if layout:
        (root / "dataset.toml").write_text(layout)
    return root


def proposed(root: Path) -> dict[str, Any]:
    text = jaxens.data.propose(root)
    (root / "dataset.toml").write_text(text)
    return tomllib.loads(text)


def ids(root: Path) -> dict[str, list[str]]:
    splits = builder.read(root).splits
    return {name: sorted(Path(i.id).stem for i in items) for name, items in splits.items()}


def numbers(*rows: int) -> list[str]:
    return sorted(map(str, rows))


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train.csv", "train"),
        ("labels_train.csv", "train"),
        ("Validation-labels.tsv", "val"),
        ("myLabelsTest2017.parquet", "test"),
        ("valid/_annotations.csv", "val"),
        ("train/test.csv", "test"),
        ("train_test_split.csv", ""),
        ("trainval.csv", ""),
        ("labels.csv", ""),
    ],
)
def test_the_name_of_a_file_says_its_split(path: str, split: str) -> None:
    assert split_of_path(path) == split


@pytest.mark.parametrize(
    "names",
    [
        ("train.csv", "test.csv", "val.csv"),
        ("labels_train.tsv", "labels_testing.tsv", "labels_valid.tsv"),
        ("a/training.csv", "b/test.csv", "c/validation.csv"),
        ("train/_annotations.csv", "test/_annotations.csv", "valid/_annotations.csv"),
    ],
)
def test_tables_of_splits_are_proposed_and_read(root: Path, names: Sequence[str]) -> None:
    rows = (range(12), range(12, 17), range(17, COUNT))
    separator = "\t" if names[0].endswith("tsv") else ","
    texts = [table(each, separator=separator) for each in rows]
    written(root, dict(zip(names, texts, strict=True)))
    layout = proposed(root)
    assert layout["table"] == [names[0], *sorted(names[1:])]
    assert layout["file"] == "file"
    assert layout["split"] == {"files": True}
    assert layout["tasks"] == {"kind": {"column": "kind"}}
    found = ids(root)
    assert found == {
        name: numbers(*each) for name, each in zip(("train", "test", "val"), rows, strict=True)
    }
    assert name_unused(root) == ""
    splits, _ = opened(root)
    assert {name: len(split) for name, split in splits.items()} == {
        name: len(each) for name, each in found.items()
    }


def test_tables_of_two_formats_and_orders_of_columns_are_joined(root: Path) -> None:
    columns = {"kind": list("ab" * 4), "file": [f"{i}" for i in range(12, 20)], "nr": [*range(8)]}
    pyarrow.parquet.write_table(pyarrow.table(columns), root / "test.parquet")
    written(root, {"train.csv": table(range(12))})
    assert proposed(root)["table"] == ["train.csv", "test.parquet"]
    found = ids(root)
    assert found["test"] == numbers(*range(12, 20))
    assert len(found["train"]) + len(found["val"]) == 12  # val is drawn from train


def test_names_mean_the_photos_of_the_split_where_several_have_one_name(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for name, first in (("train", 0), ("test", 100)):
        for i in range(10):
            photo(root / name / f"{i}.jpg", first + i)
    written(root, {"train.csv": table(range(10)), "test.csv": table(range(10))})
    layout = proposed(root)
    assert layout["table"] == ["train.csv", "test.csv"]
    assert {item.id.split("/")[0] for item in builder.read(root).splits["test"]} == {"test"}


def test_a_test_table_without_labels_is_not_proposed_and_is_named(root: Path) -> None:
    written(root, {"train.csv": table(range(8)), "test.csv": table(range(8, COUNT), "file")})
    assert proposed(root)["table"] == "train.csv"
    assert "# not used: test.csv lacks columns of train.csv: 'kind'" in jaxens.data.propose(root)
    assert "test.csv: nothing names it in dataset.toml" in name_unused(root)


@pytest.mark.parametrize(
    "tables",
    [
        {"train.csv": table(range(8)), "test.csv": table(range(8, 12))},
        {"train.csv": table(range(12), "file"), "test.csv": table(range(12, COUNT), "file")},
    ],
    ids=["fewer photos", "names alone"],
)
def test_a_whole_table_goes_before_tables_of_its_photos(root: Path, tables: dict[str, str]) -> None:
    written(root, tables | {"all.csv": table(range(COUNT))})
    layout = proposed(root)
    assert (layout["table"], [*layout["tasks"]]) == ("all.csv", ["kind"])
    remark = "# not used: test.csv and train.csv, since all.csv has their photos"
    assert remark in (root / "dataset.toml").read_text()


def test_tables_of_names_split_the_photos_of_class_folders(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for i in range(COUNT):
        photo(root / "ab"[i % 2] / f"{i}.jpg", 10 * i)
    train, test = range(12), range(12, COUNT)
    written(root, {"train.csv": table(train, "file"), "test.csv": table(test, "file")})
    layout = proposed(root)
    assert (layout["split"], layout["tasks"]) == ({"files": True}, {"label": {"folders": True}})
    assert ids(root)["test"] == numbers(*test)


def test_a_table_without_names_of_columns_is_named(root: Path) -> None:
    written(root, {"labels.csv": "\n".join(table(range(COUNT)).splitlines()[1:])})
    proposed(root)
    remark = "# labels.csv: the first row names a photo, '0.jpg': write a row with the names of the"
    assert remark in (root / "dataset.toml").read_text()


def test_a_column_of_splits_goes_before_the_names_of_the_tables(root: Path) -> None:
    texts = [table(rows).splitlines() for rows in (range(14), range(14, COUNT))]
    folds = [["train", "train", "val"], ["test"]]
    for name, lines, fold in zip(("train", "test"), texts, folds, strict=True):
        rows = [f"{line},{fold[i % len(fold)]}" for i, line in enumerate(lines[1:])]
        written(root, {f"{name}.csv": "\n".join([lines[0] + ",fold", *rows])})
    layout = proposed(root)
    assert layout["split"] == {"column": "fold"}
    assert (
        "# [split]: files = true takes the names of the tables instead"
        in (root / "dataset.toml").read_text()
    )
    assert len(ids(root)["val"]) == 4


def test_a_photo_in_tables_of_two_splits_is_left_out_and_listed(root: Path) -> None:
    tables = {"train.csv": table(range(13)), "test.csv": table(range(12, COUNT))}
    splits, notices = opened(written(root, tables, TABLES))
    assert sum(map(len, splits.values())) == COUNT - 1
    what = "test.csv, row 2: the photo is in train.csv, row 14, too: keep it in one split"
    assert any(what in notice for notice in notices)
    (listed,) = (root.parent / "cache").rglob(PROBLEMS)
    assert what in listed.read_text()


def test_many_photos_in_two_tables_are_one_line(root: Path) -> None:
    written(root, {"train.csv": table(range(COUNT)), "test.csv": table(range(12))}, TABLES)
    with pytest.raises(UserError, match=r"more than 5% of the 20 .* \(test.csv, row 2: the photo"):
        builder.read(root)


def test_tables_without_splits_are_joined(root: Path) -> None:
    layout = 'table = ["a.csv", "b.csv"]\n' + TASK
    written(root, {"a.csv": table(range(9)), "b.csv": table(range(5, COUNT))}, layout)
    assert sum(map(len, ids(root).values())) == COUNT
    contradictory = table(range(8, COUNT)).replace("8.jpg,a", "8.jpg,b")
    written(root, {"b.csv": contradictory})
    (problem,) = builder.read(root).problems
    assert problem.name == "b.csv, row 2,"
    assert problem.reason == "kind: it contradicts a.csv, row 10, on the same photo"


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (TABLES.replace("test.csv", "labels.csv"),
         "[split], files: 'labels.csv' names no split: rename it, such as train.csv, or omit"),
        (TABLES.replace("files = true", 'files = true\ncolumn = "kind"'),
         "[split], files: column and files exclude each other: give one of them"),
        ("[split]\nfiles = true\n[tasks.kind]\nfolders = true",
         "[split], files: there are none: add table or coco, or omit files"),
        (TABLES.replace('"kind"', '"sort"'),
         "train.csv has no column 'sort': choose from file, kind"),
        (TABLES.replace('"kind"', '"nr"'), "test.csv has no column 'nr': choose from file, kind"),
        (TABLES.replace("test.csv", "train.csv"), "table: it names one twice: name each once"),
        (TABLES.replace("test.csv", "x/test.csv"), "x/test.csv can't be read: No such file"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(root: Path, layout: str, message: str) -> None:
    names = "file,kind,nr" if '"nr"' in layout else "file,kind"
    written(root, {"train.csv": table(range(9), names), "test.csv": table(range(9, COUNT))}, layout)
    with pytest.raises(UserError) as caught:
        builder.read(root)
    assert message in str(caught.value)


def coco(rows: Sequence[int]) -> str:
    notes = [{"image_id": i, "category_id": i % 2, "bbox": [1, 1, 9, 9]} for i in rows]
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in rows]
    names = [{"id": i, "name": "ab"[i]} for i in range(2)]
    return json.dumps({"images": images, "annotations": notes, "categories": names})


def test_coco_files_of_splits_are_proposed_and_read(root: Path) -> None:
    written(root, {"instances_train.json": coco(range(12)), "instances_val.json": coco([12, 13])})
    assert proposed(root)["split"] == {"files": True}
    found = ids(root)
    assert found["val"] == numbers(12, 13)
    assert len(found["train"]) + len(found["test"]) == 12
    written(root, {"instances_val.json": coco([11, 12, 13])})
    reasons = {problem.photo: problem.reason for problem in builder.read(root).problems}
    assert reasons["images/11.jpg"] == (
        "is in instances_train.json and in instances_val.json: keep it in one split"
    )
    assert reasons["images/14.jpg"] == (
        "is in no file of instances_train.json or instances_val.json"
    )
