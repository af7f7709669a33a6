import jax
import numpy as np
import pytest

from jaxens import metrics
from jaxens.metrics import Protocol
from tests.metrics.cases import random_map, random_mask

SIZE = (12, 15)
MAPS = random_map(SIZE, 4, 3, signed=True)  # members, images
MASKS = random_mask(SIZE, 3)
POINTS = np.random.default_rng(2).random((3, 2)).astype(np.float32)
PROTOCOL = Protocol(correlation_size=5)


def test_each_size_is_the_score_of_the_mean_of_that_many_members():
    orders = metrics.member_orders(4, 3)
    results = metrics.scores_by_size(MAPS, MASKS, POINTS, orders, PROTOCOL, signed=True)
    assert results.keys() == set(metrics.PAPER)
    for o, order in enumerate(orders):
        for size in range(1, 5):
            mean = MAPS[order[:size]].mean(axis=0)
            expected = metrics.score(mean, MASKS, POINTS, PROTOCOL, signed=True)
            for name, scores in results.items():
                assert scores.shape == (3, 4, 3)
                np.testing.assert_allclose(scores[o, size - 1], expected[name], atol=2e-5)


def test_the_whole_ensemble_has_the_same_score_in_every_order():
    orders = metrics.member_orders(4, 6)
    results = metrics.scores_by_size(MAPS, MASKS, POINTS, orders, PROTOCOL, signed=True)
    for scores in results.values():
        np.testing.assert_allclose(scores[:, -1], scores[:1, -1].repeat(6, 0), atol=2e-5)
        assert not np.allclose(scores[:, 0], scores[:1, 0].repeat(6, 0), atol=1e-4)


@pytest.mark.parametrize("orders", [1, 4, 5, 11])
def test_orders_are_permutations_with_each_member_once_in_every_position(orders):
    results = metrics.member_orders(4, orders, seed=3)
    assert results.shape == (orders, 4)
    assert (np.sort(results, axis=1) == np.arange(4)).all()
    for block in range(orders // 4):
        rows = results[4 * block : 4 * block + 4]
        assert (np.sort(rows, axis=0) == np.arange(4)[:, None]).all()
    np.testing.assert_array_equal(results, metrics.member_orders(4, orders, seed=3))


@pytest.mark.parametrize(
    ("members", "orders", "message"), [(4, 0, "orders is 0"), (0, 4, "members is 0")]
)
def test_zero_orders_or_members_raise(members, orders, message):
    with pytest.raises(ValueError, match=f"{message}: give at least 1"):
        metrics.member_orders(members, orders)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("as_array", [np.array, jax.numpy.array], ids=["numpy", "jax"])
@pytest.mark.parametrize(
    ("orders", "message"),
    [
        ([[0, 1, 2, 3], [0, 1, 2, 4]], r"order 1 is \[0, 1, 2, 4\]: give each of the 4 members"),
        ([[0, 1, 2, -1]], "order 0 is .*0 to 3, once"),
        ([[0, 1, 1, 3]], r"order 0 is \[0, 1, 1, 3\]"),
        ([[0, 1, 2]], r"orders has shape \(1, 3\) for 4 members: give .* \(orders, 4\)"),
        ([0, 1, 2, 3], r"orders has shape \(4,\)"),
        (np.zeros((0, 4), int), r"orders has shape \(0, 4\)"),
    ],
)
def test_an_order_without_each_member_once_raises(orders, message, as_array):
    with pytest.raises(ValueError, match=message):
        metrics.scores_by_size(MAPS, MASKS, POINTS, as_array(orders), PROTOCOL, signed=True)


def test_scores_by_size_are_the_same_with_traced_orders():
    orders = metrics.member_orders(4, 2)

    def scores(orders):
        return metrics.scores_by_size(MAPS, MASKS, None, orders, PROTOCOL, signed=True)["iou"]

    np.testing.assert_allclose(jax.jit(scores)(orders), scores(orders), rtol=1e-5)


def test_the_band_contains_the_mean_and_has_the_width_of_the_sampling_error():
    draw = np.random.default_rng(0)
    scores = draw.normal(0, 1, (7, 3, 400)) + np.array([0.0, 1.0, 2.0])[:, None]
    scores[:, 2] = scores[0, 2]  # the same in every order
    results = metrics.curve(scores)
    np.testing.assert_allclose(results.mean, scores.mean(axis=(0, 2)), atol=1e-12)
    assert ((results.low < results.mean) & (results.mean < results.high)).all()
    # Of independent values, an order's mean has a standard deviation of 1 / sqrt(400).
    np.testing.assert_allclose((results.high - results.low)[2], 2 * 1.96 / 20, rtol=0.1)
    assert results.images == 400


def test_an_image_without_a_score_at_one_size_is_left_out_at_all_sizes():
    scores = np.ones((2, 3, 5))
    scores[:, :, 4] = 100
    scores[1, 0, 4] = np.nan
    results = metrics.curve(scores)
    assert results.images == 4
    np.testing.assert_array_equal(results.mean, 1)
    nothing = metrics.curve(np.full((2, 3, 5), np.nan))
    assert nothing.images == 0
    assert np.isnan(nothing.mean).all()
