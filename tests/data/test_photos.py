"""Photos to explain are cropped as training images are."""

import hashlib
import io
import os

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxens.data.fieldmarks import builder as fieldmarks
from jaxens.data.photos import from_arrays, from_files, from_split, rows_of
from jaxens.data.source import Source
from jaxens.errors import UserError

ORIENTATION = 0x0112
SEEN = np.random.default_rng(0).integers(0, 256, (6, 10, 3), dtype=np.uint8)


def held(pixels, orientation):
    """The pixels that a camera stores, so that a viewer who turns them sees `pixels`."""
    turned = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: np.rot90(pixels),
        7: pixels[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(pixels, -1),
    }
    return np.ascontiguousarray(turned[orientation])


def saved(path, pixels, orientation=1):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_rotated_as_its_exif_tag_says(tmp_path, orientation):
    file = saved(tmp_path / "a.png", held(SEEN, orientation), orientation)
    np.testing.assert_array_equal(from_files([file], 6).images[0], SEEN[:, 2:8])


def test_the_central_square_is_resized_once_by_lanczos(tmp_path):
    file = saved(tmp_path / "a.png", SEEN)
    want = Image.fromarray(SEEN).resize((4, 4), Image.Resampling.LANCZOS, box=(2, 0, 8, 6))
    np.testing.assert_array_equal(from_files([file], 4).images[0], np.asarray(want))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_any_color_mode_becomes_rgb(tmp_path, mode):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.fromarray(SEEN).convert(mode).save(path)
    want = Image.fromarray(SEEN).convert(mode).convert("RGB")
    np.testing.assert_array_equal(from_files([path], 6).images[0], np.asarray(want)[:, 2:8])


def test_files_that_cannot_be_read_are_left_out_with_a_warning(tmp_path, caplog):
    good = saved(tmp_path / "good.png", SEEN)
    (tmp_path / "words.jpg").write_text("no photo")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:80])
    Image.fromarray(SEEN[..., 0].astype(np.float32)).save(tmp_path / "deep.tif")
    os.mkfifo(tmp_path / "pipe.png")
    names = ["good.png", "words.jpg", "cut.png", "deep.tif", "absent.png", "pipe.png"]
    read = from_files([tmp_path / name for name in names], 6)
    assert read.names == [str(good)]
    message = caplog.text
    for name in names[1:]:
        assert str(tmp_path / name) in message
    assert "unknown range" in message
    assert "No such file" in message
    assert "5 of 6 files left out" in message


def test_no_readable_photo_is_an_error(tmp_path):
    (tmp_path / "words.jpg").write_text("no photo")
    with pytest.raises(UserError, match="none of 1 files is a photo"):
        from_files([tmp_path / "words.jpg"], 6)


def test_a_folder_is_read_in_the_order_of_names_and_each_file_once(tmp_path, caplog):
    for name in ("b.png", "a.PNG", "c.webp"):
        Image.fromarray(SEEN).save(tmp_path / name, format=name[2:].upper())
    (tmp_path / "notes.txt").write_text("no photo")
    read = from_files([tmp_path / "c.webp", tmp_path], 6)
    assert [name.rsplit("/")[-1] for name in read.names] == ["c.webp", "a.PNG", "b.png"]
    assert caplog.text == ""


def test_a_picture_to_draw_has_the_pixels_of_its_file_up_to_a_limit(tmp_path, caplog):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    read = from_files([saved(tmp_path / "a.png", pixels), saved(tmp_path / "b.png", pixels)], 6)
    np.testing.assert_array_equal(read.full_image(0), pixels[:, 10:40])
    assert read.full_image(1, most=20).shape == (20, 20, 3)
    assert caplog.text == ""
    (tmp_path / "a.png").unlink()
    np.testing.assert_array_equal(read.full_image(0), read.images[0])
    assert "a.png" in caplog.text
    small = from_files([tmp_path / "b.png"], 40)
    np.testing.assert_array_equal(small.full_image(0), small.images[0])


def test_a_picture_of_a_split_is_that_image(source):
    some = from_split(source, np.array([4, 1]))
    np.testing.assert_array_equal(some.full_image(1), source[1].image)
    taken = some.take(np.array([1]))
    assert (taken.names, len(taken.truth)) == ([some.names[1]], 1)
    np.testing.assert_array_equal(taken.full_image(0), source[1].image)
    half = from_split(Source(tfds.builder_from_directory(source.folder), "test", 8), np.array([4]))
    np.testing.assert_array_equal(half.full_image(0), source[4].image)
    alone = from_arrays(some.images)
    np.testing.assert_array_equal(alone.full_image(0), some.images[0])


def test_a_folder_without_photos_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("no photo")
    with pytest.raises(UserError, match="is a folder without photos"):
        from_files([tmp_path], 6)


def test_place_and_hash_depend_on_the_content_alone(tmp_path):
    one, other = saved(tmp_path / "one.png", SEEN), saved(tmp_path / "other.png", SEEN[::-1].copy())
    (tmp_path / "copy.png").write_bytes(one.read_bytes())
    both, alone = from_files([other, one], 6), from_files([tmp_path / "copy.png"], 6)
    assert both.places[1] == alone.places[0] != both.places[0]
    assert both.places.max() < 2**31
    assert both.sha256[1] == hashlib.sha256(one.read_bytes()).hexdigest() == alone.sha256[0]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    counts = {"train": 1, "val": 1, "test": 6}
    return Source(fieldmarks.prepare(tmp_path_factory.mktemp("c"), 16, 0, counts), "test", 16)


def test_images_of_a_split_are_the_training_images_at_these_rows(source):
    some = from_split(source, np.array([4, 1]))
    assert some.places.tolist() == [4, 1]
    for row, name, image in zip([4, 1], some.names, some.images, strict=True):
        assert name == source[row].id
        np.testing.assert_array_equal(image, source[row].image)


def test_a_stored_image_read_as_a_file_is_the_same(source, tmp_path):
    content = source.example(3).image
    suffix = Image.open(io.BytesIO(content)).format.lower()
    (tmp_path / f"a.{suffix}").write_bytes(content)
    read = from_files([tmp_path / f"a.{suffix}"], 16)
    np.testing.assert_array_equal(read.images[0], source[3].image)


def test_rows_of_ids_keep_the_order_of_the_ids(source):
    ids = [source[row].id for row in (5, 0)]
    assert rows_of(source, [*ids, ids[0]]).tolist() == [5, 0]
    with pytest.raises(UserError, match=f"has no image 'x': its ids are like {source[0].id}"):
        rows_of(source, ["x"])


def test_a_link_in_a_folder_that_leads_out_is_left_out_unless_it_is_named(tmp_path, caplog):
    elsewhere = saved(tmp_path / "secret.png", SEEN)
    folder = tmp_path / "photos"
    folder.mkdir()
    saved(folder / "a.png", SEEN)
    (folder / "b.png").symlink_to(elsewhere)
    (folder / "c.png").symlink_to(folder / "a.png")
    names = [str(folder / name) for name in ("a.png", "b.png", "c.png")]
    assert from_files([folder], 6).names == [names[0], names[2]]
    assert f"{names[1]} leads out of {folder}" in caplog.text
    assert from_files([folder, folder / "b.png"], 6).names == names


def test_names_of_photos_are_text_also_if_they_are_not_utf_8(tmp_path):
    file = saved(tmp_path / os.fsdecode(b"caf\xe9.png"), SEEN)
    assert from_files([file], 6).names == [rf"{tmp_path}/caf\xe9.png"]
