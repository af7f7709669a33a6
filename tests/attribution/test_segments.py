import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import segmentation

from jaxens.attribution import segments as seg

METHODS: dict[str, dict[str, float]] = {
    "slic": {},
    "quickshift": {"max_dist": 10, "kernel_size": 2, "ratio": 1},
    "felzenszwalb": {},
}


def photos(channels: int = 3) -> np.ndarray:
    """Two photos in halves, of a dark and a bright color with a little noise."""
    generator = np.random.default_rng(0)
    dark = generator.uniform(0.1, 0.15, size=(2, 24, 32, channels))
    dark[0, :, 20:] += 0.7
    dark[1, 9:] += 0.7
    return dark


def test_a_grid_cuts_rows_and_columns() -> None:
    expected = [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [2, 2, 2, 3, 3]]
    np.testing.assert_array_equal(seg.grid(3, 5, 2), expected)


@pytest.mark.parametrize("cells", [1, 2, 3, 7, 10])
def test_the_cells_of_a_grid_are_rectangles_of_about_equal_sizes(cells: int) -> None:
    labels = seg.grid(10, 14, cells)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(np.unique(labels), np.arange(cells**2))
    for label in range(cells**2):
        rows, columns = np.nonzero(labels == label)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) == height * width
        assert abs(height - 10 / cells) < 1
        assert abs(width - 14 / cells) < 1


def test_a_grid_finer_than_the_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="cells is 11 for 10 x 14 pixels: give 1 to 10"):
        seg.grid(10, 14, 11)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("method", METHODS)
def test_superpixels_follow_edges_and_are_numbered_without_gaps(method: str, channels: int) -> None:
    images = photos(channels)
    labels = seg.superpixels(images, method, **METHODS[method])
    assert labels.shape == (2, 24, 32)
    assert labels.dtype == np.int32
    for photo, its in zip(images, labels, strict=True):
        np.testing.assert_array_equal(np.unique(its), np.arange(its.max() + 1))
        assert its.max() > 0
        bright = photo[..., 0] > 0.5
        assert not set(its[bright]) & set(its[~bright])


@pytest.mark.parametrize(
    ("method", "settings", "reference"),
    [
        ("slic", {}, {"n_segments": 49}),
        ("slic", {"n_segments": 6, "compactness": 3.0}, {"n_segments": 6, "compactness": 3.0}),
        ("quickshift", {}, {"kernel_size": 4, "max_dist": 200, "ratio": 0.2}),
        ("quickshift", {"max_dist": 4}, {"kernel_size": 4, "max_dist": 4, "ratio": 0.2}),
        ("felzenszwalb", {"min_size": 40}, {"min_size": 40}),
    ],
)
def test_superpixels_are_scikit_images(
    method: str, settings: dict[str, float], reference: dict[str, float]
) -> None:
    images = photos()
    for photo, ours in zip(images, seg.superpixels(images, method, **settings), strict=True):
        theirs = getattr(segmentation, method)(photo, **reference)
        pairs = set(zip(ours.flat, theirs.flat, strict=True))
        assert len(pairs) == len(np.unique(theirs)) == ours.max() + 1


def test_superpixels_of_bytes_are_those_of_fractions() -> None:
    images = (255 * photos()).astype(np.uint8)
    np.testing.assert_array_equal(seg.superpixels(images), seg.superpixels(images / 255))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("images", "method", "message"),
    [
        (photos(), "watershed", "unknown method 'watershed': choose from slic, quickshift"),
        (photos()[0], "slic", r"images has shape \(24, 32, 3\).*images\[None\]"),
        (photos(4), "slic", r"images has shape \(2, 24, 32, 4\).*or 1 for gray"),
        (photos() - 0.5, "slic", "no normalized images"),
        (300 * photos(), "slic", "no normalized images"),
        (photos() * np.nan, "slic", "no normalized images"),
    ],
)
def test_what_superpixels_cannot_cut_is_refused(
    images: np.ndarray, method: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        seg.superpixels(images, method)


def test_paint_gives_each_pixel_its_segments_weight() -> None:
    labels = np.stack([seg.grid(4, 6, 2), 3 - seg.grid(4, 6, 2)])
    weights = np.array([[1.0, 2, 3, 4, 5], [6, 7, 8, 9, 10]])
    maps = np.array(seg.segments_to_map(weights, labels))
    np.testing.assert_array_equal(maps[0, [0, 0, 3, 3], [0, 5, 0, 5]], [1, 2, 3, 4])
    np.testing.assert_array_equal(maps[1, [0, 0, 3, 3], [0, 5, 0, 5]], [9, 8, 7, 6])
    assert maps.shape == (2, 4, 6)


def test_members_are_painted_under_vmap() -> None:
    labels = np.stack([seg.grid(4, 6, 2)])
    weights = jnp.arange(12.0).reshape(3, 1, 4)
    together = jax.vmap(lambda weights: seg.segments_to_map(weights, labels))(weights)
    alone = jnp.stack([seg.segments_to_map(member, labels) for member in weights])
    np.testing.assert_array_equal(together, alone)


def test_a_traced_label_without_a_weight_is_nan_in_the_map() -> None:
    labels = np.array([[[0, 1, 2, -1]]])
    maps = jax.jit(seg.segments_to_map)(np.array([[5.0, 6.0]]), labels)
    np.testing.assert_array_equal(maps, [[[5, 6, np.nan, np.nan]]])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((2, 3, 4)), "segments has type float64: give integer labels"),
        (np.full((2, 3, 4), -1), "segments has the label -1: give labels from 0 on"),
        (np.full((2, 3, 4), 5), "segments has the label 5, but room for 5"),
        (np.zeros((3, 4), int), r"shape \(3, 4\).*np.broadcast_to"),
        (np.zeros((1, 3, 4), int), r"shape \(1, 3, 4\).*\(2, 3, 4\)"),
    ],
)
def test_segments_that_do_not_match_are_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        seg.segments_to_map(np.ones((2, 5)), labels)
