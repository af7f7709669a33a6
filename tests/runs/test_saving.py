"""A state on a mesh is saved without gathering it, and the members alone are read back."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.runs.processes import all_share
from jaxens.runs.run import Run
from jaxens.runs.saving import _to_save, save_epoch, save_part
from jaxens.training.layout import MeshLayout
from jaxens.training.mesh import Placement
from jaxens.training.state import TRAINING
from tests.runs.saves import BATCH, MEMBERS, SCORES, check_saved, part_of, state_of
from tests.runs.small import CONFIG, INFO


@pytest.mark.parametrize("layout", [(1, 1), (2, 1), (1, 2)], ids=str)
def test_a_mesh_saves_the_state_of_its_members_which_are_filled_up(tmp_path, layout, monkeypatch):
    """Three members on two devices have a copy of one as a fourth, so that each device has two."""
    monkeypatch.setattr("jaxens.training.mesh.to_host", None)  # which gathers
    run = Run.create(tmp_path / "run", CONFIG, INFO, data="0123")
    placement = Placement.on_devices(MEMBERS, BATCH, MeshLayout(*layout))
    for epoch in (1, 2):
        state = placement.spread(state_of(epoch))
        save_epoch(run, placement, part_of(epoch), state, np.ones(MEMBERS), 1.0, SCORES)
    save_part(run, placement, part_of(3), placement.spread(state_of(3)))
    assert [line["diverged_at"] for line in run.read_log()] == [[None, 2, None]] * 2
    run.close()
    check_saved(tmp_path / "run")


def test_a_checkpoint_is_damaged_if_a_row_of_a_member_is_and_not_if_a_copy_is(tmp_path, caplog):
    placement = Placement.on_devices(MEMBERS, BATCH, MeshLayout(2, 1))
    state = placement.spread(state_of(1))
    run = Run.create(tmp_path / "run", CONFIG, INFO, data="0123")
    _, sums, like = _to_save(run, placement, state)
    for epoch, row in ((1, MEMBERS), (2, MEMBERS - 1)):
        kernel = state.params["kernel"].at[row].add(1)
        spoiled = state._replace(params=state.params | {"kernel": kernel})
        run.checkpoints._read_back = True  # which would find it at once
        run.checkpoints.save(epoch, spoiled, 0.5, sums, like)
    assert run.checkpoints.latest(like)[0] == 1
    assert f"{tmp_path / 'run' / 'checkpoints' / '2'} is damaged" in caplog.text
    run.close()


def test_where_members_diverged_is_the_same_with_those_that_fill_up_left_out():
    placement = Placement.on_devices(MEMBERS, BATCH, MeshLayout(2, 1))
    diverged_at = placement.diverged_at(placement.spread(state_of(1)))
    assert diverged_at.tolist() == [TRAINING, 2, TRAINING]
    assert diverged_at.dtype == jnp.int32


def test_a_folder_is_shared_only_if_there_is_one(tmp_path):
    assert not all_share(None)
    assert all_share(tmp_path)
    assert list(tmp_path.iterdir()) == []
