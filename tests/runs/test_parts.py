"""The state in the middle of an epoch: used if it is whole and the newest."""

import jax
import numpy as np
import pytest

from jaxens.errors import UserError
from jaxens.runs.checkpoints import Checkpoints
from jaxens.runs.checksums import sums_of
from jaxens.runs.parts import Parts, layout_of, restored
from jaxens.training.state import TRAINING, State
from jaxens.training.trainer import Part

STEPS = 10  # of an epoch
WEIGHTS = {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}
STATE = State(WEIGHTS, {}, (np.int32([7, 7]),), np.full(2, TRAINING, np.int32))
LOSSES = np.array([1 / 3, 1e-17])
LIKE = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), layout_of(STATE))


@pytest.fixture
def parts(tmp_path):
    return Parts(Checkpoints(tmp_path / "checkpoints"))


def save(parts, epoch, step):
    parts.save(Part(epoch, step, LOSSES), STATE, sums_of(STATE), STATE)


def damage(folder):
    for file in folder.rglob("d/*"):
        file.write_bytes(file.read_bytes()[:20])


def test_a_part_is_read_bitwise_as_it_was_saved(parts):
    save(parts, 2, 13)
    part, state = restored(*parts.latest(STEPS, LIKE), STEPS)
    assert (part.epoch, part.step) == (2, 13)
    np.testing.assert_array_equal(part.total, LOSSES)
    jax.tree.map(np.testing.assert_array_equal, state, STATE)
    assert parts.kept == "step 13"


def test_the_last_step_of_an_epoch_belongs_to_it(parts):
    save(parts, 2, 20)
    part, _ = restored(*parts.latest(STEPS, LIKE), STEPS)
    assert (part.epoch, part.step) == (2, 20)


def test_a_part_that_is_older_than_a_checkpoint_is_not_read(parts, caplog):
    save(parts, 2, 13)
    damage(parts.folder)
    parts._checkpoints.save(2, STATE, 0.5)
    parts._checkpoints.wait()
    assert parts.latest(STEPS, LIKE) is None
    assert caplog.text == ""
    parts.remove()
    assert not parts.folder.exists()


def test_of_a_damaged_part_the_one_before_is_used_or_the_checkpoint(parts, caplog):
    for step in (12, 15):
        save(parts, 2, step)
    damage(parts.folder / "15")
    assert parts.latest(STEPS, LIKE)[0] == 12
    assert f"{parts.folder / '15'} is damaged" in caplog.text
    damage(parts.folder / "12")
    assert parts.latest(STEPS, LIKE) is None
    assert parts.kept == ""


def test_a_part_of_another_config_is_refused(parts):
    save(parts, 1, 3)
    with pytest.raises(UserError, match=r"3 does not fit config.toml: params/w is"):
        parts.latest(STEPS, LIKE | {"params": {"w": jax.ShapeDtypeStruct((2, 4), np.float32)}})


def test_without_a_stop_there_is_no_folder(parts):
    assert parts.latest(STEPS, LIKE) is None
    parts.remove()
    assert not parts.folder.exists()
