import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import metrics
from jaxens.metrics import Protocol
from jaxens.metrics.inputs import map_and_mask
from tests.metrics.cases import random_map, random_mask

SIZE = (20, 28)
MAPS = random_map(SIZE, 3, 4, signed=True)
MASKS = random_mask(SIZE, 4)
POINTS = np.random.default_rng(2).random((4, 2)).astype(np.float32)


def each_metric(maps, signed, threshold=0.3, size=14):
    intersection, union = metrics.intersection_union(maps, MASKS, threshold, signed=signed)
    return {
        "iou": metrics.iou(maps, MASKS, threshold, signed=signed),
        "intersection": intersection,
        "union": union,
        "correlation": metrics.correlation(maps, MASKS, size),
        "distance": metrics.center_of_mass_distance(maps, POINTS),
    }


def assert_same(scores, expected):
    assert scores.keys() == expected.keys()
    for name, score in scores.items():
        assert score.shape == (3, 4)
        assert np.isfinite(score).all()
        np.testing.assert_allclose(score, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("sign", "maps", "still_signed"),
    [
        ("signed", MAPS, True),
        ("positive", np.maximum(MAPS, 0), False),
        ("absolute", np.abs(MAPS), False),
    ],
)
def test_the_sign_rule_is_applied_once_before_all_metrics(sign, maps, still_signed):
    scores = metrics.score(MAPS, MASKS, POINTS, Protocol(sign=sign), signed=True)
    assert_same(scores, each_metric(maps, signed=still_signed))


@pytest.mark.parametrize("sign", metrics.SIGNS)
def test_the_sign_rule_has_no_effect_on_unsigned_maps(sign):
    maps = np.abs(MAPS)
    scores = metrics.score(maps, MASKS, POINTS, Protocol(sign=sign), signed=False)
    assert_same(scores, each_metric(maps, signed=False))


def test_the_protocols_threshold_and_grid_are_used():
    scores = metrics.score(MAPS, MASKS, POINTS, Protocol(0.6, 7), signed=True)
    assert_same(scores, each_metric(MAPS, True, threshold=0.6, size=7))


def test_every_metric_has_a_direction():
    every = Protocol(metrics=tuple(metrics.METRICS))
    marked = np.zeros(SIZE, bool)
    marked[5:10, 5:10] = True
    center = np.array([7.5 / 28, 7.5 / 20], np.float32)
    exact = metrics.score(marked.astype(np.float32), marked, center, every, signed=False)
    noise = random_map(SIZE) + np.float32(0.1) * marked
    noise[0, 0] = 2
    worse = metrics.score(noise, marked, center, every, signed=False)
    assert exact.keys() == metrics.METRICS.keys()
    for name in exact.keys() - {"intersection"}:  # grows with the region
        assert (exact[name] > worse[name]) == metrics.METRICS[name].higher_is_better, name


def test_the_scores_are_those_of_the_metrics_functions():
    maps = np.abs(MAPS)
    chosen = ("pointing_game", "relevance_mass", "relevance_rank", "average_precision")
    scores = metrics.score(maps, MASKS, POINTS, Protocol(metrics=chosen), signed=False)
    assert scores.keys() == set(chosen)
    for name in chosen:
        np.testing.assert_allclose(scores[name], getattr(metrics, name)(maps, MASKS), atol=1e-6)


def test_an_unknown_metric_raises():
    with pytest.raises(ValueError, match="unknown metric ssim: choose from iou"):
        Protocol(metrics=("iou", "ssim"))


def test_metrics_without_ground_truth_are_not_scored():
    with_mask = metrics.score(MAPS, MASKS, None, Protocol(), signed=True)
    assert with_mask.keys() == {"iou", "intersection", "union", "correlation"}
    assert metrics.score(MAPS, None, POINTS, Protocol(), signed=True).keys() == {"distance"}
    with pytest.raises(ValueError, match="a mask, a key point or both"):
        metrics.score(MAPS, None, None, Protocol(), signed=True)


def test_missing_ground_truth_makes_only_its_metrics_nan():
    masks, points = MASKS.copy(), POINTS.copy()
    masks[1], points[2] = False, np.nan
    scores = metrics.score(MAPS, masks, points, Protocol(), signed=True)
    for name in ["iou", "intersection", "union", "correlation"]:
        assert list(np.isnan(scores[name][0])) == [False, True, False, False]
    assert list(np.isnan(scores["distance"][0])) == [False, False, True, False]


def test_integer_maps_are_scored_in_float32():
    maps = (10 * MAPS).astype(np.int32)
    scores = metrics.score(maps, MASKS, POINTS, Protocol(), signed=True)
    assert_same(scores, each_metric(maps.astype(np.float32), signed=True))


def test_bfloat16_maps_are_scored_in_float32():
    maps = jnp.asarray(MAPS, jnp.bfloat16)
    scores = metrics.score(maps, MASKS, POINTS, Protocol(), signed=True)
    assert_same(scores, each_metric(np.asarray(maps.astype(jnp.float32)), signed=True))


def test_the_description_contains_every_choice():
    text = Protocol(threshold=0.25, correlation_size=9, sign="absolute").describe()
    for choice in ["0.25", "9 x 9", "'absolute'", "[0, 1]", "Left out"]:
        assert choice in text
    assert len({Protocol(sign=sign).describe() for sign in metrics.SIGNS}) == len(metrics.SIGNS)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"threshold": 0.0}, "threshold.*0"),
        ({"threshold": 1.5}, r"threshold.*1\.5"),
        ({"correlation_size": 1}, "correlation_size is 1: give at least 2"),
        ({"sign": "both"}, "'both'.*signed, positive, absolute"),
    ],
)
def test_an_invalid_protocol_raises(fields, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**fields)


def test_no_image_has_no_score():
    every = Protocol(metrics=tuple(metrics.METRICS))
    maps, masks, points = np.ones((2, 0, 28, 28)), np.ones((0, 28, 28), bool), np.ones((0, 2))
    scores = metrics.score(maps, masks, points, every, signed=True)
    assert scores.keys() == metrics.METRICS.keys()
    assert {values.shape for values in scores.values()} == {(2, 0)}


def test_a_metric_is_one_entry_of_the_table(monkeypatch):
    def inside(map, mask, size, *, signed):
        map, mask, _ = map_and_mask(map, mask)
        share = jnp.where(mask, map, 0).sum(axis=(-2, -1))
        return share if signed else size - share

    row = metrics.Metric("inside", "inside", True, inside, "of {correlation_size}.")
    assert (row.truth, row.heading, row.better) == ("mask", "inside", "higher")
    monkeypatch.setitem(metrics.METRICS, "inside", row)
    protocol = Protocol(correlation_size=5, metrics=("inside", "distance"))
    assert "Inside: of 5." in protocol.describe().split("\n")
    expected = np.where(MASKS, MAPS, 0).sum(axis=(-2, -1))
    scores = metrics.score(MAPS, MASKS, None, protocol, signed=True)
    assert scores.keys() == {"inside"}
    np.testing.assert_allclose(scores["inside"], expected, atol=1e-4)
    scores = metrics.score(MAPS, MASKS, POINTS, protocol, signed=False)
    np.testing.assert_allclose(scores["inside"], 5 - expected, atol=1e-4)
