"""Pillow and OpenCV are timed on the same work as jaxens."""

import io

import numpy as np
from PIL import Image

from jaxens.benchmarks import photos
from jaxens.benchmarks.pipeline import by_opencv, by_pillow
from jaxens.data.geometry import square
from jaxens.data.source import Source


def test_a_photo_is_a_jpeg_of_typical_size_that_depends_on_its_number() -> None:
    first, second = photos.photo(0), photos.photo(1)
    image = Image.open(io.BytesIO(first))
    assert (image.format, image.size) == ("JPEG", (500, 375))
    assert 50_000 < len(first) < 120_000  # like those of CUB-200-2011
    assert first == photos.photo(0) != second


def test_pillow_gives_the_same_image() -> None:
    example = photos.example(3)
    np.testing.assert_array_equal(by_pillow(example.image, 224), square(example, 224).image)


def test_opencv_gives_a_similar_image_with_channels_in_the_same_order() -> None:
    encoded = photos.photo(3)
    actual, expected = by_opencv(encoded, 64).astype(int), by_pillow(encoded, 64).astype(int)
    assert np.abs(actual - expected).mean() < 8  # area averages instead of Lanczos
    assert np.abs(actual[..., ::-1] - expected).mean() > 20


def test_prepared_photos_are_read_back(tmp_path) -> None:
    source = Source(photos.prepare(tmp_path, 3), "train", 32)
    assert len(source) == 3
    assert [source.example(i).image for i in range(3)] == [photos.photo(i) for i in range(3)]
