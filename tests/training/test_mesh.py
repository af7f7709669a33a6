"""The layout of members and images on devices changes no number but for rounding."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import linen as nn
from jax.sharding import PartitionSpec as P

from jaxens.data.schema import MISSING, Task
from jaxens.errors import UserError
from jaxens.models.classifier import Dropout
from jaxens.training.layout import MeshLayout, check_layout, choose_layout, parse_layout
from jaxens.training.loss import task_loss
from jaxens.training.mesh import Placement
from jaxens.training.state import State
from tests.training.on_devices import CASES, check_alike, check_goes_on, config_of, learned

ALONE = MeshLayout(1, 1)
# On 2, 3, 4, 6 and 8 devices. Three members, or four with a baseline, fill up some of them.
LAYOUTS = [(1, 2), (3, 1), (2, 2), (3, 2), (2, 4)]
LAYOUTS_OF = dict.fromkeys(CASES, LAYOUTS) | {
    "seven members": [(5, 1), (7, 1)],
    "leave one out, streamed": [(3, 2)],
    "bagging": [(3, 2)],
    "frozen trunk, streamed": [(2, 2)],
    "partly frozen": [(2, 2)],
    "adamw": [(3, 2)],
}


@pytest.mark.slow
@pytest.mark.parametrize("layout", [MeshLayout(2, 1), MeshLayout(1, 2)], ids=str)
def test_two_devices_learn_what_one_does(layout, tmp_path_factory):
    """Three members on two devices are filled up by a fourth."""
    config = config_of(str(tmp_path_factory.getbasetemp() / "mesh"))
    check_alike(learned(config, layout), learned(config, ALONE))


@pytest.mark.slow
def test_the_same_layout_learns_bitwise_the_same(tmp_path_factory):
    config = config_of(str(tmp_path_factory.getbasetemp() / "mesh"))
    for first, second in zip(*(learned(config, MeshLayout(1, 2)) for _ in range(2)), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.long
def test_two_to_eight_devices_learn_what_one_does_in_each_case(tmp_path):
    case = {"cache": str(tmp_path), "of": LAYOUTS_OF}
    assert "8 devices, all alike" in on_eight_devices(case)


def on_eight_devices(case):
    """Runs `on_devices` with a case, and returns what it has printed."""
    command = [sys.executable, "-m", "tests.training.on_devices", json.dumps(case)]
    environment = os.environ | {
        "JAX_NUM_CPU_DEVICES": "8",
        "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
    }
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("devices", "members", "batch", "expected"),
    [
        (1, 11, 16, (1, 1)),
        (8, 8, 16, (8, 1)),
        (8, 11, 32, (4, 2)),  # 1.5 batches for each device; (1, 8) has 1.375 and more talk
        (2, 11, 16, (2, 1)),
        (4, 1, 16, (1, 4)),
        (4, 1, 18, (1, 3)),  # devices share a batch evenly
        (8, 3, 7, (1, 7)),
    ],
)
def test_a_device_computes_few_images_and_members_are_spread_first(
    devices, members, batch, expected
):
    layout = choose_layout(devices, members, batch)
    assert layout == expected
    check_layout(layout, devices, members, batch)


def test_several_processes_leave_no_device_idle():
    assert choose_layout(256, 11, 32) == (11, 16)  # 80 devices are idle
    assert choose_layout(256, 11, 32, use_all=True) == (8, 32)


@pytest.mark.parametrize(
    ("devices", "members", "batch", "larger"), [(256, 11, 16, 32), (7, 3, 4, 7), (16, 3, 12, 16)]
)
def test_without_a_whole_layout_several_processes_are_told_a_batch_that_has_one(
    devices, members, batch, larger
):
    with pytest.raises(UserError, match=f"`batch_size` {batch}: .*: choose {larger}$"):
        choose_layout(devices, members, batch, use_all=True)
    assert math.prod(choose_layout(devices, members, larger, use_all=True)) == devices


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2x4", "write member=2,data=4"),
        ("member=0,data=1", "is not a layout"),
        ("member=2,data=4", "needs 8 devices, and there are 2"),
        ("member=1,data=2", "can't share `batch_size` 7 evenly"),
        ("member=2,data=1", "more places than the 1 members"),
    ],
)
def test_a_layout_that_does_not_fit_is_one_line(text, message):
    with pytest.raises(UserError, match=message):
        Placement.on_devices(1, 7, parse_layout(text))


def test_members_that_fill_up_devices_are_not_seen():
    placement = Placement.on_devices(3, 8, parse_layout("member=2, data=1"))
    assert placement.filled == 4
    state = jax.tree.map(np.asarray, _state())
    spread = placement.spread(state)
    assert spread.params["w"].shape == (4, 2)
    assert len(spread.params["w"].sharding.device_set) == 2
    jax.tree.map(np.testing.assert_array_equal, placement.gather(spread), state)


@pytest.mark.long
@pytest.mark.slow
def test_batch_normalization_of_each_device_sees_its_own_images(tmp_path):
    config = config_of(str(tmp_path))
    config = replace(config, model=replace(config.model, batch_norm="per-device"))
    apart, together = learned(config, MeshLayout(1, 2)), learned(config, ALONE)
    assert max(np.abs(a - b).max() for a, b in zip(apart, together, strict=True)) > 1e-3


def on_two_devices(function, *specs):
    auto = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((2,), ("data",), axis_types=auto, devices=jax.devices()[:2])
    return jax.jit(jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=P("data")))


def test_devices_drop_what_one_would_and_so_does_flax():
    x = jax.random.normal(jax.random.key(0), (6, 5))
    key = jax.random.key(1)

    def dropped(module, x, **options):
        return module.apply({}, x, **options, rngs={"dropout": key})

    expected = dropped(nn.Dropout(0.5), x, deterministic=False)
    np.testing.assert_array_equal(dropped(Dropout(), x, train=True), expected)
    spread = on_two_devices(lambda x: dropped(Dropout("data"), x, train=True), P("data"))
    np.testing.assert_array_equal(spread(x), expected)
    np.testing.assert_array_equal(Dropout().apply({}, x, train=False), x)


def test_the_losses_of_devices_add_up_to_that_of_the_batch_with_missing_labels():
    task = Task.multiclass("k", ("a", "b", "c"))
    logits = jax.random.normal(jax.random.key(0), (6, 3))
    labels = np.array([0, MISSING, MISSING, MISSING, 2, 1], np.int32)
    expected = task_loss(task, logits, labels)

    def part(logits, labels):
        return task_loss(task, logits, labels, lambda count: jax.lax.psum(count, "data"))[None]

    parts = on_two_devices(part, P("data"), P("data"))(logits, labels)
    np.testing.assert_allclose(parts.sum(), expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.long
def test_a_run_goes_on_in_another_layout(tmp_path):
    check_goes_on(tmp_path, MeshLayout(2, 1), [MeshLayout(1, 2)])


@pytest.mark.slow
@pytest.mark.long
def test_what_eight_devices_save_one_and_four_go_on_with(tmp_path):
    case = {"run": str(tmp_path), "layouts": [(2, 4), (1, 1), (2, 2)]}
    assert "8 devices, and others go on" in on_eight_devices(case)


def test_one_device_on_a_cpu_unless_a_layout_is_given():
    assert len(jax.devices()) == 2
    assert Placement.on_devices(3, 8).layout == ALONE


def _state():
    weights = np.arange(6.0, dtype=np.float32).reshape(3, 2)
    rows = np.arange(3, dtype=np.int32)
    return State({"w": weights}, {}, (rows,), rows, {"frozen": weights[0]})
