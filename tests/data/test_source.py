import io
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxens.data import masks
from jaxens.data.cub import builder as cub
from jaxens.data.geometry import MARGIN, Crop, square
from jaxens.data.preparing import fingerprint
from jaxens.data.schema import Example
from jaxens.data.source import Source, load
from jaxens.errors import UserError
from tests.data import tiny_cub

NO_BOX = np.full(4, np.nan, np.float32)
GRAY = 90


def _example(
    pixels: np.ndarray, *points: tuple[float, float], box: np.ndarray = NO_BOX, format: str = "PNG"
) -> Example:
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, format)
    return Example(
        "a", encoded.getvalue(), np.asarray(points, np.float32).reshape(-1, 2), np.float32(box)
    )


def _marked(width: int, height: int, x: int, y: int) -> np.ndarray:
    pixels = np.full((height, width, 3), GRAY, np.uint8)
    pixels[y - 2 : y + 2, x - 2 : x + 2] = (255, 0, 0)
    return pixels


@pytest.mark.parametrize(("width", "height"), [(41, 30), (30, 41), (36, 36), (160, 90)])
@pytest.mark.parametrize("crop", ["center", "box"])
@pytest.mark.parametrize("size", [12, 36])
def test_a_point_stays_on_what_it_marks(width: int, height: int, crop: Crop, size: int) -> None:
    x, y = round(width * 0.45), round(height * 0.6)
    box = np.asarray([0.3, 0.4, 0.8, 0.8], np.float32)
    example = _example(_marked(width, height, x, y), (x / width, y / height), box=box)
    image = square(example, size, crop)
    redness = image.image[..., 0].astype(float) - image.image[..., 1]
    redness = np.where(redness > redness.max() / 8, redness, 0)
    down, right = np.mgrid[:size, :size] + 0.5
    seen = np.asarray([(redness * right).sum(), (redness * down).sum()]) / redness.sum()
    np.testing.assert_allclose(seen, image.points[0] * size, atol=0.35)


def test_a_point_outside_the_square_is_nan() -> None:
    example = _example(_marked(40, 20, 20, 10), (0.5, 0.5), (0.1, 0.5), (np.nan, np.nan))
    points = square(example, 10).points
    np.testing.assert_allclose(points[0], [0.5, 0.5])
    assert np.isnan(points[1:]).all()


def test_the_box_is_clipped_to_the_square() -> None:
    box = np.asarray([0.0, 0.25, 0.5, 0.75], np.float32)
    image = square(_example(_marked(40, 20, 20, 10), box=box), 10)
    np.testing.assert_allclose(image.box, [0, 0.25, 0.5, 0.75])


def test_an_image_of_the_right_size_is_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    bits = np.random.default_rng(1).integers(0, 256, (16, 16, 2), np.uint8)
    example = replace(_example(pixels, (1.0, 0.3)), mask=masks.encode(bits))
    image = square(example, 16, parts=16)
    np.testing.assert_array_equal(image.image, pixels)
    assert image.mask is not None
    np.testing.assert_array_equal(image.mask, bits)
    np.testing.assert_array_equal(image.points, example.points)


def test_each_part_of_a_mask_has_the_pixels_that_it_covers_by_half() -> None:
    rng = np.random.default_rng(2)
    regions = rng.random((24, 32, 11)) < 0.5
    example = replace(_example(_marked(32, 24, 9, 9)), mask=masks.encode(masks.pack(regions)))
    blocks = regions[:, 4:-4].reshape(8, 3, 8, 3, 11).sum(axis=(1, 3))
    np.testing.assert_array_equal(square(example, 8, parts=11).mask, masks.pack(blocks >= 5))


def test_a_square_around_the_box_has_a_margin_and_lies_inside() -> None:
    box = np.asarray([0.0, 0.5, 0.2, 0.7], np.float32)  # 20 x 10 pixels at the left edge
    example = _example(_marked(100, 50, 60, 40), box=box)
    left, top, right, bottom = square(example, 20, "box").box * (1 + 2 * MARGIN) * 20
    np.testing.assert_allclose([left, right - left, bottom - top], [0, 20, 10], atol=1e-5)
    # Its middle is that of the box, top to bottom: there is room.
    np.testing.assert_allclose((top + bottom) / 2, 13, atol=1e-5)


def test_padding_has_the_mean_color_and_no_parts() -> None:
    pixels = np.full((20, 60, 3), (10, 20, 30), np.uint8)
    pixels[:, 30:] = (30, 40, 50)
    whole = np.asarray([0, 0, 1, 1], np.float32)
    mask = masks.encode(np.full((20, 60, 1), 3, np.uint8))
    example = replace(_example(pixels, (0.5, 0.5), box=whole), mask=mask)
    image = square(example, 60, "box", parts=2)
    np.testing.assert_array_equal(image.image[:18], np.broadcast_to([20, 30, 40], (18, 60, 3)))
    np.testing.assert_array_equal(image.image[20:40], pixels)
    assert image.mask is not None
    np.testing.assert_array_equal(
        image.mask[..., 0], 3 * np.tile((np.arange(60) // 20 == 1)[:, None], 60)
    )
    np.testing.assert_allclose(image.points, [[0.5, 0.5]])
    np.testing.assert_allclose(image.box, [0, 1 / 3, 1, 2 / 3], atol=1e-6)


def test_a_jpeg_that_is_decoded_small_looks_like_one_decoded_whole() -> None:
    down, right = np.mgrid[:301, :403]
    waves = [np.sin(right / 23) + np.cos(down / 31), np.sin(down / 17), np.cos(right / 41 + 1)]
    pixels = (np.stack(waves, -1) * 60 + 128).astype(np.uint8)
    example = _example(pixels, format="JPEG")
    whole = Image.open(io.BytesIO(example.image)).convert("RGB")
    expected = whole.resize((16, 16), Image.Resampling.LANCZOS, box=(51, 0, 352, 301))
    difference = square(example, 16).image.astype(int) - np.asarray(expected)
    assert np.abs(difference).max() <= 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tiny_cub.write(tmp_path_factory.mktemp("birds"))
    tiny_cub.segment(root)
    return root


@pytest.fixture(scope="module")
def builder(folder: Path) -> tfds.core.DatasetBuilder:
    return cub.prepare(folder, folder.parent / "cache")


@pytest.mark.parametrize("crop", ["center", "box"])
def test_a_split_in_memory_equals_its_images_one_by_one(
    builder: tfds.core.DatasetBuilder, crop: Crop
) -> None:
    source = Source(builder, "train", 20, crop)
    split = load(source)
    assert len(split) == len(source) == 12
    for i in range(len(source)):
        image = source[i]
        assert split.ids[i] == image.id
        np.testing.assert_array_equal(split.images[i], image.image)
        assert split.masks is not None
        np.testing.assert_array_equal(split.masks[i], image.mask)
        np.testing.assert_array_equal(split.points[i], image.points)
        np.testing.assert_array_equal(split.boxes[i], image.box)
        assert {name: v[i] for name, v in split.labels.items()} == dict(image.labels)


def test_key_points_follow_the_crop(builder: tfds.core.DatasetBuilder) -> None:
    split = load(Source(builder, "train", 44))
    beak = split.points[:, split.info.points.index("beak")]
    x, y = (beak * 44).astype(int).T
    red, green, _ = split.images[np.arange(len(split)), y, x].T.astype(int)
    assert np.isfinite(beak).all()
    assert (red - green).min() > 150


def test_take_keeps_images_and_labels_together(builder: tfds.core.DatasetBuilder) -> None:
    split = load(Source(builder, "train", 8))
    taken = split.take(np.asarray([5, 0, 5]))
    assert taken.ids == [split.ids[5], split.ids[0], split.ids[5]]
    for name in ("images", "masks", "points", "boxes"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(split, name)[[5, 0, 5]])
    np.testing.assert_array_equal(taken.labels["species"], split.labels["species"][[5, 0, 5]])


def test_a_source_survives_pickling(builder: tfds.core.DatasetBuilder) -> None:
    source = Source(builder, "val", 10)
    opened = source[1]
    again = pickle.loads(pickle.dumps(source))[1]
    assert again.id == opened.id
    np.testing.assert_array_equal(again.image, opened.image)


def test_an_unknown_split_is_an_error(builder: tfds.core.DatasetBuilder) -> None:
    with pytest.raises(UserError, match="no split 'validation': choose from"):
        Source(builder, "validation", 10)


def test_the_fingerprint_depends_on_the_content(
    builder: tfds.core.DatasetBuilder, folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "CUB_200_2011"
    shutil.copytree(folder, copy)
    assert fingerprint(cub.prepare(copy, tmp_path / "a")) == fingerprint(builder)
    tiny_cub.replace_row(copy / "parts" / "part_locs.txt", 2, "1 2 11.0 15.0 1")
    assert fingerprint(cub.prepare(copy, tmp_path / "a")) != fingerprint(builder)


@pytest.mark.slow
def test_the_fingerprint_does_not_depend_on_the_process(tmp_path: Path) -> None:
    """TFDS writes a record's fields in an order that differs between processes."""
    code = (
        "import sys, pathlib\n"
        "from jaxens.data.preparing import fingerprint\n"
        "from jaxens.data.fieldmarks import builder as fieldmarks\n"
        "if __name__ == '__main__':\n"
        "    builder = fieldmarks.prepare(\n"
        "        pathlib.Path(sys.argv[1]), 16, 0, {'train': 6, 'val': 1, 'test': 1})\n"
        "    print(fingerprint(builder))"
    )
    (tmp_path / "draw.py").write_text(code)
    fingerprints = {
        subprocess.run(
            [sys.executable, str(tmp_path / "draw.py"), str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in "abc"
    }
    assert len(fingerprints) == 1
