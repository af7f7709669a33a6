"""A member that diverged in an epoch has its state before the epoch again."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.data.opening import open_data
from jaxens.ensemble.quality import Quality
from jaxens.errors import UserError
from jaxens.runs import train
from jaxens.runs.restoring import with_members_restored
from jaxens.training.divergence import diverged_steps
from jaxens.training.settings import Config, Data, Members, Optim
from jaxens.training.state import State
from jaxens.training.trainer import Trainer

STEPS, EPOCH = 4, 3  # the epoch has the steps 8 to 11
NAN = float("nan")


def state(values, diverged_at):
    weights = {"w": jnp.asarray(values, jnp.float32)}
    return State(weights, {}, (), jnp.asarray(diverged_at, jnp.int32))


def scores(*members, baseline=None):
    """The scores of a task, after those of one without labels."""
    unknown = Quality("unknown", "AUC", (NAN,) * len(members), NAN, 0.5, baseline and NAN)
    return [unknown, Quality("species", "accuracy", members, 0.5, 0.1, baseline)]


def after_epoch(diverged_at, scores):
    last = state([5, 6, 7], [-1 if at >= 8 else at for at in diverged_at])
    now = state([1, 2, 3], diverged_at)
    steps = np.asarray(diverged_at)
    return with_members_restored(steps, scores, EPOCH, STEPS, lambda: now, lambda: last)


def test_nothing_is_read_if_no_member_diverged_in_the_epoch():
    assert after_epoch([-1, -1, -1], scores(0.5, 0.5, 0.5)) is None
    assert after_epoch([-1, 7, -1], scores(0.5, 0.5, 0.5)) is None


def test_a_member_that_stopped_in_the_epoch_is_restored():
    restored = after_epoch([-1, 8, 2], scores(0.5, NAN, 0.5))
    assert restored.params["w"].tolist() == [1, 6, 3]
    assert diverged_steps(restored) == (None, 8, 2)


def test_a_member_that_only_validation_finds_diverged_at_the_last_step(caplog):
    restored = after_epoch([-1, -1, -1], scores(0.5, 0.5, baseline=NAN))
    assert restored.params["w"].tolist() == [1, 2, 7]
    assert diverged_steps(restored) == (None, None, 11)
    assert (
        "the member trained on all data diverged at step 11 (validation scores not finite): the "
        "state after epoch 2 is kept" in caplog.text
    )


def test_if_validation_finds_the_last_member_the_training_ends():
    with pytest.raises(UserError, match=r"member 0 diverged at step 11 .* no member is left"):
        after_epoch([-1, 2, 2], scores(NAN, 0.5, 0.5))


@pytest.mark.slow
def test_without_a_folder_a_member_that_diverges_at_once_keeps_its_initial_state(
    monkeypatch, tmp_path, caplog
):
    data = Data(train_images=16, val_images=6, test_images=6, image_size=16)
    config = Config(
        data=replace(data, cache_dir=str(tmp_path)),
        ensemble=Members(2),
        optim=Optim(epochs=2, batch_size=8),
    )
    whole = Trainer.epoch

    def epoch(trainer, state, feed, part, *rest):
        if part.epoch == 1:
            spoiled = jax.tree.map(lambda leaf: leaf.at[1].set(jnp.inf), state.params)
            state = state._replace(params=spoiled)
        return whole(trainer, state, feed, part, *rest)

    monkeypatch.setattr(Trainer, "epoch", epoch)
    trained = train(config)
    data = open_data(config.data)
    initial = Trainer(config, data.train, data.info.tasks).init().variables
    for ours, expected in zip(
        jax.tree.leaves(trained.ensemble.variables), jax.tree.leaves(initial), strict=True
    ):
        np.testing.assert_array_equal(ours[1], expected[1])
    assert trained.ensemble.diverged_at == (None, 0)
    assert [line["diverged_at"] for line in trained.history] == [(None, 0)] * 3
    assert [line["loss"][1] for line in trained.history[:-1]] == [None] * 2
    assert np.isfinite([line["loss"][0] for line in trained.history[:-1]]).all()
    assert (
        "member 1 diverged at step 0 (loss or gradient not finite): the initial state is kept"
        in caplog.text
    )
