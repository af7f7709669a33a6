"""A plan says what a training needs: its work by arithmetic, its messages, its memory."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import jax
import pytest

from jaxens.data.settings import Data
from jaxens.errors import UserError
from jaxens.ops import members
from jaxens.training import planning, topology
from jaxens.training.collectives import Collective, collectives
from jaxens.training.layout import MeshLayout
from jaxens.training.mesh import Placement
from jaxens.training.needs import Rates
from jaxens.training.planning import plan_training
from jaxens.training.scratch import scratch_bytes
from jaxens.training.settings import Augment, Config, Members, Model, Optim
from jaxens.training.topology import devices_on

pytestmark = pytest.mark.slow

CLASSES, SIZE, BATCH, MEMBERS = 5, 16, 8, 3
CHANNELS = (4, 8, 8)  # of the model `small` in tests
# Strided convolutions of 4x4, 3x3 and 3x3, which halve the image, and one dense layer.
FIRST = 2 * 8 * 8 * 4 * (4 * 4 * 3)
LATER = 2 * (4 * 4 * 8 * (3 * 3 * 4) + 2 * 2 * 8 * (3 * 3 * 8))
HEAD = 2 * 8 * CLASSES
PARAMETERS = 4 * 4 * 3 * 4 + 3 * 3 * 4 * 8 + 3 * 3 * 8 * 8 + 2 * sum(CHANNELS) + 9 * CLASSES


def config(**changes):
    data = Data(train_images=24, val_images=6, test_images=6, image_size=SIZE)
    ensemble = Members(MEMBERS, changes.pop("diversity", "random-weights"))
    data = replace(data, resident=changes.pop("resident", "auto"))
    model = replace(Model("small"), **changes)
    return Config(data, model, ensemble, Optim(epochs=2, batch_size=BATCH), Augment())


@pytest.fixture(scope="module")
def alone():
    return plan_training(config(), "cpu", classes=CLASSES, flops=1e6)


@pytest.fixture(scope="module")
def sharing():
    """Two devices that share the images of a batch."""
    return plan_training(config(), "cpu:2", classes=CLASSES, layout=MeshLayout(1, 2))


def test_flop_equal_arithmetic(alone):
    forward = FIRST + LATER + HEAD
    assert alone.flops == MEMBERS * BATCH * (3 * forward - FIRST)
    assert alone.flops_of_device == alone.flops


def test_steps_and_hours_are_those_of_the_work(alone):
    assert alone.steps == 2 * (24 // BATCH)
    assert alone.hours == pytest.approx(alone.flops / 1e6 * alone.steps / 3600)


def test_one_device_sends_nothing_and_has_state_and_images(alone):
    assert alone.collectives == ()
    # Parameters, two moments of each, and statistics; a step count of the optimizer's two parts,
    # and the step at which the member diverged.
    values = MEMBERS * (3 * PARAMETERS + 2 * sum(CHANNELS) + 2 + 1)
    assert alone.memory.state == 4 * values
    pool = 24 * (SIZE * SIZE * 3 + 4)
    assert 0 <= alone.memory.arguments - alone.memory.state - pool <= 4 * (BATCH + 1)


def test_devices_that_share_a_batch_send_gradients_and_statistics(sharing):
    """On a CPU, members are a loop: what is sent in it is counted for one member."""
    gradients = 4 * MEMBERS * PARAMETERS
    statistics = 4 * 2 * sum(CHANNELS)  # of one member
    in_the_loop = 2 * statistics + 4  # forward, backward, and the number of labels
    after = gradients + MEMBERS * (statistics + 4)  # with a loss per member
    (found,) = sharing.collectives
    assert (found.kind, found.devices, found.nbytes) == ("all-reduce", 2, in_the_loop + after)
    assert (sharing.gradients, sharing.statistics) == (gradients, 3 * MEMBERS * statistics)
    assert sharing.flops_of_device * 2 == sharing.flops


def test_devices_with_different_members_send_nothing():
    needs = plan_training(config(), "cpu:2", classes=CLASSES, layout=MeshLayout(2, 1))
    assert needs.collectives == ()
    assert needs.gradients == 0
    assert needs.flops_of_device == needs.flops * 2 / 3  # a copy fills up three members


def test_a_stream_keeps_batches_in_place_of_all_images():
    needs = plan_training(
        config(resident="no", diversity="bagging"), "cpu", images=1000, classes=CLASSES
    )
    batch = (MEMBERS + 1) * BATCH * (SIZE * SIZE * 3 + 4)
    assert needs.kept == "batches"
    assert needs.memory.waiting == 2 * batch
    assert 0 <= needs.memory.arguments - needs.memory.state - batch <= 4


def test_a_table_has_a_row_for_each_need(sharing):
    rows = {need.strip(): amount for need, amount, _ in sharing.table.rows}
    assert rows["steps"] == "6"
    assert rows["hours, at least"] == "not known"
    assert {"memory of a device", "FLOP of a step", "all-reduce of a step"} <= set(rows)


def test_collectives_are_read_from_the_text_of_a_program():
    text = """
  %a = (f32[3,2]{1,0}, bf16[4]{0:T(8)}) all-reduce-start(%x, %y), replica_groups=[4,2]<=[8], to
  %b = (f32[3,2]{1,0}, bf16[4]{0:T(8)}) all-reduce-done(%a)
  %c = (f32[8]{0}, f32[16]{0}) all-gather-start(%z), replica_groups={{0,1},{2,3}}, dimensions={0}
  ROOT %d = pred[]{:T(256)} all-reduce(%z), replica_groups={{0,1},{2,3}}, to_apply=%or
  %e = f32[9]{0} all-reduce(%z), replica_groups={{0},{1}}, to_apply=%add
  %f = f32[5]{0} all-reduce(%z), replica_groups=mesh['a'=2,'b'=4] {'a','b':(2)2}, to_apply=%add
  %g = f32[5]{0} all-reduce(%z), replica_groups=mesh['a'=1,'b'=8] {'a'}, to_apply=%add
  %all-reduce.7 = f32[] get-tuple-element(%a), index=0
"""
    assert collectives(text) == (
        Collective("all-gather", 2, 1, 1, 64),
        Collective("all-reduce", 2, 2, 3, 33),
        Collective("all-reduce", 4, 1, 1, 20),
    )


def test_rates_are_those_given_or_those_of_the_data_sheet():
    known = planning.KNOWN["TPU v5 lite"]
    assert Rates.choose(None, None, 1e9) is None
    assert Rates.choose(None, 1e9, None) == Rates(1e9, None, "as given")
    assert Rates.choose(known, None, None) == Rates(197e12, 819e9, known.source)
    assert Rates.choose(known, 1e9, 2e9) == Rates(1e9, 2e9, "as given")


def test_too_little_memory_is_said_in_words(monkeypatch):
    monkeypatch.setattr(planning, "host_memory", lambda: 2**16)
    needs = plan_training(config(), "cpu", classes=CLASSES)
    assert needs.shortage
    assert "and has 0.0 GiB: lower `batch_size` or `members`" in needs.shortage


@pytest.mark.parametrize(
    ("said", "needed"),
    [
        ("Used 21.35G of 15.75G hbm. Exceeded hbm capacity by 5.60G.", "21.4"),
        ("required for HLO temporaries (22.35G) exceeds available HBM (15.75G).", "22.4"),
    ],
)
def test_what_the_compiler_refuses_is_one_line(said, needed):
    class Refused:
        def compile(self):
            raise jax.errors.JaxRuntimeError(f"RESOURCE_EXHAUSTED: {said}")

    class Lowered:
        program = Refused()

    message = f"needs at least {needed} GiB and has 15.8 GiB: lower `batch_size`"
    with pytest.raises(UserError, match=message):
        planning._compile(Lowered())


@pytest.mark.parametrize(
    ("on", "message"),
    [
        ("tpu", "is not a device: write cpu, cpu:8, or the topology"),
        ("cpu:0", "is not a device"),
        ("cpu:5000", "more than 1024 devices"),
        ("cpu:9", "JAX has started with 2 CPU devices"),
        ("v5e:4x4", "pip install libtpu"),
    ],
)
def test_devices_that_are_not_there_are_one_line(on, message, monkeypatch):
    monkeypatch.setattr(topology, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=message):
        plan_training(config(), on)


@pytest.mark.slow
@pytest.mark.tpu
def test_the_compiler_for_tpus_works_without_a_tpu():
    needs = plan_training(config(), "v5e:2x2", classes=CLASSES, layout=MeshLayout(2, 2))
    assert needs.device == "TPU v5 lite"
    assert needs.counted
    # Next to the state, such a program has little to move, and most of it stays on the chip.
    assert 0 < needs.nbytes < 10 * needs.memory.state
    assert {each.devices for each in needs.collectives} == {2}
    assert sum(each.nbytes for each in needs.collectives) >= needs.gradients
    with pytest.raises(UserError, match="is refused by libtpu"):
        plan_training(config(), "v5e:3x5")


@pytest.mark.tpu
@pytest.mark.parametrize(
    ("on", "members", "batch", "layout"),
    [("v5e:2x2", 3, 30, (3, 1)), ("v6e:8x8", 11, 32, (4, 16)), ("v5p:2x2x1", 3, 30, (3, 1))],
)
def test_layouts_that_are_no_rectangle_of_chips_have_a_mesh(on, members, batch, layout):
    placement = Placement.on_devices(members, batch, MeshLayout(*layout), devices_on(on))
    assert placement.mesh is not None
    assert placement.mesh.devices.shape == layout


@pytest.mark.tpu
def test_a_tpu_computes_members_with_many_pixels_in_turn(monkeypatch):
    """Then the compiler counts the work of one member only, and one is in memory at a time."""
    at_once = plan_training(config(), "v5e:1x1", classes=CLASSES)
    monkeypatch.setattr(members, "LARGE", BATCH * SIZE**2)
    in_turn = plan_training(config(), "v5e:1x1", classes=CLASSES)
    assert at_once.counted
    assert in_turn.counted is None
    assert in_turn.memory.code < at_once.memory.code
    assert 0 < in_turn.nbytes < 10 * in_turn.memory.state
    assert in_turn.flops_of_device == at_once.flops_of_device


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("model", ["small", "small-vgg"])
def test_memory_is_what_the_process_takes(model, tmp_path):
    """The second process finds the program of the first."""
    case = {"model": model, "members": 2, "size": 160, "batch": 128, "cache": str(tmp_path)}
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "xla"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    environment.pop("XLA_FLAGS", None)  # as users run it
    planned, taken = (
        int(
            subprocess.check_output(
                [
                    sys.executable,
                    "-m",
                    "tests.training.peak_memory",
                    json.dumps(case | {"plan": plan}),
                ],
                env=environment,
                text=True,
            )
        )
        for plan in (True, False)
    )
    assert planned == pytest.approx(taken, rel=0.15)


def test_copies_of_windows_are_those_of_the_largest_convolution_that_is_not_fused():
    text = """
  %kernel = f32[4,4,3,16]{3,2,1,0} parameter(0)
  %wide = f32[3,3,32,8]{3,2,1,0} parameter(1)
  %a = f32[2,5,5,16]{3,2,1,0} convolution(%x, %kernel), window={}, dim_labels=b01f_01io->b01f
  %b = f32[2,5,5,8]{3,2,1,0} convolution(%x, %wide), window={size=3x3}, dim_labels=b01f_01io->b01f
  ROOT %c = f32[64,99,99,8]{3,2,1,0} convolution(%param_0, %param_1), dim_labels=b01f_01io->b01f
"""
    assert scratch_bytes(text) == 4 * 2 * 5 * 5 * (3 * 3 * 32) // 8
    assert scratch_bytes("") == 0
