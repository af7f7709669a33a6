"""The devices of a training score its members as those who load them do."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.data.opening import open_data
from jaxens.data.source import load
from jaxens.ensemble.quality import quality
from jaxens.models.trunk import without_heads
from jaxens.runs.loading import as_ensemble
from jaxens.runs.validating import validation
from jaxens.training.layout import MeshLayout
from jaxens.training.state import build_model
from jaxens.training.trainer import Trainer
from tests.training.on_devices import CASES, config_of, smooth_model

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("layout", [(1, 1), (2, 1), (1, 2)], ids=str)
@pytest.mark.parametrize("name", ["random weights", "leave one out", "frozen trunk"])
@smooth_model()
def test_members_are_scored_as_an_ensemble_is(name, layout, tmp_path_factory):
    """With two devices, a copy of a member makes four of three, and one image is repeated."""
    config = config_of(str(tmp_path_factory.getbasetemp() / "mesh"), **CASES[name])
    config = replace(config, data=replace(config.data, val_images=7))
    data = open_data(config.data)
    trainer = Trainer(config, data.train, data.info.tasks, MeshLayout(*layout))
    weights = None
    if config.frozen_below:
        model = build_model(config, data.info.tasks)
        weights = without_heads(model.init(jax.random.key(1), jnp.zeros((1, 16, 16, 3))))
    state, val = trainer.init(weights), load(data.val)
    gathered = trainer.placement.gather(state)
    ensemble = as_ensemble(config, trainer.tasks, gathered)
    assert (ensemble.baseline is not None) == (name == "leave one out")
    assert validation(trainer, val)(state) == quality(ensemble, val)
    if trainer.placement.mesh is not None:
        on_host = jax.tree.leaves(gathered)
        assert all(type(leaf) is np.ndarray for leaf in on_host)
        shard = jax.tree.leaves(state.opt_state)[0].addressable_shards[0].data
        assert len(shard) == trainer.placement.filled // trainer.placement.layout.member
