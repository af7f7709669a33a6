"""Batches come in order; dispatches of any size are the same steps; every loss is reported."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.data.schema import Task
from jaxens.errors import UserError
from jaxens.models import VGG
from jaxens.ops import conv_general_dilated
from jaxens.training.divergence import DivergenceWatch
from jaxens.training.feed import Resident, Streamed
from jaxens.training.mesh import Placement
from jaxens.training.plan import Plan
from jaxens.training.settings import Augment, Optim
from jaxens.training.state import MEMBER_AXES, TRAINING, State, build_optimizer
from jaxens.training.step import train_all, train_one
from jaxens.training.trainer import _Meter, dispatches

pytestmark = pytest.mark.slow

MEMBERS, IMAGES, SIZE, BATCH, STEPS = 2, 12, 8, 3, 7
TASK = Task.multiclass("species", ("a", "b", "c"))
RNG = np.random.default_rng(0)
POOL = {
    "images": RNG.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8),
    "labels": {"species": RNG.integers(0, 3, IMAGES).astype(np.int32)},
}
MODEL = VGG(
    (("species", 3),),
    stages=((4, 1), (6, 1)),
    batch_norm=True,
    conv_general_dilated=conv_general_dilated,
)
OPTIMIZER = build_optimizer(Optim(), STEPS)


def initial_state(plan):
    def one(key):
        variables = MODEL.init(key, jnp.zeros((1, SIZE, SIZE, 3)))
        params = variables["params"]
        opt_state = OPTIMIZER.init(params)
        return State(params, variables["batch_stats"], opt_state, jnp.int32(TRAINING))

    keys = jax.random.split(jax.random.key(0), MEMBERS + (not plan.shared))
    return jax.jit(jax.vmap(one, out_axes=MEMBER_AXES))(keys)


def step_of(plan):
    one = train_one(MODEL, OPTIMIZER, (TASK,), (1.0,))
    return train_all(one, Augment(), jax.random.key(1), plan.shared)


def all_steps(feed, state):
    """The state and the losses [step, member] after all steps, dispatched as in an epoch."""
    counts = dispatches(STEPS, feed.at_once)
    feed.compile(state, counts)
    losses, number = [], 0
    for count in counts:
        state, dispatched = feed(state, number, count)
        losses.append(np.asarray(dispatched))
        number += count
    return state, np.concatenate(losses)


@pytest.mark.parametrize("diversity", ["random-weights", "bagging"])
def test_several_steps_of_one_dispatch_are_the_same_steps(diversity):
    """But for rounding: in a loop, XLA adds up a convolution in another order."""
    plan = Plan.make(diversity, MEMBERS, IMAGES, BATCH, seed=0)
    step = step_of(plan)
    state, losses = all_steps(Resident(POOL, plan, step, at_once=1), initial_state(plan))
    assert losses.shape == (STEPS, MEMBERS + (diversity == "bagging"))
    assert len(np.unique(losses)) == losses.size  # no step is taken twice
    in_threes, same = all_steps(Resident(POOL, plan, step, at_once=3), initial_state(plan))
    np.testing.assert_allclose(same, losses, rtol=1e-6)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), in_threes, state
    )


def test_without_convolutions_several_steps_are_bitwise_the_same():
    plan = Plan.make("bagging", MEMBERS, IMAGES, BATCH, seed=0)
    pool = {**POOL, "features": RNG.normal(size=(IMAGES, 6)).astype(np.float32)}
    del pool["images"]
    one = train_one(MODEL, OPTIMIZER, (TASK,), (1.0,), "heads")
    step = train_all(one, Augment(), jax.random.key(1), plan.shared, MODEL)

    def heads():
        state = initial_state(plan)
        params = {"heads": state.params["heads"]}
        return State(params, {}, jax.vmap(OPTIMIZER.init)(params), state.diverged_at)

    state, losses = all_steps(Resident(pool, plan, step, at_once=1), heads())
    in_threes, same = all_steps(Resident(pool, plan, step, at_once=3), heads())
    np.testing.assert_array_equal(same, losses)
    jax.tree.map(np.testing.assert_array_equal, in_threes, state)


def test_streamed_batches_come_in_order_and_are_on_the_device_ahead_of_their_step():
    taken = []

    def stream():
        for number in range(STEPS):
            taken.append(number)
            yield {"images": np.full((BATCH, 1), number), "labels": {}}

    def step(state, batch, number):
        return state, batch["images"][:, 0] * 100 + number

    feed = Streamed(stream(), step)
    assert taken == [0, 1]
    state = State(jnp.zeros(MEMBERS), {}, (), jnp.full(MEMBERS, TRAINING))
    feed.compile(state, [1])
    for number in range(STEPS):
        state, losses = feed(state, number, 1)
        np.testing.assert_array_equal(losses, [[101 * number] * BATCH])
        assert taken == list(range(min(number + 3, STEPS)))


def test_the_last_dispatch_of_an_epoch_takes_the_steps_that_are_left():
    assert dispatches(23, 10) == [10, 10, 3]
    assert dispatches(20, 10) == [10, 10]
    assert dispatches(3, 10) == [3]
    assert dispatches(3, 1) == [1, 1, 1]


def test_every_step_of_a_dispatch_is_reported_and_diverged_members_are_named_with_their_step(
    caplog,
):
    reported = []
    meter = _Meter(
        40,
        Placement(MEMBERS),
        6,
        lambda losses, speed: reported.append((losses.tolist(), speed)),
        DivergenceWatch(np.array([False, False]), MEMBERS, epoch=3),
    )
    meter.read(np.array([[1.0, 2.0], [3.0, 4.0]], np.float32))
    assert [losses for losses, _ in reported] == [[1, 2], [3, 4]]
    assert meter.total.tolist() == [4, 6]
    assert meter.speed == reported[-1][1] > 0
    with pytest.raises(UserError, match=r"member 0 diverged at step 45 .*, and no member is left"):
        meter.read(np.array([[1, 2], [3, np.nan], [4, np.nan], [np.nan] * 2], np.float32))
    assert len(reported) == 5
    assert [record.getMessage() for record in caplog.records] == [
        "member 1 diverged at step 43 (loss or gradient not finite): the state after epoch 2 is "
        "kept, and the other members go on; choose a lower `learning_rate`"
    ]
