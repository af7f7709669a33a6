"""Tables as other programs and machines leave them: paths, encodings, comments and row numbers."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

import jaxens.data
from jaxens.data.folder import builder
from jaxens.data.folder.listing import Finder
from jaxens.data.folder.table_files import read_table
from jaxens.data.folder.unused import name_unused
from jaxens.errors import UserError
from tests.data.folders import photo

COUNT = 12


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for i in range(COUNT):
        photo(tmp_path / "set" / "images" / f"{i}.jpg", 10 * i)
    return tmp_path / "set"


def proposed(root: Path) -> dict[str, Any]:
    text = jaxens.data.propose(root)
    (root / "dataset.toml").write_text(text)
    return tomllib.loads(text)


def lines(name: str = "{}.jpg", header: str = "file,label", end: str = "") -> str:
    return "\n".join([header, *(f"{name.format(i)},{'ab'[i % 2]}{end}" for i in range(COUNT))])


@pytest.mark.parametrize(
    "content",
    [
        lines("/home/me/data/{}.jpg").encode(),
        lines("C:\\Users\\me\\images\\{}.jpg").encode(),
        lines("data/images/{}.jpg").encode(),
        lines().encode("utf-16-le"),
        lines().encode("utf-16-be"),
        ("# made by me\n\n  # in May\n" + lines()).encode(),
        lines().replace(",", "|").encode(),
        ("\n\n" + lines(header="file,label,,", end=",,")).replace(",", ";").encode(),
    ],
    ids=["a path", "a path of Windows", "a folder above", "UTF-16-LE", "UTF-16-BE", "comments",
         "bars", "empty columns"],
)  # fmt: skip
def test_it_is_proposed_and_all_photos_are_found(root: Path, content: bytes) -> None:
    (root / "t.csv").write_bytes(content)
    layout = proposed(root)
    assert layout["tasks"] == {"label": {"column": "label"}}
    collection = builder.read(root)
    assert sum(map(len, collection.splits.values())) == COUNT
    assert collection.problems == []


def test_comments_count_as_rows(root: Path) -> None:
    for start, place in (("# a\n\n# b\n", 5), ("sep=,\n# a\n", 4), ("\n\n", 4), ("", 2)):
        (root / "t.csv").write_text(start + lines())
        assert read_table(root / "t.csv", root).places[0].line == place
    (root / "t.csv").write_text(lines(header="#file,label"))
    assert read_table(root / "t.csv", root).names == ("#file", "label")


@pytest.mark.parametrize(
    ("name", "photos"),
    [
        ("/x/cats/1.jpg", {"images/cats/1.jpg"}),
        ("x/cats/1", {"images/cats/1.jpg"}),
        ("/x/images/2.JPG", {"images/2.jpg"}),
        ("/x/2.jpg", {"images/2.jpg"}),
        ("x/2.jpg", set()),
        ("/x/1.jpg", set()),  # it lacks the folder
        ("/x/dogs/1.jpg", set()),
        ("dogs/1.jpg", set()),
    ],
)
def test_the_end_of_a_longer_path_names_a_photo(name: str, photos: set[str]) -> None:
    assert Finder(["images/cats/1.jpg", "images/2.jpg"], "images").find(name) == photos


def test_a_column_of_file_names_goes_before_numbers_of_rows(root: Path) -> None:
    rows = [f"{i},{COUNT - 1 - i}.jpg,{'ab'[i // 6]}" for i in range(COUNT)]
    (root / "t.csv").write_text("\n".join([",file,label", *rows]))
    assert proposed(root)["file"] == "file"
    (root / "t.csv").write_text("\n".join(["nr,file,label", *rows]))
    assert proposed(root)["file"] == "file"


def test_a_photo_with_two_labels_does_not_hide_the_column(root: Path) -> None:
    for i in range(COUNT, 24):
        photo(root / "images" / f"{i}.jpg", 10 * i)
    rows = [f"{i}.jpg,{'ab'[i % 2]}" for i in range(24)]
    (root / "t.csv").write_text("\n".join(["file,label", *rows, "0.jpg,b"]))
    assert proposed(root)["tasks"] == {"label": {"column": "label"}}
    (problem,) = builder.read(root).problems
    assert (problem.photo, problem.kind) == ("images/0.jpg", "unusable")


def test_columns_of_one_name_are_named(root: Path) -> None:
    rows = [f"{i}.jpg,{'ab'[i % 2]},x" for i in range(COUNT)]
    (root / "t.csv").write_text("\n".join(["file,label,label", *rows]))
    assert "# t.csv has 2 columns 'label': rename all but one" in jaxens.data.propose(root)


def test_lists_and_other_json_are_named_with_what_to_do(root: Path) -> None:
    (root / "train.txt").write_text("".join(f"{i}.jpg {i % 2}\n" for i in range(COUNT)))
    (root / "README.txt").write_text("Photos of birds, by me.")
    (root / "labels.json").write_text(json.dumps({f"{i}.jpg": "a" for i in range(COUNT)}))
    (root / "dataset.toml").write_text('images = "images"\n[tasks.k]\npattern = "(.).*"\n')
    unused = name_unused(root)
    what = "train.txt: a list of photos; lists of a split are named in dataset.toml, [split], lists"
    assert what in unused
    assert "README" not in unused
    what = "is no COCO file, and no other JSON is read: save its labels as a CSV file"
    assert f"labels.json: {what}" in unused
    assert f"# not used: labels.json {what}" in jaxens.data.propose(root)
    (root / "dataset.toml").write_text('coco = "labels.json"\n[tasks.k]\ncategories = true\n')
    with pytest.raises(UserError, match=r"labels\.json is no COCO file"):
        builder.read(root)
