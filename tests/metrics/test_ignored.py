"""Ignored pixels count in no score: NumPy, on the remaining pixels, has the same."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score

from jaxens import metrics
from jaxens.metrics import Protocol
from tests.metrics.cases import random_map, random_mask

SIZE = (20, 24)
EVERY = Protocol(metrics=tuple(metrics.METRICS), correlation_size=4)
# What the ignored pixels hold must not matter.
HELD = (0.0, 1e6, -1e6, np.nan)


def case(signed):
    map, mask = random_map(SIZE, signed=signed), random_mask(SIZE)
    ignored = np.zeros(SIZE, bool)
    ignored[3:15, 4:9] = True
    ignored[:5, :6] = True  # one cell of the 4 x 4 grid, and parts of others
    return map, mask, ignored


def plain(map, mask, ignored, threshold, signed):
    valid = ~ignored
    values, marked = map[valid].astype(np.float64), mask[valid]
    low, high = values.min(), values.max()
    scaled = values / np.abs(values).max() if signed else (values - low) / (high - low)
    region = scaled >= threshold
    order = np.argsort(-values)[: marked.sum()]
    positive = np.maximum(values, 0)
    cells = []
    for rows in np.split(np.arange(SIZE[0]), 4):
        for columns in np.split(np.arange(SIZE[1]), 4):
            at = np.ix_(rows, columns)
            if valid[at].any():
                cells.append((map[at][valid[at]].mean(), mask[at][valid[at]].mean()))
    return {
        "iou": (region & marked).sum() / (region | marked).sum(),
        "intersection": (region & marked).sum(),
        "union": (region | marked).sum(),
        "correlation": stats.pearsonr(*zip(*cells, strict=True)).statistic,
        "average_precision": average_precision_score(marked, values),
        "relevance_mass": positive[marked].sum() / positive.sum(),
        "relevance_rank": marked[order].mean(),
        "pointing_game": marked[values.argmax()],
    }


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("signed", [False, True])
def test_scores_are_those_of_the_remaining_pixels(signed, held):
    map, mask, ignored = case(signed)
    want = plain(map, mask, ignored, EVERY.threshold, signed)
    changed = np.where(ignored, np.float32(held), map)
    scores = metrics.score(changed, mask, None, EVERY, signed=signed, ignored=ignored)
    assert scores.keys() == want.keys()
    for name, value in want.items():
        assert float(scores[name]) == pytest.approx(float(value), rel=1e-5, abs=1e-6), name
    curves = metrics.threshold_curves(changed, mask, signed=signed, ignored=ignored)
    assert float(curves.iou[5]) == pytest.approx(want["iou"], rel=1e-5)
    for each in (metrics.iou, metrics.intersection_union):
        got = np.ravel(each(changed, mask, signed=signed, ignored=ignored))[0]
        assert got == pytest.approx(
            want["iou" if each is metrics.iou else "intersection"], rel=1e-5
        )


def test_each_image_of_many_has_its_own_ignored_pixels():
    map, mask, ignored = case(signed=True)
    maps = np.stack([[map, -map], [map**2, map]])  # member, image
    masks, unknown = np.stack([mask, ~mask]), np.stack([ignored, ignored[::-1]])
    scores = metrics.score(maps, masks, None, EVERY, signed=True, ignored=unknown)
    for member in range(2):
        for image in range(2):
            alone = metrics.score(
                maps[member, image], masks[image], None, EVERY, signed=True, ignored=unknown[image]
            )
            for name, values in scores.items():
                np.testing.assert_allclose(values[member, image], alone[name], rtol=1e-5, atol=1e-6)


def test_a_map_or_a_mask_with_nothing_among_the_remaining_pixels_has_no_score():
    map, mask, ignored = case(signed=False)
    cases = [
        (np.where(ignored, map, np.float32(0.5)), mask, ignored),
        (map, ignored, ignored),
        (map, mask, np.ones(SIZE, bool)),
    ]
    for each in cases:
        scores = metrics.score(*each[:2], None, EVERY, signed=False, ignored=each[2])
        assert all(np.isnan(score) for score in scores.values())


def test_ignored_pixels_need_the_size_of_the_map(unchecked):
    map, mask, ignored = case(signed=False)
    with pytest.raises(ValueError, match="differ in height and width"):
        metrics.iou(map, mask, signed=False, ignored=jnp.asarray(ignored[:5]))
