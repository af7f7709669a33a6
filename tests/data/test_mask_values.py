"""What masks show is found by their names, which are those of photos, then by their values."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

import jaxens.data
from jaxens.data.folder.mask_values import look_at, parts_of
from tests.data.proposals import NAMES, image, photos, proposed

INSIDE = (slice(4, 14), slice(5, 15))  # the object in 18 x 20 pixels


def drawn(*rings: int) -> np.ndarray:
    """An object of the last value; the others are rings around it, of a pixel each."""
    mask = np.zeros((18, 20), np.uint8)
    for i, value in enumerate(rings):
        mask[i + 1 : 17 - i, i + 1 : 19 - i] = value
    return mask


def trimap(border: int) -> np.ndarray:
    mask = np.zeros((18, 20), np.uint8)
    mask[:, 5:10], mask[:, 10:] = border, 255
    return mask


def indexes(*each: int) -> np.ndarray:
    return np.repeat(np.resize(np.array(each, np.uint8), (1, 20)), 18, axis=0)


def colored(*colors: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros((18, 20, 3), np.uint8)
    for i, color in enumerate(colors):
        mask[3:15, 3 + 5 * i : 8 + 5 * i] = color
    return mask


def parts(root: Path) -> dict:
    """The parts of a proposal, which can be read."""
    return tomllib.loads(proposed(root)).get("parts", {})


@pytest.mark.parametrize(
    ("pixels", "fields"),
    [
        (drawn(255), {"m": {}}),
        (drawn(60, 128, 255), {"m": {"least": 128}}),
        (drawn(1, 3, 255), {"m": {"least": 128}}),
        (drawn(*range(9, 41, 5), 255), {"m": {"least": 128}}),
        (drawn(100, 200), {"m": {"least": 100}}),
        (trimap(127), {"m": {"values": [255], "ignore": [127]}}),
        (trimap(128), {"m": {"values": [255], "ignore": [128]}}),
        (indexes(0, 1, 2, 3), {"m": {"values": [1], "ignore": [3]}}),
        (indexes(0, 1, 4, 255), {f"m {v}": {"values": [v], "ignore": [255]} for v in (1, 4)}),
        (indexes(0, 0, 1, 1, 2, 2), {f"m {v}": {"values": [v]} for v in (1, 2)}),
        (colored((255, 0, 0)), {"m": {"values": ["#ff0000"]}}),
        (
            colored((255, 0, 0), (0, 0, 255)),
            {"m #0000ff": {"values": ["#0000ff"]}, "m #ff0000": {"values": ["#ff0000"]}},
        ),
        (
            np.kron(np.array([[0, 85], [170, 255]], np.uint8), np.ones((9, 10), np.uint8)),
            {f"m {v}": {"values": [v]} for v in (85, 170, 255)},
        ),
        (
            np.kron(np.array([[0, 51], [102, 255]], np.uint8), np.ones((9, 10), np.uint8)),
            {"m": {"least": 128}},
        ),
    ],
    ids=["binary", "soft edges", "soft edges of small values", "many grays", "gray", "trimap 127",
         "trimap 128", "Pets", "indexes", "indexes without 255", "color", "colors", "regions",
         "agreement"],
)  # fmt: skip
def test_values_say_what_is_the_part(tmp_path: Path, pixels: np.ndarray, fields: dict) -> None:
    photos(tmp_path)
    for name in NAMES:
        image(tmp_path / "m" / f"{name}.png", pixels)
    where = {"masks": "m/{stem}.png"}
    assert parts(tmp_path) == {name: where | each for name, each in fields.items()}


def test_255_is_ignored_in_a_palette_of_any_index(tmp_path: Path) -> None:
    photos(tmp_path)
    (tmp_path / "m").mkdir()
    for name in NAMES:
        mask = Image.fromarray(drawn(255, 15), "P")
        mask.putpalette([i % 256 for i in range(768)])
        mask.save(tmp_path / "m" / f"{name}.png")
    assert parts(tmp_path) == {
        "m 15": {"masks": "m/{stem}.png", "values": [15], "ignore": [255]},
    }


# Edges that are blurred by more than a fiftieth of the image may look like a photo.
@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    radius=st.floats(0.3, 1.25),
    box=st.tuples(*[st.integers(8, 20)] * 2, *[st.integers(34, 56)] * 2),
    scale=st.sampled_from([1, 2]),
)
def test_a_mask_with_soft_edges_is_the_object(tmp_path_factory, radius, box, scale) -> None:
    left, top, right, bottom = box
    mask = np.zeros((64, 64), np.uint8)
    mask[top:bottom, left:right] = 255
    soft = Image.fromarray(mask).filter(ImageFilter.GaussianBlur(radius))
    path = tmp_path_factory.mktemp("m") / "m.png"
    soft.resize((64 * scale, 64 * scale), Image.Resampling.BILINEAR).save(path)
    look = look_at(path, path.parent)
    assert look is not None
    assert look.is_mask()
    (fields,) = parts_of("m", [look]).values()
    assert fields in ({}, {"least": 128})


PLACES = ["{}_head.png", "{}-head.png", "head_{}.png", "masks/{}_head.png", "head/{}.png"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("ending", ["jpg", "png"])
@pytest.mark.parametrize("flat", [False, True], ids=["photos", "drawings"])
def test_masks_are_named_after_photos_of_any_format_in_any_folder(
    tmp_path: Path, place: str, ending: str, flat: bool
) -> None:
    photos(tmp_path, ending=ending)
    for name in NAMES:
        if flat:
            image(tmp_path / "images" / f"{name}.{ending}", np.full((18, 20, 3), 90, np.uint8))
        image(tmp_path / "images" / place.format(name), drawn(255))
    if flat and place == "head/{}.png":  # nothing says which are the masks
        return
    assert [*parts(tmp_path)] == ["head"]


def test_numbered_drawings_in_class_folders_are_photos(tmp_path: Path) -> None:
    for kind in "01":
        for i in range(6):
            image(tmp_path / kind / f"{i}.png", drawn(255))
    assert parts(tmp_path) == {}
    assert "folders = true" in jaxens.data.propose(tmp_path)


def test_images_of_few_colors_and_another_size_are_photos(tmp_path: Path) -> None:
    photos(tmp_path, "cat", range(6))
    for i in range(6):
        image(tmp_path / "icon" / f"{i}.png", np.kron(drawn(255), np.ones((2, 2), np.uint8)))
    text = proposed(tmp_path)
    assert "masks" not in text
    assert "folders = true" in text


def test_a_jpeg_is_a_mask_if_a_name_says_so(tmp_path: Path) -> None:
    photos(tmp_path)
    for name in NAMES:
        pixels = np.kron(drawn(255), np.ones((7, 7), np.uint8))
        image(tmp_path / "images" / f"{name}.jpg", np.random.default_rng(0).integers(
            0, 256, (*pixels.shape, 3), dtype=np.uint8))  # fmt: skip
        image(tmp_path / "masks" / f"{name}.jpg", pixels)
    assert parts(tmp_path) == {"masks": {"masks": "masks/{stem}.jpg", "least": 128}}


def test_masks_in_the_folder_of_each_split_are_one_part(tmp_path: Path) -> None:
    for k, split in enumerate(("train", "test")):
        names = NAMES[k::2]
        photos(tmp_path, f"{split}/images", names)
        for name in names:
            image(tmp_path / split / "masks" / f"{name}.png", drawn(255))
    masks = ["test/masks/{stem}.png", "train/masks/{stem}.png"]
    assert parts(tmp_path) == {"masks": {"masks": masks}}


def test_a_mask_may_be_named_with_the_ending_of_its_photo(tmp_path: Path) -> None:
    photos(tmp_path)
    for name in NAMES:
        image(tmp_path / "head" / f"{name}.jpg.png", drawn(255))
    assert parts(tmp_path) == {"head": {"masks": "head/{stem}.jpg.png"}}


def test_masks_and_boxes_of_one_name_are_two_parts(tmp_path: Path) -> None:
    photos(tmp_path)
    for name in NAMES:
        image(tmp_path / "head" / f"{name}.png", drawn(255))
    rows = [f"{name},2,2,9,9" for name in NAMES]
    header = "file,head_left,head_top,head_width,head_height"
    (tmp_path / "t.csv").write_text("\n".join([header, *rows]))
    assert [*parts(tmp_path)] == ["head", "head box"]
