"""A member that diverges stops, and changes nothing of the others."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.errors import UserError
from jaxens.training import step as steps
from jaxens.training.divergence import (
    DivergenceWatch,
    diverged_steps,
    keep_if_diverged,
    restore,
)
from jaxens.training.layout import MeshLayout
from jaxens.training.state import TRAINING, State
from tests.training.on_devices import CASES, check_alike, config_of, learned
from tests.training.test_step import Training, config, differs, member, random_images

BROKEN = 1
# Without optimizations, as other tests run, XLA rounds each change of a program in another way.
AS_USERS_RUN = {"xla_backend_optimization_level": 3}


def one_member(weight=1.0, diverged_at=TRAINING, variance=1.0):
    weights, stats = {"w": jnp.float32(weight)}, {"var": jnp.float32(variance)}
    return State(weights, stats, (jnp.int32(3),), jnp.int32(diverged_at), {"frozen": jnp.zeros(2)})


@pytest.mark.parametrize(
    ("loss", "slope", "variance", "at"),
    [
        (1.0, 2.0, 3.0, TRAINING),
        (np.inf, 2.0, 3.0, 7),
        (np.nan, 2.0, 3.0, 7),
        (1.0, np.nan, 3.0, 7),
        (1.0, -np.inf, 3.0, 7),
        (1.0, 1e20, 3.0, 7),  # whose square is infinite
        (1.0, 2.0, np.inf, 7),
    ],
)
def test_a_member_stops_if_its_loss_gradient_or_statistics_are_not_finite(
    loss, slope, variance, at
):
    before, after = one_member(1.0), one_member(2.0, variance=variance)
    slopes = {"w": jnp.float32(slope)}
    state, reported = keep_if_diverged(before, after, jnp.float32(loss), slopes, jnp.int32(7))
    assert int(state.diverged_at) == at
    assert float(state.params["w"]) == (2.0 if at == TRAINING else 1.0)
    np.testing.assert_equal(float(reported), loss if at == TRAINING else np.nan)


def test_a_member_that_has_diverged_never_goes_on():
    before, after = one_member(1.0, diverged_at=5), one_member(2.0, diverged_at=5)
    slopes = {"w": jnp.float32(1)}
    state, reported = keep_if_diverged(before, after, jnp.float32(1), slopes, jnp.int32(7))
    assert not differs(state, before)
    assert np.isnan(reported)


def test_restored_members_have_the_state_of_the_last_checkpoint_and_the_step():
    def state(values, diverged_at):
        weights = {"w": jnp.asarray(values, jnp.float32)[:, None]}
        return State(weights, {}, (), jnp.asarray(diverged_at, jnp.int32), {"frozen": jnp.ones(1)})

    now, last = state([1, 2, 3, 4], [-1, 8, -1, 2]), state([5, 6, 7, 4], [-1, -1, -1, 2])
    restored = restore(now, last, np.array([False, True, True, False]), 9)
    assert restored.params["w"].ravel().tolist() == [1, 6, 7, 4]
    assert diverged_steps(restored) == (None, 8, 9, 2)
    assert restored.trunk is now.trunk


def broken(state):
    """The state in which one member is infinite."""
    spoiled = jax.tree.map(lambda leaf: leaf.at[BROKEN].set(jnp.inf), state.params)
    return state._replace(params=spoiled)


def trained(training, state, count):
    pool = random_images()
    step = jax.jit(training.step.__wrapped__, compiler_options=AS_USERS_RUN)
    for number in range(count):
        batch = jax.tree.map(lambda leaf, n=number: leaf[training.plan(n)], pool)
        state, losses = step(state, batch, jnp.int32(number))
    return state, losses


@pytest.mark.slow
@pytest.mark.parametrize(
    "diversity", ["random-weights", pytest.param("bagging", marks=pytest.mark.long)]
)
def test_a_guard_changes_nothing_and_if_a_member_diverges_the_others_are_bitwise_the_same(
    diversity, monkeypatch
):
    guarded = Training(config(diversity))
    with monkeypatch.context() as patch:
        patch.setattr(steps, "keep_if_diverged", lambda before, after, loss, *_: (after, loss))
        plain = Training(config(diversity))
        expected, losses = trained(plain, plain.init(), 4)
    healthy, same = trained(guarded, guarded.init(), 4)
    # The guard's program is another one, whose sums a compiler may order differently.
    compare = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    jax.tree.map(compare, (healthy, same), (expected, losses))

    start = broken(guarded.init())
    state, losses = trained(guarded, start, 4)
    assert np.flatnonzero(~np.isfinite(losses)).tolist() == [BROKEN]
    others = [k for k in range(state.members) if k != BROKEN]
    assert [state.diverged_at[k] for k in others] == [TRAINING] * len(others)
    for k in others:
        assert not differs(member(state, k), member(healthy, k))
    assert state.diverged_at[BROKEN] == 0
    assert not differs(member(start.variables, BROKEN), member(state.variables, BROKEN))


@pytest.mark.long
@pytest.mark.parametrize("layout", [MeshLayout(2, 1), MeshLayout(1, 2)], ids=str)
@pytest.mark.parametrize("name", ["random weights", "bagging, streamed", "frozen trunk"])
def test_on_two_devices_the_others_learn_what_they_do_on_one(name, layout, tmp_path_factory):
    """Three members on two devices are filled up by a fourth."""
    config = config_of(str(tmp_path_factory.getbasetemp() / "mesh"), **CASES[name])

    def others(arrays):
        return [np.delete(leaf, BROKEN, axis=0) for leaf in arrays]

    spoiled = learned(config, layout, broken)
    assert any(np.isinf(leaf[BROKEN]).all() for leaf in spoiled)
    check_alike(others(spoiled), others(learned(config, MeshLayout(1, 1))))


def test_members_are_named_once_and_the_last_one_that_is_left_ends_the_training(caplog):
    stops = DivergenceWatch(np.array([True, False, False, False]), 3, epoch=1)
    stops.read(np.array([False, True, True, True]), 3)
    assert not caplog.records
    stops.read(np.array([False, False, True, False]), 4)
    stops.read(np.array([False, False, True, False]), 5)
    assert [record.getMessage() for record in caplog.records] == [
        "member 1 and the member trained on all data diverged at step 4 (loss or gradient not "
        "finite): the initial state is kept, and the other members go on; choose a lower "
        "`learning_rate`"
    ]
    with pytest.raises(UserError, match=r"member 2 diverged at step 6 .* no member is left"):
        stops.read(np.array([False, False, False, False]), 6)
