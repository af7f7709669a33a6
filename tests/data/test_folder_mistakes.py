"""A mistake in a stranger's folder is one line that names the file and the field."""

import os
from pathlib import Path

import pytest

from jaxens.errors import UserError
from tests.data.folders import NAMES, TASK, opened, photo, photos, rows, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return photos(tmp_path / "set")


def refused(root: Path) -> str:
    with pytest.raises(UserError) as caught:
        opened(root)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    assert not list((root.parent / "cache").rglob("*record*"))
    return message


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,kind\n", "t.csv has no rows"),
        (rows("file,sort"), "t.csv has no column 'kind': choose from file, sort"),
        (rows("kind,kind"), "t.csv has two columns 'kind': rename one"),
        (rows("file,kind,sex"), "t.csv, row 2: it has 2 fields, and the first row names 3 columns"),
        ("name,kind\nq,1\nr,2\n", "t.csv, name: no row names a photo, such as photos/a 1.jpg"),
        (rows(kinds="xxxxxxxx"), "[tasks.kind]: there are no two classes, but only x"),
        (rows() + '"e.jpg,y\n', "t.csv, row 10: unexpected end of data"),
    ],
)
def test_a_mistake_in_a_table_is_one_line(root: Path, table: str, message: str) -> None:
    write(root, TASK, table)
    assert message in refused(root)


PART = '[parts.p]\nmasks = "m/{stem}.png"\n'


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("", "tasks: there is none: add a table such as [tasks.species]"),
        ("tasks = 3", "dataset.toml, tasks: it should be a table, [tasks], not 3"),
        ("a b", "dataset.toml is no TOML: Expected '=' after a key"),
        ("imags = 1\n" + TASK, "imags: there is no such field: did you mean images?"),
        ('[tasks.k]\ncolum = "a"', "[tasks.k], colum: there is no such field"),
        ("[tasks.k]", "[tasks.k], column: where labels are is missing: give one of column"),
        ('[tasks.k]\ncolumn = "a"\nfolders = true', "column and folders exclude each other"),
        ("[tasks.k]\nfolders = 0", "[tasks.k], folders: it should be true, or the level of the"),
        ("[tasks.k]\nfolders = false", "[tasks.k], folders: it should be true, or the level of"),
        ("[tasks.k]\nfolders = 1", "[tasks.k]: there are no two classes, but only sub: correct it"),
        ("[tasks.k]\nfolders = 2", "folders: no photo is in a folder of this level, such as"),
        ("[tasks.k]\npattern = '('", "[tasks.k], pattern: it is not a regular expression"),
        ("[tasks.k]\npattern = 'a'", "[tasks.k], pattern: it has no group"),
        (TASK + 'parts = ["q"]\n' + PART, "parts: 'q' is neither in [parts] nor in [points]"),
        (TASK + 'parts = ["q"]\n', "in [points]: add [parts.q], or omit parts"),
        (TASK + "[parts.p]\n", "[parts.p], masks: where the truth is is missing"),
        (TASK + '[parts.p]\nmasks = "../{stem}.png"', "leads out of the folder"),
        (TASK + '[parts.p]\nmasks = "/m/{stem}.png"', "leads out of the folder"),
        (TASK + '[parts.p]\nmasks = "m/x.png"', "should hold {stem}"),
        (TASK + PART, "[parts.p]: no photo has a file m/{stem}.png: correct the pattern"),
        (TASK + PART + "values = [true]", "values: it should list whole numbers, or colors"),
        (TASK + PART + "ignore = [3]", "values: it is missing: say which values are the part"),
        (TASK + PART + "values = [3]\nignore = [3]", "it has a value that is the part, too"),
        (TASK + '[parts.p]\ncoco = "head"', "coco: it is missing, and [parts.p] needs it"),
        (TASK + '[parts.p]\nvoc = "{stem}.xml"\nvalues = [1]', "it belongs to masks, not to voc"),
        (TASK + '[points]\neye = ["a"]', "give the columns of x and y"),
        ('box = "q"\n' + TASK + PART, "box: 'q' is not a part: choose from p"),
        (TASK + "[split]\nval = 0", "[split], val: it should be a number of at least 0.001"),
        (TASK + "[split]\nval = 0.5\ntest = 0.5", "leave some to train"),
        (TASK + '[split]\ncolumn = "kind"', "kind: it should be train, val or test, not 'x'"),
        (TASK + "[split]\nfolders = true", "is in no folder train, val or test"),
        (TASK + "[tasks.kind.parts]\nq = []", "parts: there is no class 'q': choose from x, y"),
        ('units = "cm"\n' + TASK, "units: it should be 'pixels' or 'fractions', not 'cm'"),
    ],
)
def test_a_mistake_in_dataset_toml_is_one_line(root: Path, layout: str, message: str) -> None:
    write(root, layout, rows())
    answer = refused(root)
    assert message in answer
    assert "dataset.toml" in answer or "t.csv" in answer


def test_a_missing_description_says_how_to_get_one(root: Path) -> None:
    assert f"`python -m jaxens.data describe {root}` proposes one" in refused(root)


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        (["b", "B", "c"], "'B' and 'b'"),
        (["1", "1.0", "01", "2"], "'01' and '1' and '1.0'"),
        (["a  b", "a b", "c"], "'a  b' and 'a b'"),
    ],
)
def test_classes_that_differ_only_in_how_they_are_written_are_named(
    root: Path, kinds: list[str], names: str
) -> None:
    table = [f"{name},{kinds[i % len(kinds)]}" for i, name in enumerate(NAMES)]
    write(root, TASK, "\n".join(["file,kind", *table]))
    _, found = opened(root)
    assert f"the classes {names} of kind differ only in how they are written" in found[0]


def test_two_photos_of_one_name_do_not_share_a_mask(root: Path) -> None:
    photo(root / "photos" / "sub" / "e.jpg")
    photo(root / "m" / "e.png")
    write(root, "[tasks.k]\npattern = '(.).*'\n" + PART)
    assert "photos/e.jpg and photos/sub/e.jpg have the same file, m/e.png: use {path}" in refused(
        root
    )


def test_links_that_lead_out_are_refused_and_links_to_folders_are_named(root: Path) -> None:
    write(root, TASK, rows())
    (root / "photos" / "linked").symlink_to(root.parent)
    assert "links to folders are not followed: photos/linked" in opened(root)[1][0]
    secret = photo(root.parent / "secret.jpg")
    (root / "photos" / "e.jpg").unlink()
    (root / "photos" / "e.jpg").symlink_to(secret)
    with pytest.raises(UserError, match=r"photos/e\.jpg leads out of .*set: name the real folder"):
        opened(root)
    (root / "t.csv").rename(root.parent / "t.csv")
    (root / "t.csv").symlink_to(root.parent / "t.csv")
    with pytest.raises(UserError, match=r"t\.csv leads out of .*set"):
        opened(root)


@pytest.mark.parametrize("name", ["t.csv", "t.json"])
@pytest.mark.parametrize("kind", ["a pipe", "a link to a device"])
def test_a_table_that_never_ends_is_not_read(root: Path, name: str, kind: str) -> None:
    write(root, TASK, rows())
    if name.endswith(".json"):
        (root / "dataset.toml").write_text(
            f'images = "photos"\ncoco = "{name}"\n[tasks.k]\ncategories = true\n'
        )
    (root / name).unlink(missing_ok=True)
    if kind == "a pipe":
        os.mkfifo(root / name)
    else:
        (root / name).symlink_to("/dev/zero")
    with pytest.raises(UserError, match=rf"{name} (is a pipe or a device|leads out of .*set)"):
        opened(root)
