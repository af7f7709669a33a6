"""Masks of more than eight parts, and the truth of a class that has several parts."""

import numpy as np
import pytest

from jaxens.data import masks
from jaxens.data.schema import Info
from jaxens.data.split import Split

PARTS = tuple(f"part {p}" for p in range(19))


@pytest.fixture
def regions() -> np.ndarray:
    return np.random.default_rng(0).random((3, 6, 5, len(PARTS))) < 0.2


@pytest.fixture
def split(regions: np.ndarray) -> Split:
    points = np.random.default_rng(1).random((3, 2, 2)).astype(np.float32)
    points[0, 0] = np.nan
    points[1] = np.nan
    return Split(
        info=Info("parts", (), points=("part 3", "tail"), masks=PARTS),
        ids=["a", "b", "c"],
        images=np.zeros((3, 6, 5, 3), np.uint8),
        masks=masks.pack(regions),
        points=points,
        boxes=np.zeros((3, 4), np.float32),
        labels={},
        places=np.arange(3),
    )


def test_a_pixel_takes_one_byte_for_eight_parts(split: Split) -> None:
    assert split.masks is not None
    assert split.masks.shape == (3, 6, 5, 3)


def test_a_png_keeps_the_masks_of_all_parts(split: Split) -> None:
    assert split.masks is not None
    planes = masks.decode(masks.encode(split.masks[1]), planes=3)
    np.testing.assert_array_equal(np.stack(planes, axis=-1), split.masks[1])


@pytest.mark.parametrize("chosen", [(0,), (7, 8), (18,), (2, 9, 17)])
def test_the_mask_of_several_parts_is_their_union(
    split: Split, regions: np.ndarray, chosen: tuple[int, ...]
) -> None:
    expected = regions[..., list(chosen)].any(axis=-1)
    parts = tuple(PARTS[p] for p in chosen)
    np.testing.assert_array_equal(split.mask(parts), expected)
    np.testing.assert_array_equal(split.mask(parts, np.array([2, 0])), expected[[2, 0]])


def test_the_point_of_several_parts_is_the_mean_of_the_visible_ones(split: Split) -> None:
    point = split.point(("part 3", "tail", "part 5"))
    assert point is not None
    np.testing.assert_array_equal(point[0], split.points[0, 1])
    assert np.isnan(point[1]).all()
    np.testing.assert_allclose(point[2], split.points[2].mean(axis=0), rtol=1e-6)
    single = split.point(("part 3",), slice(2, 3))
    np.testing.assert_array_equal(single, split.points[2:3, 0])


def test_parts_without_masks_or_points_give_none(split: Split) -> None:
    assert split.mask(("tail",)) is None
    assert split.mask(()) is None
    assert split.point(("part 4",)) is None
