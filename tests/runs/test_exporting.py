"""An exported ensemble answers as its run does, says what it is, and is checked when it is read."""

import json
import shutil

import jax
import numpy as np
import pytest
import safetensors.numpy

import jaxens
from jaxens.data.schema import Info, Task
from jaxens.data.settings import Data
from jaxens.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.export import main as export
from jaxens.models import build
from jaxens.ops import conv_general_dilated
from jaxens.runs import Run, exported
from jaxens.runs.origin import Origin
from jaxens.runs.weights import read_weights
from jaxens.training.settings import Augment, Model

pytestmark = pytest.mark.slow

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports") / "all"
    export([str(run.folder), "--out", str(folder)])
    return folder


def assert_same_logits(one, other):
    jax.tree.map(np.testing.assert_array_equal, one.all_logits(IMAGES), other.all_logits(IMAGES))


def test_its_logits_are_bitwise_those_of_the_run(run, folder):
    assert_same_logits(jaxens.load(folder), jaxens.load(run.folder))
    assert jaxens.load(folder).tasks == jaxens.load(run.folder).tasks


def test_one_member_is_exported_as_an_ensemble_of_one(run, tmp_path):
    export([str(run.folder), "--out", str(tmp_path / "one"), "--member", "1"])
    one = jaxens.load(tmp_path / "one")
    assert one.members == 1
    whole = jaxens.load(run.folder).logits(IMAGES, "species")
    np.testing.assert_allclose(one.logits(IMAGES, "species")[0], whole[1], rtol=1e-6, atol=1e-6)
    card = (tmp_path / "one" / "README.md").read_text()
    assert "Member 1 of an ensemble of 2 networks (small)" in card
    scores = Run.open(run.folder).read_log()[-1]["test"]["species"]
    assert f"| species | accuracy | {scores['members'][1]:.3f} | {scores['chance']:.3f} |" in card


def test_the_card_tells_tasks_classes_data_scores_and_provenance(run, folder):
    card = (folder / "README.md").read_text()
    opened = Run.open(run.folder)
    scores = opened.read_log()[-1]["test"]
    for task in opened.info.tasks:
        assert f"| {task.name} | {task.kind} |" in card
        assert task.classes[0] in card
        q = scores[task.name]
        assert f"| {q['mean']:.3f} | {q['ensemble']:.3f} | {q['chance']:.3f} |" in card
    assert opened.record["data"] in card
    assert opened.record["versions"]["jax"] in card
    assert "jaxens.load(" in card
    assert opened.checkpoints.epochs()
    assert "checkpoint: epoch " in card


def test_its_trunk_is_taken_as_initial_weights(run, folder):
    ours, theirs = (read_weights(Model("small", weights=str(f))) for f in (folder, run.folder))
    assert ours.fingerprint == theirs.fingerprint
    with pytest.raises(UserError, match="is a run of small, not of resnet18: add `model` small"):
        read_weights(Model("resnet18", weights=str(folder)))


@pytest.mark.parametrize("shared", [False, True])
def test_baseline_frozen_layers_and_any_names_are_kept(tmp_path, shared):
    task = Task.multiclass("../a/b`", ("x|y", "\x1b[2J", ""))
    model = build("small", [(task.name, 3)], conv_general_dilated=conv_general_dilated)
    keys = jax.random.split(jax.random.key(0), 3)
    variables = jax.jit(jax.vmap(model.init, (0, None)))(keys, np.zeros((1, 16, 16, 3), np.float32))
    trunk = None
    if shared:
        trunk = {
            k: {"trunk": jax.tree.map(lambda x: x[0], v["trunk"])} for k, v in variables.items()
        }
        variables = {"params": {"heads": variables["params"]["heads"]}, "batch_stats": {}}
    members, baseline = (
        jax.tree.map(lambda x, s=s: x[s], variables) for s in (slice(2), slice(2, 3))
    )
    before = Ensemble(model, members, (task,), baseline, trunk)
    (tmp_path / "export").mkdir()
    origin = Origin(Info("birds", (task,)), vars(Data("cub", "theirs")), Augment(), "0", "epoch 1")
    exported.write(tmp_path / "export", before, Model("small"), origin)
    after = jaxens.load(tmp_path / "export")
    assert_same_logits(after, before)
    assert_same_logits(after.baseline_ensemble(), before.baseline_ensemble())
    assert after.tasks == (task,)
    assert (after.trunk is not None) == shared


def test_a_wrong_member_and_a_folder_in_use_are_refused(run, folder, tmp_path):
    with pytest.raises(UserError, match="--member 2: the run has members 0 to 1"):
        export([str(run.folder), "--out", str(tmp_path / "new"), "--member", "2"])
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="exists: name a folder that is empty"):
        export([str(run.folder), "--out", str(folder)])
    with pytest.raises(UserError, match="is not a run directory"):
        export([str(folder), "--out", str(tmp_path / "new")])


def test_a_damaged_export_is_refused_in_one_line(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    settings, tensors = copy / "ensemble.json", copy / "ensemble.safetensors"
    good, numbers = json.loads(settings.read_text()), safetensors.numpy.load_file(tensors)
    name = "members/params/heads/species/bias"

    def refused(changes=None, **fields):
        settings.write_text(json.dumps(good | fields))
        safetensors.numpy.save_file(numbers | (changes or {}), tensors)
        with pytest.raises(UserError) as caught:
            jaxens.load(copy)
        assert str(copy) in str(caught.value)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert f"{name} is float32[3, 18], not float32[2, 18]" in refused(
        {name: np.zeros((3, 18), "f")}
    )
    assert "float64[2, 18], not float32[2, 18]" in refused({name: np.zeros((2, 18))})
    assert "'extra' belongs to no part" in refused({"extra": np.zeros(1, "f")})
    assert "not float32[3, " in refused(members=3, diverged_at=[])
    assert "it has steps of other members" in refused(members=4)
    assert "a member diverged before the first step" in refused(diverged_at=[None, -1])
    assert 'model is "vgg99", not one of small,' in refused(model="vgg99")
    assert "it has no members" in refused(members=0)
    assert "it has no tasks" in refused(info=good["info"] | {"tasks": []})
    assert "dtype is 3, not one of" in refused(dtype=3)
    data = good["data"]
    assert "data.image_size is null, not a whole number" in refused(
        data=data | {"image_size": None}
    )
    assert "`image_size` must be at least 16, not 3" in refused(data=data | {"image_size": 3})
    assert "names a folder of another machine" in refused(data=data | {"data_dir": "/x"})
    assert "no task 'q'" in refused(data=data | {"tasks": ["q"]})
    assert 'augment has an unknown "blur"' in refused(augment=good["augment"] | {"blur": 1})
    settings.write_text(json.dumps(good))
    tensors.write_bytes(tensors.read_bytes()[:5000])
    with pytest.raises(UserError, match="can't be read"):
        jaxens.load(copy)
    tensors.unlink()
    with pytest.raises(UserError, match=r"has no ensemble\.safetensors"):
        jaxens.load(copy)
