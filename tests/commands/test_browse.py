"""The page of a data set shows labels, masks, key points and boxes where they belong."""

from collections import Counter

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

import jaxens.data
from jaxens.data.__main__ import main
from jaxens.data.source import load
from jaxens.errors import UserError

FLAGS = ["--train-images", "4", "--val-images", "2", "--test-images", "6", "--image-size", "16"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def split(cache):
    counts = {"train_images": 4, "val_images": 2, "test_images": 6}
    return load(jaxens.data.open("fieldmarks", cache_dir=cache, image_size=16, **counts).test)


@pytest.fixture
def page(cache, tmp_path, monkeypatch):
    """The figure that the command saves, and the masks that it outlines with their extents."""
    figures, outlines = [], []
    savefig, contour = Figure.savefig, Axes.contour

    def save(self, *args, **kwargs):
        figures.append(self)
        return savefig(self, *args, **kwargs)

    def outline(self, x, y, padded, *args, **kwargs):
        # The outline is drawn of the mask with a frame of one pixel.
        outlines.append((padded[1:-1, 1:-1], (x[0], x[-1], y[0], y[-1])))
        return contour(self, x, y, padded, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", save)
    monkeypatch.setattr(Axes, "contour", outline)
    file = tmp_path / "page.png"
    main(["browse", *FLAGS, "--cache-dir", cache, "--out", str(file)])
    assert file.stat().st_size > 0
    return figures[0], outlines


def marked_cells(figure, split):
    """Left, right, bottom and top of the second copy of each image."""
    images = figure.axes[0].images
    shown = [np.asarray(image.get_array()) for image in images]
    assert len(images) == 2 * len(split)
    for i, image in enumerate(split.images):
        np.testing.assert_array_equal(shown[2 * i], image)
        np.testing.assert_array_equal(shown[2 * i + 1], image)
    return [image.get_extent() for image in images[1::2]]


def on_page(cell, point):
    left, right, bottom, top = cell
    return left + (right - left) * float(point[0]), top + (bottom - top) * float(point[1])


def test_every_part_of_every_image_is_outlined_where_its_mask_is(page, split):
    _, outlines = page
    masks = [split.mask((part,)) for part in split.info.masks]
    expected = Counter(mask.tobytes() for part in masks for mask in part if mask.any())
    assert Counter(mask.tobytes() for mask, _ in outlines) == expected
    # All outlines of an image lie on its second copy: one cell of the page per image.
    assert len({extent for _, extent in outlines}) == len(split)


def test_an_outline_lies_on_the_second_copy_of_its_image(page, split):
    figure, outlines = page
    cells = marked_cells(figure, split)
    birds = split.mask(("bird",))
    extents = {mask.tobytes(): extent for mask, extent in outlines}
    for (left, right, bottom, top), bird in zip(cells, birds, strict=True):
        # The contour's outermost points are half a pixel outside the image.
        pad_x, pad_y = (right - left) / 32, (bottom - top) / 32
        expected = (left - pad_x, right + pad_x, top - pad_y, bottom + pad_y)
        assert extents[bird.tobytes()] == pytest.approx(expected)


def test_the_labels_of_every_image_are_on_the_page(page, split):
    figure, _ = page
    texts = [text.get_text() for text in figure.findobj(Text)]
    species = split.info.task("species").classes
    for label in split.labels["species"]:
        assert any(species[label] in text for text in texts)
    assert all(part in texts for part in split.info.masks)


def test_key_points_are_crossed_where_they_are(page, split):
    figure, _ = page
    crosses = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "+"]
    expected = [
        on_page(cell, point)
        for cell, points in zip(marked_cells(figure, split), split.points, strict=True)
        for point in points
        if not np.isnan(point).any()
    ]
    positions = [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in crosses]
    np.testing.assert_allclose(sorted(positions), sorted(expected), atol=1e-6)


def test_boxes_are_drawn_where_they_are(page, split):
    figure, _ = page
    drawn = [patch.get_bbox().extents for patch in figure.axes[0].patches]
    cells = marked_cells(figure, split)
    expected = [
        (*on_page(cell, box[:2]), *on_page(cell, box[2:]))
        for cell, box in zip(cells, split.boxes, strict=True)
    ]
    np.testing.assert_allclose(drawn, expected, atol=1e-6)


def test_an_unknown_split_or_action_is_named():
    with pytest.raises(UserError, match="validation"):
        main(["browse", "--split", "validation"])
    with pytest.raises(UserError, match="no action 'brows'"):
        main(["brows"])
