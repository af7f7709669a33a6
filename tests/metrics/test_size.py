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
    found = metrics.scores_by_size(MAPS, MASKS, POINTS, orders, PROTOCOL, signed=True)
    assert found.keys() == set(metrics.PAPER)
    for o, order in enumerate(orders):
        for size in range(1, 5):
            mean = MAPS[order[:size]].mean(axis=0)
            want = metrics.score(mean, MASKS, POINTS, PROTOCOL, signed=True)
            for name, scores in found.items():
                assert scores.shape == (3, 4, 3)
                np.testing.assert_allclose(scores[o, size - 1], want[name], atol=2e-5)


def test_the_whole_ensemble_is_alike_in_every_order():
    orders = metrics.member_orders(4, 6)
    found = metrics.scores_by_size(MAPS, MASKS, POINTS, orders, PROTOCOL, signed=True)
    for scores in found.values():
        np.testing.assert_allclose(scores[:, -1], scores[:1, -1].repeat(6, 0), atol=2e-5)
        assert not np.allclose(scores[:, 0], scores[:1, 0].repeat(6, 0), atol=1e-4)


@pytest.mark.parametrize("orders", [1, 4, 5, 11])
def test_orders_are_permutations_and_every_place_is_shared_evenly(orders):
    found = metrics.member_orders(4, orders, seed=3)
    assert found.shape == (orders, 4)
    assert (np.sort(found, axis=1) == np.arange(4)).all()
    for block in range(orders // 4):
        rows = found[4 * block : 4 * block + 4]
        assert (np.sort(rows, axis=0) == np.arange(4)[:, None]).all()
    np.testing.assert_array_equal(found, metrics.member_orders(4, orders, seed=3))


@pytest.mark.parametrize(
    ("members", "orders", "message"), [(4, 0, "orders is 0"), (0, 4, "members is 0")]
)
def test_no_orders_and_no_members_are_refused(members, orders, message):
    with pytest.raises(ValueError, match=f"{message}: give at least 1"):
        metrics.member_orders(members, orders)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("as_given", [np.array, jax.numpy.array], ids=["numpy", "jax"])
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
def test_an_order_that_does_not_hold_each_member_once_is_refused(orders, message, as_given):
    with pytest.raises(ValueError, match=message):
        metrics.scores_by_size(MAPS, MASKS, POINTS, as_given(orders), PROTOCOL, signed=True)


def test_scores_by_size_are_alike_under_jit_where_the_orders_are_traced():
    orders = metrics.member_orders(4, 2)

    def scores(orders):
        return metrics.scores_by_size(MAPS, MASKS, None, orders, PROTOCOL, signed=True)["iou"]

    np.testing.assert_allclose(jax.jit(scores)(orders), scores(orders), rtol=1e-5)


def test_a_band_holds_the_mean_and_is_as_wide_as_sampling_makes_it():
    draw = np.random.default_rng(0)
    scores = draw.normal(0, 1, (7, 3, 400)) + np.array([0.0, 1.0, 2.0])[:, None]
    scores[:, 2] = scores[0, 2]  # alike in every order
    found = metrics.curve(scores)
    np.testing.assert_allclose(found.mean, scores.mean(axis=(0, 2)), atol=1e-12)
    assert ((found.low < found.mean) & (found.mean < found.high)).all()
    # Of independent values, an order's mean has a standard deviation of 1 / sqrt(400).
    np.testing.assert_allclose((found.high - found.low)[2], 2 * 1.96 / 20, rtol=0.1)
    assert found.images == 400


def test_images_without_a_score_at_some_size_are_left_out_at_all():
    scores = np.ones((2, 3, 5))
    scores[:, :, 4] = 100
    scores[1, 0, 4] = np.nan
    found = metrics.curve(scores)
    assert found.images == 4
    np.testing.assert_array_equal(found.mean, 1)
    nothing = metrics.curve(np.full((2, 3, 5), np.nan))
    assert nothing.images == 0
    assert np.isnan(nothing.mean).all()
