"""Each way to diversity shows each member the images that it should see, and no others."""

import pickle

import numpy as np
import pytest

from jaxens.training.plan import InOrder, Plan, bucket_of

IMAGES, MEMBERS, BATCH = 57, 5, 8


def seen(plan, member, steps):
    return np.concatenate([np.atleast_2d(plan(s))[member] for s in range(steps)])


def plan(diversity, seed=0):
    return Plan.make(diversity, MEMBERS, IMAGES, BATCH, seed)


def test_random_weights_share_every_batch_and_see_all_images_once_per_pass():
    shared = plan("random-weights")
    assert shared.shared
    order = seen(shared, 0, IMAGES)  # BATCH whole passes
    for one_pass in order.reshape(BATCH, IMAGES):
        assert sorted(one_pass) == list(range(IMAGES))
    assert not np.array_equal(order[:IMAGES], order[IMAGES : 2 * IMAGES])


def test_leave_one_out_never_shows_a_member_its_bucket_and_shows_it_all_others():
    separate = plan("leave-one-out")
    buckets = bucket_of(IMAGES, MEMBERS, seed=0)
    assert np.ptp(np.bincount(buckets)) <= 1
    for member in range(MEMBERS):
        images = set(seen(separate, member, 20))
        assert images == set(np.flatnonzero(buckets != member))


def test_bagging_draws_as_many_images_with_replacement_and_keeps_to_them():
    separate = plan("bagging")
    bags = []
    for member in range(MEMBERS):
        counts = np.bincount(seen(separate, member, IMAGES), minlength=IMAGES)
        assert np.all(counts % BATCH == 0)  # BATCH passes over the same bag
        bag = counts // BATCH
        assert bag.sum() == IMAGES
        assert bag.max() > 1
        assert (bag == 0).any()
        bags.append(bag)
    assert all(not np.array_equal(bags[0], bag) for bag in bags[1:])
    left_out = np.mean([np.mean(bag == 0) for bag in bags])
    assert left_out == pytest.approx(np.exp(-1), abs=0.1)


@pytest.mark.parametrize("diversity", ["leave-one-out", "bagging"])
def test_the_last_row_is_the_baseline_on_all_data(diversity):
    separate = plan(diversity)
    assert separate(0).shape == (MEMBERS + 1, BATCH)
    assert sorted(seen(separate, MEMBERS, IMAGES)[:IMAGES]) == list(range(IMAGES))


@pytest.mark.parametrize("diversity", ["random-weights", "leave-one-out", "bagging"])
def test_a_step_depends_on_seed_and_number_alone(diversity):
    one = plan(diversity)
    backwards = [one(s) for s in reversed(range(20))][::-1]
    copy = pickle.loads(pickle.dumps(plan(diversity)))
    for step in range(20):
        np.testing.assert_array_equal(copy(step), backwards[step])
    assert not np.array_equal(one(3), plan(diversity, seed=1)(3))


def test_in_order_every_image_is_seen_once_and_the_first_ones_fill_up_the_last_batch():
    in_order = InOrder(np.arange(7, dtype=np.int32), batch=3)
    assert [in_order(step).tolist() for step in range(3)] == [[0, 1, 2], [3, 4, 5], [6, 0, 1]]
    assert in_order(0).dtype == np.int32
