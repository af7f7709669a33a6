"""A table in old encodings, with fractions or pixels, and with several boxes for a photo."""

import csv
import io
import os
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxens.data
from jaxens.data.folder import builder
from jaxens.data.folder.table_files import read_table
from jaxens.data.preparing import PROBLEMS
from tests.data.folders import NAMES, by_id, opened, photo, photos, write

BIRDS = [f"v{i}.jpg" for i in range(20)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in BIRDS:
        photo(tmp_path / "set" / "fotos" / name)
    return tmp_path / "set"


def proposed(root: Path) -> dict:
    text = jaxens.data.propose(root)
    (root / "dataset.toml").write_text(text)
    return tomllib.loads(text)


TABLE = "Datei;Größe;Länge\n" + "".join(
    f"{name};{('groß', 'klein – winzig')[i % 2]};{i},5\n" for i, name in enumerate(BIRDS)
)


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode("cp1252"),
        TABLE.encode(),
        TABLE.replace("\n", "\r\n").encode("utf-8-sig"),
        ("sep=;\n" + TABLE).encode("cp1252"),
        ("sep=;\r\n" + TABLE).encode("utf-16"),
        ('"sep=|"\r\n' + TABLE.replace(";", "|")).encode(),
        ("SEP=\t\n" + TABLE.replace(";", "\t")).encode(),
    ],
    ids=["cp1252", "utf-8", "BOM", "sep", "sep utf-16", "sep quoted", "sep tab"],
)
def test_a_spreadsheet_of_any_encoding_is_proposed_and_read(root: Path, content: bytes) -> None:
    (root / "t.csv").write_bytes(content)
    layout = proposed(root)
    assert layout["file"] == "Datei"
    assert layout["tasks"] == {"Größe": {"column": "Größe"}}
    splits, _ = opened(root)
    assert splits["train"].info.task("Größe").classes == ("groß", "klein – winzig")
    assert by_id(splits, "Größe")["fotos/v0.jpg"] == "groß"


def test_rows_are_counted_with_the_line_of_the_separator(root: Path) -> None:
    (root / "t.csv").write_text("sep=;\n" + TABLE)
    table = read_table(root / "t.csv", root)
    assert [place.line for place in table.places[:2]] == [3, 4]


def test_a_file_name_in_bytes_is_found_in_a_table_with_umlauts_of_both_encodings(
    tmp_path: Path,
) -> None:
    root = photos(tmp_path / "set")
    names = [b"caf\xe9.jpg", b"\x80\x96\x81.jpg"]  # the last byte is undefined in Windows-1252
    for name in names:
        photo(root / "photos" / os.fsdecode(name))
    lines = [f"{name},k".encode() + "ä".encode(("utf-8", "cp1252")[i % 2]) * (1 + i % 3)
             for i, name in enumerate(NAMES)]  # fmt: skip
    lines += [names[0] + ",kä".encode("cp1252"), names[1] + ",kää".encode()]
    write(root, '[tasks.kind]\ncolumn = "kind"\n', b"\n".join([b"file,kind", *lines]))
    splits, _ = opened(root)
    found = by_id(splits)
    assert splits["train"].info.task("kind").classes == ("kä", "kää", "käää")
    assert len(found) == 10
    assert found[r"caf\xe9.jpg"] == "kä"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(
        st.lists(st.text('aäß€–;, "é鳥', min_size=1, max_size=6), min_size=2, max_size=2),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.booleans(),
)
def test_any_text_is_read_back(tmp_path_factory, rows, encoding, stated: bool) -> None:
    if encoding == "cp1252":
        rows = [[text.replace("鳥", "ö") for text in row] for row in rows]
    rows = [[f"x{text}y" for text in row] for row in rows]
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=";").writerows([["Maß", "größer"], *rows])
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_bytes((("sep=;\r\n" if stated else "") + file.getvalue()).encode(encoding))
    table = read_table(path, path.parent)
    assert table.names == ("Maß", "größer")
    for place, name in enumerate(table.names):
        assert list(table.column(name).values) == [row[place] for row in rows]


def points(x: list[str], y: str = "0,4") -> str:
    rows = (f"{name};{'ab'[i % 2]};{x[i]};{y}" for i, name in enumerate(BIRDS))
    return "\n".join(["file;kind;beak_x;beak_y", *rows])


@pytest.mark.parametrize(
    ("x", "y", "units"),
    [
        (["0,5"] * 19 + ["1,2"], "0,4", "fractions"),
        (["0,5"] * 15 + ["-0,1", "1,2", "2", "0", "1"], "0,4", "fractions"),
        (["5"] * 19 + ["0,5"], "4", "pixels"),
        (["0"] * 15 + ["7"] * 5, "4", "pixels"),
        (["0"] * 20, "4", "pixels"),
    ],
)
def test_most_numbers_say_whether_they_are_fractions(
    root: Path, x: list[str], y: str, units: str
) -> None:
    (root / "t.csv").write_text(points(x, y))
    layout = proposed(root)
    assert layout.get("units", "pixels") == units
    assert [*layout["points"]] == ["beak"]


def test_a_number_that_is_none_makes_no_class_of_a_key_point(root: Path) -> None:
    (root / "t.csv").write_text(points(["n.d."] + ["5"] * 19, "4"))
    assert jaxens.data.propose(root).count("[tasks.") == 1


@pytest.mark.parametrize(("units", "warned"), [("pixels", True), ("fractions", False)])
def test_key_points_in_the_first_pixel_of_all_photos_are_named(
    root: Path, units: str, warned: bool
) -> None:
    (root / "t.csv").write_text(points(["0,5"] * 20))
    (root / "dataset.toml").write_text(
        f'table = "t.csv"\nunits = "{units}"\n[tasks.kind]\ncolumn = "kind"\n'
        '[points]\nbeak = ["beak_x", "beak_y"]\n'
    )
    sentence = "beak is within a pixel of the corner of every photo: if its numbers are fractions"
    assert any(sentence in notice for notice in builder.read(root).notices) == warned


BOX = '[parts.box]\nbox = {left = "x1", top = "y1", right = "x2", bottom = "y2"}\n'


def boxes(*of_first: str) -> str:
    rows = [f"{name},{'ab'[i % 2]},5,5,9,9" for i, name in enumerate(NAMES)]
    rows[:1] = [f"{NAMES[0]},a,{box}" for box in of_first]
    return "\n".join(["file,kind,x1,y1,x2,y2", *rows])


@pytest.mark.parametrize(
    ("box", "listed"),
    [
        ("5,5,900,9", True),
        ("-9,5,9,9", True),
        ("5,5,9,17.5", True),
        ("-1,0,25,17", False),  # a pixel is rounding
        ("0,0,24,16", False),
    ],
)
def test_a_box_that_leaves_its_photo_is_listed(tmp_path: Path, box: str, listed: bool) -> None:
    root = photos(tmp_path / "set")
    write(root, '[tasks.kind]\ncolumn = "kind"\nparts = ["box"]\n' + BOX, boxes(box))
    _, notices = opened(root)
    assert any("1 of 8 photos have a box that leaves them" in n for n in notices) == listed
    if listed:
        (path,) = (tmp_path / "cache").rglob(PROBLEMS)
        sides = box.replace(",", ", ")
        assert f"has a box of box ({sides}) that leaves its 24 x 16 pixels" in path.read_text()


def test_the_boxes_of_several_rows_of_a_photo_are_united(tmp_path: Path) -> None:
    root = photos(tmp_path / "set")
    write(root, '[tasks.kind]\ncolumn = "kind"\nparts = ["box"]\n' + BOX,
          boxes("4,0,6,16", "10,0,12,16", ",,,"))  # fmt: skip
    splits, notices = opened(root)
    assert notices == []
    (mask,) = (
        split.mask(("box",))[i]
        for split in splits.values()
        for i, id in enumerate(split.ids)
        if id.endswith("a 1.jpg")
    )
    marked = np.zeros((16, 16), bool)  # the central square begins at 4
    marked[:, 0:2] = marked[:, 6:8] = True
    np.testing.assert_array_equal(mask, marked)


def test_one_wrong_box_of_several_of_a_photo_is_listed_and_the_others_are_used(
    tmp_path: Path,
) -> None:
    root = photos(tmp_path / "set")
    write(root, '[tasks.kind]\ncolumn = "kind"\nparts = ["box"]\n' + BOX,
          boxes("4,0,6,16", "10,?,12,16", "9,0,9,16", "1,,,", "4,0,99,16"))  # fmt: skip
    whole = builder.read(root)
    (item,) = (i for items in whole.splits.values() for i in items if i.id.endswith("a 1.jpg"))
    assert [marks.name for marks in item.marks] == ["t.csv, row 2,", "t.csv, row 6,"]
    _, notices = opened(root)
    listed = next((tmp_path / "cache").rglob(PROBLEMS)).read_text()
    for words in (
        "row 3, y1: it should be a number, not '?'",
        "row 4, x2: the box has no area",
        "row 5, y1: it is empty, and the other sides",
        "row 6, has a box of box (4, 0, 99, 16) that leaves its 24 x 16 pixels",
    ):
        assert words in listed
    assert len(notices) == 4


def test_a_table_with_a_row_per_box_is_proposed(root: Path) -> None:
    rows = ["file,box_id,kind,xmin,ymin,xmax,ymax"]
    rows += [f"{n},{j},{'ab'[i % 2]},{1 + 9 * j},1,{8 + 9 * j},9"
             for i, n in enumerate(BIRDS) for j in range(2)]  # fmt: skip
    (root / "t.csv").write_text("\n".join(rows))
    layout = proposed(root)
    assert [*layout["tasks"]] == ["kind"]
    (root / "t.csv").write_text("\n".join([*rows, f"{BIRDS[0]},9,b,1,1,8,9"]))
    assert [*proposed(root)["tasks"]] == ["kind"]  # one photo contradicts itself
    collection = builder.read(root)
    assert {len(item.marks) for items in collection.splits.values() for item in items} == {2}
