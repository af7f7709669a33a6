"""A stranger's folder: labels, marks and splits in their usual forms."""

import codecs
import os
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from jaxens.data.folder import builder
from jaxens.data.folder.listing import list_files
from jaxens.data.folder.patterns import first_groups
from jaxens.data.preparing import PROBLEMS
from jaxens.errors import UserError
from tests.data.folders import NAMES, TASK, by_id, opened, photo, photos, rows, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return photos(tmp_path / "set")


EXPECTED = dict(zip(NAMES, "xyxyxyxy", strict=True))


@pytest.mark.parametrize(
    "table",
    [
        rows().encode(),
        codecs.BOM_UTF8 + rows().encode(),
        rows().replace("\n", "\r\n").encode(),
        rows().replace(",", ";").encode(),
        rows().replace(",", "\t").encode(),
        rows().encode("latin-1"),
        rows().encode("utf-16"),
        rows().replace("ä", "a\u0308").encode(),
        rows().replace("sub/", "photos\\sub\\").encode(),
        rows().replace("sub/", "").replace(".jpg", "").encode(),
        rows().replace("e.jpg,x", '"e.jpg","x"').encode() + b"\n\n",
        (rows() + "e.jpg,x\n").encode(),
    ],
    ids=["plain", "BOM", "CRLF", "semicolons", "tabs", "latin-1", "utf-16", "decomposed umlaut",
         "backslashes", "stems", "quotes", "duplicate row"],
)  # fmt: skip
def test_a_table_gives_labels_in_any_of_its_usual_forms(root: Path, table: bytes) -> None:
    write(root, TASK, table)
    splits, found = opened(root)
    assert by_id(splits) == EXPECTED
    assert found == []
    assert {name: len(split) for name, split in splits.items()} == {"train": 5, "val": 1, "test": 2}


def test_a_parquet_table_gives_labels(root: Path) -> None:
    write(root, TASK, b"", "t.parquet")
    columns = {"file": list(NAMES), "kind": [1.0, 2.0] * 4}
    pyarrow.parquet.write_table(pyarrow.table(columns), root / "t.parquet")
    assert by_id(opened(root)[0]) == {k: "1" if v == "x" else "2" for k, v in EXPECTED.items()}


def test_key_points_and_boxes_in_a_table_with_decimal_commas(root: Path) -> None:
    lines = ["file;kind;eye_x;eye_y;seen;l;t;w;h"]
    lines += [f"{n};{i % 2};6,0;4,0;{int(i != 4)};12,0;0;12;8" for i, n in enumerate(NAMES)]
    lines[1] = f"{NAMES[0]};0;;;1;;;;"
    lines[2] = f"{NAMES[1]};1;99;4;1;12;0;12;8"
    layout = (
        'box = "wing"\n' + TASK + '[points]\neye = ["eye_x", "eye_y", "seen"]\n'
        '[parts.wing]\nbox = {left = "l", top = "t", width = "w", height = "h"}\n'
    )
    write(root, layout, "\n".join(lines))
    splits, found = opened(root)
    at = {id: (s, i) for s in splits.values() for i, id in enumerate(s.ids)}
    split, i = at["photos/f.jpg"]
    # The central square of 24 x 16 pixels begins at 4.
    np.testing.assert_allclose(split.points[i, 0], [2 / 16, 4 / 16])
    np.testing.assert_allclose(split.boxes[i], [8 / 16, 0, 1, 8 / 16])
    wing = split.mask(("wing",))
    assert wing is not None
    assert wing[i].sum() == 8 * 8
    for name, visible in (("a 1.jpg", False), ("e.jpg", False), ("b.JPG", False)):
        split, i = at[f"photos/{name}"]
        assert (not np.isnan(split.points[i, 0]).any()) == visible
    split, i = at["photos/a 1.jpg"]
    assert np.isnan(split.boxes[i]).all()
    assert any("1 of 8 photos have a key point or a box outside" in notice for notice in found)


def test_fractions_are_fractions(root: Path) -> None:
    layout = 'units = "fractions"\n' + TASK + '[points]\neye = ["x", "y"]\n'
    write(root, layout, rows("file,kind,x,y", extra=",0.5,0.25"))
    assert np.isclose(opened(root)[0]["train"].points, [0.5, 0.25]).all()


def test_columns_of_flags_are_the_labels_of_one_task(root: Path) -> None:
    table = rows("file,kind,ring,bar").replace(",x", ",x,1,no").replace(",y", ",y,,YES")
    layout = '[tasks.marks]\ncolumns = ["ring", "bar"]\n[points]\nring = ["kx", "ky"]\n'
    table = table.replace("bar\n", "bar,kx,ky\n").replace("no\n", "no,1,1\n")
    write(root, layout, table.replace("YES\n", "YES,1,1\n"))
    splits, found = opened(root)
    task = splits["train"].info.task("marks")
    assert (task.kind, task.classes, task.parts) == ("multilabel", ("ring", "bar"), (("ring",), ()))
    labels = {tuple(label) for split in splits.values() for label in split.labels["marks"]}
    assert labels == {(1, 0), (-1, 1)}
    assert any("4 of 8 photos have no label of marks" in notice for notice in found)


def test_folders_and_file_names_give_labels_and_splits(root: Path) -> None:
    for i, (split, kind) in enumerate((s, k) for s in ("Train", "validation") for k in "ab"):
        for k in range(4):
            photo(root / "photos" / split / kind / f"{kind}{i}_{k}.jpg", 9 * i)
    for name in NAMES:
        (root / "photos" / name).unlink()
    tasks = "[tasks.kind]\nfolders = true\n[tasks.series]\npattern = '(.+)_\\d'\n"
    write(root, "[split]\nfolders = true\n" + tasks)
    splits, found = opened(root)
    assert {name: len(split) for name, split in splits.items()} == {"train": 6, "val": 8, "test": 2}
    assert by_id(splits)["Train/a/a0_0.jpg"] == "a"
    assert by_id(splits, "series")["validation/b/b3_1.jpg"] == "b3"
    assert any("no photo is for test, so 2 of the 8 photos" in notice for notice in found)


def test_a_column_gives_the_split_and_its_photos_stay_in_it(root: Path) -> None:
    table = "file,kind,split\n" + "".join(
        f"{name},{i % 2},{('train', 'Valid', 'testing')[i % 3]}\n" for i, name in enumerate(NAMES)
    )
    write(root, '[split]\ncolumn = "split"\n' + TASK, table)
    splits, _ = opened(root)
    assert splits["val"].ids == [
        f"photos/{name}" for name in sorted((NAMES[1], NAMES[4], NAMES[7]))
    ]


def test_masks_by_name_are_parts_of_a_class_each_or_together(root: Path) -> None:
    index = np.zeros((16, 24), np.uint8)
    index[:, 4:8], index[:, 8:12], index[:, 12:14] = 1, 2, 255
    for name in NAMES[:-1]:
        stem = Path(name).with_suffix("")
        (root / "masks" / stem).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(index).save(root / "masks" / f"{stem}.PNG")
        Image.fromarray((index > 0).astype(np.uint8)).save(root / "photos" / f"{stem}_all.png")
    (root / "photos" / "b_all.png").unlink()
    parts = "".join(
        f'[parts.{name}]\nmasks = "masks/{{path}}.png"\nvalues = [{value}]\nignore = [255]\n'
        for name, value in (("head", 1), ("wing", 2))
    )
    parts += '[parts.all]\nmasks = "photos/{path}_all.png"\n'
    task = TASK + '[tasks.kind.parts]\nx = ["head", "wing"]\ny = ["all"]\n'
    write(root, task + parts, rows())
    splits, found = opened(root)
    train = splits["train"]
    assert found == []
    assert len(by_id(splits)) == 8  # no mask is a photo
    assert train.info.masks == ("head", "head: ignored", "wing", "wing: ignored", "all")
    assert train.info.task("kind").parts == (("head", "wing"), ("all",))
    marked = {id: i for i, id in enumerate(train.ids)}
    both, unknown = train.mask(("head", "wing")), train.ignored(("head",))
    assert both is not None
    assert unknown is not None
    i = next(i for id, i in marked.items() if not id.endswith("h.jpg"))
    np.testing.assert_array_equal(both[i], np.isin(index, (1, 2))[:, 4:20])
    np.testing.assert_array_equal(unknown[i], (index == 255)[:, 4:20])


def test_names_that_are_no_utf_8_name_their_photo(root: Path) -> None:
    odd = os.fsdecode(b"caf\xe9.jpg")
    (root / "photos" / "e.jpg").rename(root / "photos" / odd)
    write(root, TASK, rows().encode().replace(b"e.jpg", b"caf\xe9.jpg"))
    assert by_id(opened(root)[0])[r"caf\xe9.jpg"] == "x"


def test_what_is_absent_damaged_or_not_named_is_listed_and_left_out(root: Path) -> None:
    table = rows().replace("e.jpg,x\n", "") + "gone.jpg,x\n"
    photo(root / "photos" / "other" / "f.jpg")
    table = table.replace("f.jpg,", "other/f.jpg,")
    write(root, TASK, table)
    for name in range(80):  # so that four are less than 5 %
        photo(root / "photos" / f"more_{name}.jpg")
        (root / "t.csv").write_text((root / "t.csv").read_text() + f"more_{name}.jpg,x\n")
    (root / "photos" / "g.jpg").write_bytes(b"no photo")
    splits, found = opened(root)
    assert sum(map(len, splits.values())) == 86
    listed = next((root.parent / "cache").rglob(PROBLEMS)).read_text()
    for words in (
        "gone.jpg is named in t.csv, row 9, and there is no such photo",
        "photos/e.jpg has no row in t.csv",
        "photos/f.jpg has no row in t.csv",
        "photos/g.jpg is not an image of a known format",
    ):
        assert words in listed
    assert "1 of 89 photos can't be used and are left out: photos/g.jpg is not an" in found[0]
    assert (
        "2 of 89 photos are in no table or list and are left out: photos/e.jpg has no row"
        in found[1]
    )
    assert "1 photos are named or annotated, and are not there: gone.jpg is named" in found[2]


def test_photos_that_a_table_does_not_name_may_be_many(root: Path) -> None:
    for name in range(12):
        photo(root / "photos" / f"more_{name}.jpg")
    write(root, TASK, rows())
    splits, found = opened(root)
    assert len(by_id(splits)) == 8
    assert "12 of 20 photos are in no table" in found[0]


def test_records_are_written_again_when_a_table_or_the_name_of_a_file_changes(root: Path) -> None:
    write(root, TASK, rows())
    cache = root.parent / "cache"
    folders = [builder.prepare(root, cache).data_dir for _ in range(2)]
    assert len(set(folders)) == 1
    (root / "t.csv").write_text(rows(kinds="xyxyxyyx"))
    folders.append(builder.prepare(root, cache).data_dir)
    (root / "photos" / "h.jpg").rename(root / "photos" / "H.jpg")
    folders.append(builder.prepare(root, cache).data_dir)
    assert len(set(folders)) == 3


def test_a_folder_of_100_000_files_is_listed(tmp_path: Path, monkeypatch) -> None:
    class Entry:
        is_dir = staticmethod(lambda follow_symlinks=True: False)
        is_symlink = staticmethod(lambda: False)

        def __init__(self, name: str) -> None:
            self.name = name

    class Scan(list):
        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *_: None  # noqa: E731

    entries = Scan(Entry(f"{i:06d}.jpg") for i in reversed(range(100_000)))
    monkeypatch.setattr(os, "scandir", lambda path: entries)
    listing = list_files(tmp_path)
    assert len(listing.images()) == 100_000
    assert listing.files[0] == "000000.jpg"
    assert listing.find("000007.JPG") == "000007.jpg"


@pytest.mark.parametrize("pattern", ["((a+)+)+b", "(a|a)*b", "(" + "a*" * 40 + ")b"])
def test_a_pattern_that_backtracks_for_ever_is_one_line(root, monkeypatch, pattern):
    monkeypatch.setattr("jaxens.data.folder.patterns.MOST_SECONDS", 0.5)
    photo(root / "photos" / f"{'a' * 60}.jpg")
    write(root, f"[tasks.kind]\npattern = '{pattern}'\n")
    with pytest.raises(UserError, match=r"\[tasks.kind\]: pattern: to match it takes too long"):
        builder.prepare(root, root.parent / "cache")


def test_names_of_any_bytes_are_matched(tmp_path):
    names = ["a_1", "\udcff鳥_22", "none", ""]
    assert first_groups(r"(.+)_\d+", names) == ["a", "\udcff鳥", "", ""]
    assert first_groups(r"(x)?a_1", names)[0] == ""
