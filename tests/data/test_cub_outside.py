"""Folders laid out as CUB by others: right, or one line that names the file and the row."""

import codecs
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxens.data.cub import builder as cub
from jaxens.data.preparing import notices
from jaxens.data.source import Source
from jaxens.errors import UserError
from tests.data import tiny_cub

TABLES = (
    *("images.txt", "classes.txt", "image_class_labels.txt", "train_test_split.txt"),
    *("bounding_boxes.txt", "parts/parts.txt", "parts/part_locs.txt"),
    *("attributes/attributes.txt", "attributes/class_attribute_labels_continuous.txt"),
)
PHOTO = "001.Big_Albatross/Bird_0001.jpg"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tiny_cub.write(tmp_path / "birds")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_cub.write(tmp_path_factory.mktemp("birds"))


def append(path: Path, row: str) -> None:
    path.write_text(path.read_text() + row + "\n")


# One wrong value


NUMBERS = (
    *("0", "1", "2", "3", "-1", "1.0", "0.5", "1e3", "1e400", "nan", "-inf", "1_000", "0x1"),
    *("²", "٣", "9999999999", "20240131123000", "9223372036854775808", "7" * 5000),
)
NAMES = ("../1", "/dev/zero", ".", "..", "\\", "\ufeff1", "\0")
VALUES = st.one_of(
    st.sampled_from(NUMBERS + NAMES),
    st.text(st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1),
    st.floats().map(str),
)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(table=st.sampled_from(TABLES), row=st.integers(0, 99), field=st.integers(0, 9), value=VALUES)
def test_a_value_that_is_replaced_is_used_or_named(
    shared: Path, table: str, row: int, field: int, value: str
) -> None:
    path = shared / table
    text = path.read_text()
    rows = [line.split(" ") for line in text.splitlines()]
    row, field = row % len(rows), field % len(rows[row % len(rows)])
    rows[row][field] = value
    path.write_text("".join(" ".join(words) + "\n" for words in rows))
    try:
        boxes, message = cub.read(shared).boxes, None
    except UserError as error:
        boxes, message = None, str(error)
    path.write_text(text)
    if message is not None:
        assert "\n" not in message
        assert len(message) < 400
        here = table in message and re.search(rf"row {row + 1}\b", message)
        # A wrong id is named where it is used, or where it is given to another row.
        id = field == 0 and re.search(r"\.txt(, row \d+)?: (there is no|.* occurs twice)", message)
        assert here or id
    if table == "bounding_boxes.txt" and field and boxes is not None:
        assert boxes[row, field - 1] == float(value)


@pytest.mark.parametrize(
    ("table", "row", "named"),
    [
        ("image_class_labels.txt", "1 4", 1),
        ("train_test_split.txt", "3 0", 3),
        ("bounding_boxes.txt", "2 1 1 5 5", 2),
        ("parts/part_locs.txt", "1 2 3.0 3.0 1", 2),
    ],
)
def test_rows_that_contradict_each_other_are_named_and_repeated_rows_are_not(
    root: Path, table: str, row: str, named: int
) -> None:
    path = root / table
    same = path.read_text().splitlines()[named - 1]
    append(path, same)
    cub.read(root)
    append(path, "\n" + row)
    last = len(path.read_text().splitlines())
    message = f"{table}, row {last}: it contradicts row {named}, on the same image"
    with pytest.raises(UserError, match=re.escape(message)):
        cub.read(root)


def test_attributes_of_a_photo_that_contradict_each_other_are_named(root: Path) -> None:
    tiny_cub.attribute_rows(root, ["1 1 1 4 1.0", "1 2 0 4 1.0", "1 1 0 4 1.0"])
    with pytest.raises(UserError, match="row 3: it contradicts row 1"):
        cub.read(root)


def test_a_photo_is_named_once(root: Path) -> None:
    append(root / "images.txt", f"99 {PHOTO}")
    with pytest.raises(UserError, match=r"row 25: the image name '001.*' occurs twice"):
        cub.read(root)


@pytest.mark.parametrize("id", ["999999999", "20240131123000", "999999999999999999", "007"])
def test_an_id_may_be_any_whole_number(root: Path, id: str) -> None:
    before = cub.read(root)
    for table in ("images.txt", "image_class_labels.txt", "train_test_split.txt",
                  "bounding_boxes.txt", "parts/part_locs.txt"):  # fmt: skip
        text = (root / table).read_text()
        (root / table).write_text(
            re.sub("^1 ", f"{id} ", re.sub("^7 ", "700 ", text, flags=re.M), flags=re.M)
        )
    after = cub.read(root)
    np.testing.assert_array_equal(after.labels["species"], before.labels["species"])
    np.testing.assert_array_equal(after.points, before.points)


def test_a_byte_order_mark_is_no_part_of_a_table(root: Path) -> None:
    before = cub.read(root)
    for table in TABLES:
        path = root / table
        path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    after = cub.read(root)
    assert (after.info, after.names) == (before.info, before.names)
    np.testing.assert_array_equal(after.boxes, before.boxes)


def test_names_are_data_and_need_not_be_utf_8(root: Path, tmp_path: Path) -> None:
    odd = b"001.Big_Albatross/caf\xe9 [b].jpg"
    photo = root / "images" / PHOTO
    photo.rename(root / "images" / os.fsdecode(odd))
    table = root / "images.txt"
    table.write_bytes(table.read_bytes().replace(PHOTO.encode(), odd))
    classes = root / "classes.txt"
    classes.write_bytes(classes.read_bytes().replace(b"Brown", b"Br\xf6wn"))
    builder = cub.prepare(root, tmp_path / "cache")
    source = Source(builder, "train", 16)
    assert source[0].id == r"001.Big_Albatross/caf\xe9 [b].jpg"
    assert source.info.task("species").classes[4] == r"Br\xf6wn Wren"


# Files that are none, or are elsewhere


def refused(root: Path, cache: Path) -> str:
    with pytest.raises(UserError) as caught:
        cub.prepare(root, cache)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["/dev/zero", "../../secret.jpg", "a/../../b.jpg", ".", "a\0b"])
def test_a_path_in_a_table_leads_nowhere_else(root: Path, tmp_path: Path, name: str) -> None:
    tiny_cub.replace_row(root / "images.txt", 2, f"2 {name}")
    message = refused(root, tmp_path / "cache")
    assert "images.txt, row 2: the image name" in message


@pytest.mark.parametrize("which", [f"images/{PHOTO}", "classes.txt", "images", "segmentations"])
def test_a_link_that_leads_out_of_the_folder_is_named_and_not_followed(
    root: Path, tmp_path: Path, which: str
) -> None:
    tiny_cub.segment(root)
    link, elsewhere = root / which, tmp_path / "elsewhere"
    link.rename(elsewhere)
    link.symlink_to(elsewhere)
    message = refused(root, tmp_path / "cache")
    assert f"leads out of {root}: name the real folder, or copy the file" in message
    assert Path(which).parts[0] in message


def test_a_link_within_the_folder_is_followed(root: Path, tmp_path: Path) -> None:
    link = root / "images" / PHOTO
    link.rename(root / "photo.jpg")
    link.symlink_to(root / "photo.jpg")
    assert Source(cub.prepare(root, tmp_path / "cache"), "train", 16)[0].id == PHOTO


def test_a_pipe_is_never_opened(root: Path, tmp_path: Path) -> None:
    (root / "images" / PHOTO).unlink()
    os.mkfifo(root / "images" / PHOTO)
    found = notices(cub.prepare(root, tmp_path / "cache"))
    assert f"{PHOTO} is a pipe or a device" in found[-2]
    (root / "classes.txt").unlink()
    os.mkfifo(root / "classes.txt")
    assert "classes.txt is not a file" in refused(root, tmp_path / "cache")


# Photos, masks and the cache


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def test_a_photo_that_changes_but_keeps_its_size_is_prepared_anew(
    root: Path, tmp_path: Path
) -> None:
    tiny_cub.segment(root)
    folders = [cub.prepare(root, tmp_path / "cache").data_dir]
    for path in (root / "images" / PHOTO, (root / "segmentations" / PHOTO).with_suffix(".png")):
        time = path.stat().st_mtime_ns
        rewrite(path, lambda content: content[:-1] + b"\0")
        os.utime(path, ns=(time, time + 1))
        folders.append(cub.prepare(root, tmp_path / "cache").data_dir)
    assert len(set(folders)) == 3


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((1, 2, 3), "1, 2, 3"),
        ((0, 1), "1"),
        ((0, 1, 255), "1"),
        ((0, 26), "26"),
        ((0, 127), "127"),
        ((100, 150), "100, 150"),
        ((0, 51, 128, 255), "128"),
        (tuple(range(0, 256, 32)), "32, 64, 96, 128, 160, ..."),
    ],
    ids=["trimap", "0 and 1", "void", "26", "127", "both sides", "one more level", "many"],
)
def test_masks_that_hold_labels_are_an_error(
    root: Path, tmp_path: Path, values: tuple[int, ...], named: str
) -> None:
    for path in tiny_cub.segment(root).rglob("*.png"):
        with Image.open(path) as opened:
            width, height = opened.size
        labels = np.resize(np.array(values, np.uint8), (height, width))
        Image.fromarray(labels).save(path)
    message = refused(root, tmp_path / "cache")
    assert f"has values of labels ({named}): it should be 255 on the object, else 0" in message
    assert "more than 5% of the 24 photos" in message


@pytest.mark.parametrize("labels", [(*range(19), 255), (*range(200), 255), (0, *range(30, 256))])
def test_a_map_of_many_labels_is_no_resized_mask(
    root: Path, tmp_path: Path, labels: tuple[int, ...]
) -> None:
    side = 6  # pixels of the square of each label
    tiles = np.resize(np.array(labels, np.uint8), (16, 16)).repeat(side, 0).repeat(side, 1)
    photo, mask = root / "images" / PHOTO, (tiny_cub.segment(root) / PHOTO).with_suffix(".png")
    Image.new("RGB", tiles.shape).save(photo)
    Image.fromarray(tiles).save(mask)
    found = notices(cub.prepare(root, tmp_path / "cache"))
    assert any("Bird_0001.png has values of labels" in notice for notice in found)


def test_five_annotators_and_resized_masks_are_no_labels(root: Path, tmp_path: Path) -> None:
    masks = tiny_cub.segment(root) / "001.Big_Albatross"
    levels = np.tile(np.resize(np.arange(0, 256, 51, np.uint8), 22), (31, 1))
    Image.fromarray(levels).save(masks / "Bird_0001.png")
    Image.fromarray(levels > 127).resize((32, 22)).save(masks / "Bird_0002.png")
    with Image.open(masks / "Bird_0003.png") as opened:
        small = Image.fromarray(np.eye(5, dtype=np.uint8) * 255)
        resized = small.resize(opened.size, Image.Resampling.BILINEAR)
    resized.putpixel((0, 0), 0)
    resized.putpixel((1, 1), 255)
    resized.save(masks / "Bird_0003.png")
    builder = cub.prepare(root, tmp_path / "cache")
    assert not any("mask" in notice for notice in notices(builder))
    mask = Source(builder, "train", 22)[0].mask
    assert mask is not None
    np.testing.assert_array_equal(mask[..., 0], levels[:22] >= 128)


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (Image.new("L", (22, 31), 1), "has values of labels (1)"),
        (Image.new("L", (22, 31), 102), "has no pixel of 128 or more"),
        (Image.new("L", (22, 31), 0), "has no pixel of 128 or more"),
        (Image.new("RGB", (22, 31), (128, 0, 0)), "has colors"),
        (Image.new("L", (31, 22), 255), "has another size than its photo"),
    ],
    ids=["labels", "few annotators", "black", "colors", "another size"],
)
def test_a_mask_without_a_bird_is_counted_with_its_reason(
    root: Path, tmp_path: Path, mask: Image.Image, reason: str
) -> None:
    mask.save((tiny_cub.segment(root) / PHOTO).with_suffix(".png"))
    found = notices(cub.prepare(root, tmp_path / "cache"))[-2]
    assert re.search(r"1 of 24 photos have (a mask that can't be used|no mask, or one that)", found)
    assert f"Bird_0001.png {reason}" in found


def test_turned_photos_and_marks_outside_of_photos_are_counted(root: Path, tmp_path: Path) -> None:
    with Image.open(root / "images" / PHOTO) as opened:
        photo = opened.copy()
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(root / "images" / PHOTO, exif=exif)
    tiny_cub.replace_row(root / "bounding_boxes.txt", 3, "3 500 2 9 9")
    tiny_cub.replace_row(root / "parts/part_locs.txt", 47, "4 2 -3 5 1")
    found = notices(cub.prepare(root, tmp_path / "cache"))
    assert "1 of 24 photos have an EXIF orientation" in found[-3]
    assert "2 of 24 photos have a key point or a box outside of them" in found[-2]


def test_a_folder_that_is_copied_with_its_times_is_not_prepared_again(
    root: Path, tmp_path: Path
) -> None:
    first = cub.prepare(root, tmp_path / "cache")
    copy = tmp_path / "copy" / root.name
    shutil.copytree(root, copy)
    assert cub.prepare(copy, tmp_path / "cache").data_dir == first.data_dir
