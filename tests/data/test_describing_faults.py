"""Whatever is wrong, `describe` ends with counts, what can't be read, and a page of the rest."""

import contextlib
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import jaxens.data
from jaxens.data.__main__ import main
from jaxens.data.folder import builder
from jaxens.data.folder.listing import list_files
from jaxens.data.folder.survey import survey
from jaxens.data.folder.unused import name_unused, unused_files
from jaxens.errors import UserError
from tests.data.folders import photo

ARGUMENTS = ["describe", "set", "--cache-dir", "cache", "--image-size", "16", "--images", "3"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for kind in ("cat", "dog"):
        for i in range(10):
            photo(tmp_path / "set" / kind / f"{kind}{i}.jpg", 10 * i)
    return tmp_path / "set"


def damage(root: Path, count: int = 3) -> None:
    for i in range(count):
        (root / "cat" / f"cat{i}.jpg").write_bytes(b"no photo")


def page(root: Path) -> bool:
    return (root.parent / "page.png").stat().st_size > 0


def test_with_a_quarter_of_the_photos_damaged(root: Path, capsys) -> None:
    damage(root, 5)
    main(ARGUMENTS)
    printed = capsys.readouterr().out
    for line in (
        "set: more than 5% of the 20 photos can't be used (cat/cat",
        "problems.csv lists them: correct or remove them. Until then, nothing can be trained on",
        "set: 15 images (train ",
        "| dog | ",
    ):
        assert line in printed
    assert page(root)
    with pytest.raises(UserError, match=r"more than 5% of the 20 photos can't be used"):
        main(["prepare", "--data", "folder", "--data-dir", "set", "--cache-dir", "cache"])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "\n".join(f"cat{i}.jpg,a,train," for i in range(11)),
            r"t\.csv, row 2: it has 4 fields, and the first row names 3 columns; correct the row",
        ),
        (
            "\n".join(f"cat{i}.jpg,a," for i in range(4)),
            r"more than 5% of the 20 photos can't be used \(t\.csv, row 2, fold: it should be.*"
            r"problems\.csv lists them",
        ),
        ("cat0.jpg,a,val", "no photo for the split 'val'"),
        ("gone.jpg,a,val", "no row names a photo|no photo for the split"),
    ],
    ids=["rows", "values", "a split without photos", "no names"],
)
def test_with_a_table_that_cannot_be_used(root: Path, capsys, row: str, message: str) -> None:
    (root / "dataset.toml").write_text(
        'table = "t.csv"\n[tasks.kind]\ncolumn = "kind"\n[split]\ncolumn = "fold"\n'
    )
    rows = [f"dog{i}.jpg,{'ab'[i % 2]},{('train', 'test')[i % 2]}" for i in range(10)]
    (root / "t.csv").write_text("\n".join(["file,kind,fold", row, *rows]))
    if "gone" in row:
        (root / "t.csv").write_text(f"file,kind,fold\n{row}")
    damage(root)
    with pytest.raises(UserError, match=message):
        main(ARGUMENTS)
    printed = capsys.readouterr().out
    for line in (
        "set: 20 photos, 17 of them can be read",
        "cat: 10 photos",
        "cat/cat2.jpg is not an image of a known format, or is damaged",
    ):
        assert line in printed
    assert page(root)


def test_with_a_table_and_a_coco_file_that_cannot_be_read(root: Path, capsys) -> None:
    for file in [*root.rglob("*.jpg")]:
        file.rename(root / file.name.replace("cat", "x").replace("dog", "x1"))
    (root / "t.csv").write_text("file,kind\nx0.jpg,a,\n")
    (root / "c.json").write_text('{"images": 3}')
    with pytest.raises(UserError, match="tasks: there is none"):
        main(ARGUMENTS)
    proposal = (root / "dataset.toml").read_text()
    printed = capsys.readouterr().out
    for file, words in (("t.csv", "row 2: it has 3 fields"), ("c.json", "images: it should be a")):
        assert f"# not used: {file}, {words}" in proposal
        assert f"\n{file}: {words}" in printed[printed.index("\nnot used:") :]
    assert page(root)


def test_with_no_photo_that_is_read(root: Path, capsys) -> None:
    for file in root.rglob("*.jpg"):
        file.rename(file.with_suffix(".HEIC"))
    with pytest.raises(UserError, match="holds no photo"):
        main(ARGUMENTS)
    assert (
        "10 files such as cat/cat0.HEIC: photos of a format that is not" in capsys.readouterr().out
    )


def test_files_that_look_like_data_and_are_not_used_are_named(root: Path, capsys) -> None:
    for kind in ("cat", "dog"):
        for i in range(10):
            (root / kind / f"w{i}.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (root / "labels.xlsx").write_bytes(b"PK")
    (root / "test.csv").write_text("a,b\n1,2\n")
    (root / "shapes").mkdir()
    for i in range(3):
        (root / "shapes" / f"cat{i}.json").write_text("{}")
    (root / "notes.xml").write_text("<a/>")
    (root / "readme.txt").write_text("by me")
    main(ARGUMENTS)
    printed = capsys.readouterr().out
    texts = printed[printed.index("\nnot used:") :].split("\n\n")[0].splitlines()[2:]
    assert sorted(texts) == [
        "10 files such as cat/w0.HEIC: photos of a format that is not read: save them as JPEG or "
        "PNG",
        "10 files such as dog/w0.HEIC: photos of a format that is not read: save them as JPEG or "
        "PNG",
        "3 files such as shapes/cat0.json: is no COCO file, and no other JSON is read: save its "
        "labels as a CSV file",
        "labels.xlsx: a spreadsheet that is not read: save it as CSV",
        "notes.xml: nothing names it in dataset.toml",
        "test.csv: nothing names it in dataset.toml (its columns: a, b)",
    ]


def test_what_is_used_is_not_named(root: Path, capsys) -> None:
    images = [{"id": i, "file_name": f"cat{i}.jpg"} for i in range(10)]
    coco = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "cat"}]}
    (root / "c.json").write_text(json.dumps(coco))
    main(ARGUMENTS)
    assert "not used" not in capsys.readouterr().out
    assert unused_files(list_files(root), None) == ["c.json: nothing names it in dataset.toml"]


def encoded(mode: str, kind: str, size: tuple[int, int] = (9, 7)) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, 1).save(file, kind)
    return file.getvalue()


CONTENTS = [
    *(encoded(mode, "PNG") for mode in ("L", "P", "RGB", "1", "I;16", "RGBA")),
    *(encoded("RGB", kind) for kind in ("JPEG", "BMP", "TIFF")),
    encoded("L", "PNG", (1, 1)),
    encoded("RGB", "JPEG")[:100],
    *(b"", b"\0", b"\xff\xfe", b"sep=;\n", b"a,b\n1,2\n", b"file;x\xe4\na.jpg;1\nb.jpg;2\n"),
    b"file,left,top,right,bottom\na.jpg,1,1,2,2\na.jpg,1,,2,2\nb.jpg,x,1,3,3\n",
    *(b"{}", b'{"images": []}', b'{"images": [], "annotations": [], "categories": []}'),
    *(b"<annotation/>", b"<a>", b"<!DOCTYPE a>"),
]
FILES = st.sampled_from(
    ["a.jpg", "b.jpg", "a.png", "a_head.png", "mask_a.png", "1.png", "t.csv", "u.tsv", "v.parquet",
     "c.json", "a.xml", "w.HEIC", "_.png", "-", "a.", "page.png"]
)  # fmt: skip
FOLDERS = st.sampled_from(["", "cat", "dog", "masks", "train", "test/dog", "cat/2019", "\udcff"])


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.dictionaries(st.tuples(FOLDERS, FILES), st.sampled_from(CONTENTS), max_size=9))
def test_any_folder_is_proposed_surveyed_and_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[tuple[str, str], bytes]
) -> None:
    root = tmp_path_factory.mktemp("set")
    for (folder, name), content in contents.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / name).write_bytes(content)
    found = survey(root)
    assert len(found.readable) + len(found.reasons) <= len(contents)
    assert str(found).startswith(found.name)
    assert name_unused(root) is not None
    with contextlib.suppress(UserError):
        (root / "dataset.toml").write_text(jaxens.data.propose(root))
        builder.read(root)
    assert name_unused(root) is not None
