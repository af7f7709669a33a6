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


def test_every_part_of_every_image_is_outlined_where_its_mask_is(page, split):
    _, outlines = page
    masks = [split.mask((part,)) for part in split.info.masks]
    expected = Counter(mask.tobytes() for part in masks for mask in part if mask.any())
    assert Counter(mask.tobytes() for mask, _ in outlines) == expected
    # All outlines of an image lie on its second copy: one cell of the page per image.
    assert len({extent for _, extent in outlines}) == len(split)
    birds = split.mask(("bird",))
    extents = {mask.tobytes(): extent for mask, extent in outlines}
    lefts = [extents[bird.tobytes()][0] for bird in birds[:5]]
    assert np.allclose(np.diff(lefts), 2)


def test_the_labels_of_every_image_are_on_the_page(page, split):
    figure, _ = page
    texts = [text.get_text() for text in figure.findobj(Text)]
    species = split.info.task("species").classes
    for label in split.labels["species"]:
        assert any(species[label] in text for text in texts)
    assert all(part in texts for part in split.info.masks)


def test_key_points_are_crossed_where_they_are_visible(page, split):
    figure, _ = page
    crosses = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "+"]
    assert len(crosses) == (~np.isnan(split.points).any(axis=-1)).sum()


def test_an_unknown_split_or_action_is_named():
    with pytest.raises(UserError, match="validation"):
        main(["browse", "--split", "validation"])
    with pytest.raises(UserError, match="no action 'brows'"):
        main(["brows"])
