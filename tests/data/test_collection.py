"""Photos on disk become a data set: what is wrong with one is listed, and never fatal."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxens.data.cache_key import cache_key
from jaxens.data.collection import Collection, Item, TooManyError, prepare_collection
from jaxens.data.findings import Problem
from jaxens.data.marks import Box, MaskFile, Values
from jaxens.data.preparing import PROBLEMS, notices
from jaxens.data.reading import PhotoError
from jaxens.data.sampling import seeded_splits
from jaxens.data.schema import Info, Task, ignored
from jaxens.data.source import Source, load

NAN = np.full(4, np.nan)
PLANES = {"animal": Values((1,)), ignored("animal"): Values((3,))}
INFO = Info(
    "tiny",
    (Task.multiclass("kind", ("a", "b"), ("animal", "head"), separate=True),),
    points=("eye",),
    masks=("animal", ignored("animal"), "head"),
)


def png(path: Path, values: np.ndarray, mode: str | None = None) -> Path:
    image = Image.fromarray(values)
    if mode == "P":
        image = image.convert("L")
        image.putpalette([7 * (i % 30) for i in range(768)])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def trimap() -> np.ndarray:
    """Of 16 x 16 pixels: the left half is the animal, then four columns of border."""
    return np.repeat([[1] * 8 + [3] * 4 + [2] * 4], 16, axis=0).astype(np.uint8)


def items(root: Path, count: int = 8) -> list[Item]:
    result = []
    for i in range(count):
        path = png(root / f"{i}.png", np.full((16, 16, 3), 10 * i, np.uint8))
        marks = (
            MaskFile(png(root / f"masks/{i}.png", trimap()), root, PLANES),
            Box("head", f"{i}.xml", (4.0, 0.0, 10.0, 8.0)),
        )
        points = np.array([[4.0, 8.0]])
        result.append(Item(f"{i}.png", path, {"kind": np.int32(i % 2)}, points, NAN, marks))
    return result


def collection(root: Path, photos: list[Item], **arguments: object) -> Collection:
    splits = {"train": photos[:-2], "val": photos[-2:-1], "test": photos[-1:]}
    return Collection(root, "Tiny", INFO, splits, "the table", **arguments)  # type: ignore[arg-type]


def test_marks_become_masks_and_the_ignored_pixels_are_those_of_no_part(tmp_path: Path) -> None:
    whole = collection(tmp_path, items(tmp_path), box_of="animal")
    builder = prepare_collection(lambda: whole, tmp_path / "cache", "tiny-1")
    split = load(Source(builder, "train", 16))
    assert split.ids == [f"{i}.png" for i in range(6)]
    assert notices(builder) == []
    animal, head = split.mask(("animal",)), split.mask(("head",))
    assert animal is not None
    assert head is not None
    np.testing.assert_array_equal(animal[0], trimap() == 1)
    assert head[0].sum() == 6 * 8
    unknown, of_both = split.ignored(("animal",)), split.ignored(("animal", "head"))
    assert unknown is not None
    assert of_both is not None
    np.testing.assert_array_equal(unknown[0], trimap() == 3)
    np.testing.assert_array_equal(of_both[0], (trimap() == 3) & ~head[0])
    assert split.ignored(("head",)) is None
    np.testing.assert_allclose(split.boxes[0], [0, 0, 0.5, 1])
    np.testing.assert_allclose(split.points[0], [[0.25, 0.5]])


def test_what_is_wrong_with_a_photo_is_listed_with_the_reason(tmp_path: Path) -> None:
    photos = items(tmp_path, 12)
    photos[0].path.write_bytes(b"no photo")
    png(tmp_path / "masks/1.png", trimap()[:8])
    photos[2] = Item("2.png", photos[2].path, photos[2].labels, np.array([[99.0, 0.0]]), NAN)
    gone = Problem("x.jpg", "unusable", "x.jpg", "has no row in labels.csv")
    whole = collection(tmp_path, photos, problems=[gone])
    builder = prepare_collection(lambda: whole, tmp_path / "cache", "tiny-1")
    assert builder.info.splits["train"].num_examples == 9
    path = tmp_path / "cache" / "tiny-1" / PROBLEMS
    assert f"{path} lists all of these photos" in notices(builder)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [(row["photo"], row["reason"]) for row in rows] == [
        ("x.jpg", "x.jpg has no row in labels.csv"),
        ("0.png", "0.png is not an image of a known format, or is damaged"),
        ("1.png", "masks/1.png has 16 x 8 pixels, its photo 16 x 16"),
        ("2.png", "2.png has a key point or its box outside"),
    ]
    assert [row["consequence"] for row in rows] == [
        *("left out", "left out", "its mask is empty", "the key point or box is ignored")
    ]
    masks = load(Source(builder, "train", 16)).mask(("animal",))
    assert masks is not None
    assert not masks[0].any()  # of 1.png


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (lambda i: 0, "none of 8 masks of animal shows it, such as masks/0.png"),
        (lambda i: 5, ""),
        (lambda i: 1 + i % 2, "animal differs between masks (1 in masks/0.png, 2 in masks/1.png)"),
    ],
    ids=["none", "one value", "a value of each class"],
)
def test_masks_that_look_wrong_together_are_told(
    tmp_path: Path, value: Callable[[int], int], found: str
) -> None:
    photos = [
        replace(
            item,
            marks=(
                MaskFile(
                    png(tmp_path / f"masks/{i}.png", (trimap() == 1) * np.uint8(value(i))),
                    tmp_path,
                    {"animal": Values()},
                ),
            ),
        )
        for i, item in enumerate(items(tmp_path))
    ]
    builder = prepare_collection(lambda: collection(tmp_path, photos), tmp_path / "cache", "tiny-1")
    assert [bool(found) and found in each for each in notices(builder)] == [True] * bool(found)
    animal = load(Source(builder, "train", 16)).mask(("animal",))
    assert animal is not None
    np.testing.assert_array_equal(animal[0], (trimap() == 1) * (value(0) > 0))


def test_masks_that_fill_their_photos_are_told(tmp_path: Path) -> None:
    photos = [
        replace(item, marks=(Box("animal", f"{i}.xml", (0.0, 0.0, 16.0, 16.0)),))
        for i, item in enumerate(items(tmp_path))
    ]
    builder = prepare_collection(lambda: collection(tmp_path, photos), tmp_path / "cache", "tiny-1")
    (notice,) = notices(builder)
    assert "each of 8 masks of animal fills its photo, such as 0.xml" in notice


def test_too_many_photos_that_cannot_be_used_are_an_error_after_all_are_listed(
    tmp_path: Path,
) -> None:
    photos = items(tmp_path, 12)
    for item in photos[:5]:
        item.path.write_bytes(b"no photo")
    listed = tmp_path / "cache" / "tiny-1" / PROBLEMS
    said = set()
    for _ in range(2):  # the second time, from the records of the others
        with pytest.raises(TooManyError) as caught:
            prepare_collection(lambda: collection(tmp_path, photos), tmp_path / "cache", "tiny-1")
        said.add(str(caught.value))
        splits = caught.value.builder.info.splits.values()
        assert sum(split.num_examples for split in splits) == 7
    (message,) = said
    assert "Tiny: more than 5% of the 12 photos can't be used" in message
    assert f"{listed} lists them: correct or remove them" in message
    assert len(listed.read_text().splitlines()) == 6


def test_separate_parts_survive_json_and_other_tasks_are_written_as_before() -> None:
    assert Info.from_json(INFO.to_json()) == INFO
    joint = Info("joint", (Task.multiclass("kind", ("a", "b"), ("eye",)),))
    assert Info.from_json(joint.to_json()) == joint
    assert "separate" not in joint.to_json()


@pytest.mark.parametrize(
    ("values", "mode", "wanted", "marked"),
    [
        ([0, 1], None, Values(), [0, 1]),
        ([0, 255], None, Values(), [0, 1]),
        ([0, 7, 2], "P", Values((7,)), [0, 1, 0]),
        ([0, 100, 200], None, Values(least=128), [0, 0, 1]),
        ([0, 1, 2], None, Values((1, 2)), [0, 1, 1]),
    ],
    ids=["0 and 1", "0 and 255", "palette", "gray", "two values"],
)
def test_values_of_a_mask_file(tmp_path, values, mode, wanted, marked):
    path = png(tmp_path / "m.png", np.array([values], np.uint8), mode)
    mask = MaskFile(path, tmp_path, {"part": wanted})((len(values), 1))["part"]
    np.testing.assert_array_equal(mask != 0, np.array([marked], bool))


def test_colors_of_a_mask_file(tmp_path):
    rgb = np.array([[[255, 0, 0], [0, 0, 0], [0, 0, 255]]], np.uint8)
    file = MaskFile(png(tmp_path / "m.png", rgb), tmp_path, {"p": Values((0xFF0000,))}, colors=True)
    assert file((3, 1))["p"].tolist() == [[True, False, False]]


def test_values_that_nobody_named_are_refused(tmp_path):
    path = png(tmp_path / "m.png", np.array([[0, 1, 2]], np.uint8))
    with pytest.raises(PhotoError, match="has the values 0, 1, 2: say which of them are the part"):
        MaskFile(path, tmp_path, {"part": Values()})((3, 1))


def test_a_box_marks_the_pixels_whose_center_is_inside():
    box = Box("head", "row 2", (1.4, 0.0, 3.6, 1.0))
    assert box((5, 2))["head"].tolist() == [[False, True, True, True, False], [False] * 5]
    fractions = Box("head", "row 2", (0.0, 0.0, 0.5, 0.5), fractions=True)
    assert fractions((4, 2))["head"].tolist() == [[True, True, False, False], [False] * 4]
    for corners, reason in (((3, 0, 1, 1), "without an area"), ((9, 0, 12, 1), "outside of its 5")):
        with pytest.raises(PhotoError, match=reason):
            Box("head", "row 2", corners)((5, 2))


def test_the_cache_key_depends_on_content_of_tables_and_on_size_and_time_of_photos(tmp_path):
    table, photo = tmp_path / "table", tmp_path / "photo"
    for path in (table, photo):
        path.write_text("a")
    first = cache_key([table], [photo], tmp_path)
    table.write_text("a")
    assert cache_key([table], [photo], tmp_path) == first
    photo.write_text("ab")
    assert cache_key([table], [photo], tmp_path) != first
    photo.unlink()
    assert len(cache_key([table], [photo, "null \0"], tmp_path)) == 16


def test_a_seeded_split_keeps_the_proportions_and_leaves_nobody_out():
    labels = {"kind": np.repeat([0, 1], [80, 20])}
    splits = seeded_splits(labels, {"val": 0.1, "test": 0.2}, 3)
    counts = {name: np.bincount(labels["kind"][rows]).tolist() for name, rows in splits.items()}
    assert counts == {"train": [56, 14], "val": [8, 2], "test": [16, 4]}
    assert sorted(np.concatenate(list(splits.values()))) == list(range(100))
    again = seeded_splits(labels, {"val": 0.1, "test": 0.2}, 3)
    assert all((again[name] == splits[name]).all() for name in splits)
