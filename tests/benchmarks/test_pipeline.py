"""What Pillow is timed for is what we do."""

import io

import numpy as np
from PIL import Image

from jaxens.benchmarks import photos
from jaxens.benchmarks.pipeline import by_opencv, by_pillow
from jaxens.data.geometry import square
from jaxens.data.source import Source


def test_a_photograph_is_a_jpeg_of_the_usual_size_and_another_each_time() -> None:
    first, second = photos.photo(0), photos.photo(1)
    picture = Image.open(io.BytesIO(first))
    assert (picture.format, picture.size) == ("JPEG", (500, 375))
    assert 50_000 < len(first) < 120_000  # as those of CUB-200-2011
    assert first == photos.photo(0) != second


def test_pillow_by_itself_gives_our_pictures() -> None:
    example = photos.example(3)
    np.testing.assert_array_equal(by_pillow(example.image, 224), square(example, 224).image)


def test_opencv_gives_about_the_same_its_channels_in_the_same_order() -> None:
    encoded = photos.photo(3)
    found, expected = by_opencv(encoded, 64).astype(int), by_pillow(encoded, 64).astype(int)
    assert np.abs(found - expected).mean() < 8  # means of areas, beside Lanczos' kernel
    assert np.abs(found[..., ::-1] - expected).mean() > 20


def test_prepared_photographs_are_those(tmp_path) -> None:
    source = Source(photos.prepare(tmp_path, 3), "train", 32)
    assert len(source) == 3
    assert [source.example(i).image for i in range(3)] == [photos.photo(i) for i in range(3)]
