"""A run on frozen stages: from another run's weights to an ensemble that answers and explains."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest

import jaxens
from jaxens.errors import UserError
from jaxens.evaluate import main as evaluate
from jaxens.explain import main as explain
from jaxens.models import normalized
from jaxens.runs.loading import abstract_state
from jaxens.runs.run import Run
from jaxens.train import main as train

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("without_look")]

UNCHANGED = ["--no-flip", "--zoom", "0", "--color", "0"]


class Frozen(NamedTuple):
    folder: Path
    flags: list[str]
    first: dict  # the variables of the member whose trunk it is


@pytest.fixture(scope="module")
def frozen(run, tmp_path_factory) -> Frozen:
    """Trained from a run that is no longer there."""
    folder = tmp_path_factory.mktemp("frozen")
    shutil.copytree(run.folder, folder / "first")
    flags = [*run.flags, "--base", "frozen", "--weights", str(folder / "first"), *UNCHANGED]
    train([*flags, "--out", str(folder / "heads")])
    first = jaxens.load(folder / "first").member(0)
    shutil.move(folder / "first", folder / "away")
    return Frozen(folder / "heads", flags, first)


def last_state(folder):
    run = Run.open(folder)
    epoch, state = run.checkpoints.latest(abstract_state(run.config, run.info))
    run.close()
    return epoch, state


def test_its_checkpoint_holds_the_trunk_once_as_it_came(frozen):
    _, state = last_state(frozen.folder)
    assert set(state.params) == {"heads"}
    assert state.members == 2
    for name in ("params", "batch_stats"):
        jax.tree.map(
            np.testing.assert_array_equal, state.trunk[name]["trunk"], frozen.first[name]["trunk"]
        )


def test_its_provenance_tells_the_weights(frozen):
    weights = json.loads((frozen.folder / "provenance.json").read_text())["weights"]
    assert weights["from"] == str(frozen.folder.parent / "first")
    assert len(weights["fingerprint"]) == 16


def test_it_learns_and_its_members_differ(frozen):
    log = Run.open(frozen.folder).read_log()
    assert np.mean(log[1]["loss"]) < np.mean(log[0]["loss"])
    assert log[1]["member_images_per_second"] > 0
    assert log[0]["loss"][0] != log[0]["loss"][1]


def test_it_loads_answers_and_is_evaluated(frozen):
    ensemble = jaxens.load(frozen.folder)
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    logits = ensemble.logits(images, "species")
    for k in range(2):
        expected = ensemble.model.apply(ensemble.member(k), normalized(images / 255))["species"]
        np.testing.assert_allclose(logits[k], expected, rtol=1e-5, atol=1e-5)
    evaluate(
        [
            str(frozen.folder),
            *("--tasks", "wing_pattern", "--methods", "saliency"),
            *("--metrics", "iou", "--member-images-at-once", "8"),
        ]
    )
    assert (frozen.folder / "evaluation" / "tables.csv").is_file()


def test_it_goes_on_bitwise_without_the_weights(frozen, tmp_path):
    folder = tmp_path / "interrupted"
    shutil.copytree(frozen.folder, folder)
    shutil.rmtree(folder / "checkpoints" / "2")
    train(["--out", str(folder), "--resume"])
    jax.tree.map(np.testing.assert_array_equal, last_state(folder)[1], last_state(frozen.folder)[1])


@pytest.mark.long
def test_a_run_from_a_stage_on_goes_on_bitwise_and_is_evaluated_and_explained(run, tmp_path):
    flags = [*run.flags, "--weights", str(run.folder), "--train-from", "stage2"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train([*flags, "--out", str(whole)])
    shutil.copytree(whole, cut)
    shutil.rmtree(cut / "checkpoints" / "2")
    train(["--out", str(cut), "--resume"])
    (_, state), (_, resumed) = last_state(whole), last_state(cut)
    jax.tree.map(np.testing.assert_array_equal, resumed, state)
    first = jaxens.load(run.folder).member(0)
    for name in ("params", "batch_stats"):
        frozen, before = state.trunk[name]["trunk"], first[name]["trunk"]
        assert {"bn0", "bn1"} <= set(frozen) <= {"down0", "bn0", "down1", "bn1"}
        jax.tree.map(np.testing.assert_array_equal, frozen, {key: before[key] for key in frozen})
    assert "down2" in state.params["trunk"]
    few = ["--methods", "saliency", "--member-images-at-once", "2"]
    evaluate([str(whole), *few, "--metrics", "iou", "--limit", "4"])
    explain([str(whole), *few, "--images", "2"])
    assert (whole / "evaluation-sample-4" / "tables.csv").is_file()
    assert list(whole.glob("explained-*/saliency/members.png"))


def test_a_run_cut_off_before_its_first_checkpoint_needs_the_same_weights(frozen, tmp_path):
    folder, weights = tmp_path / "interrupted", frozen.folder.parent / "first"
    shutil.copytree(frozen.folder, folder)
    shutil.rmtree(folder / "checkpoints")
    with pytest.raises(UserError, match="there is no such file or run directory"):
        train(["--out", str(folder), "--resume"])
    shutil.copytree(frozen.folder.parent / "away", weights)
    (provenance := folder / "provenance.json").write_text(
        provenance.read_text().replace('"fingerprint": "', '"fingerprint": "other')
    )
    with pytest.raises(UserError, match="holds other weights than"):
        train(["--out", str(folder), "--resume"])
    shutil.rmtree(weights)


@pytest.mark.long
@pytest.mark.parametrize("changes", [[], ["--diversity", "leave-one-out"]])
def test_features_made_once_and_at_every_step_give_the_same_losses(frozen, run, tmp_path, changes):
    def losses(name, *flags):
        flags = [*frozen.flags, "--weights", str(run.folder), *changes, *flags]
        train([*flags, "--out", str(tmp_path / name)])
        return np.array([line["loss"] for line in Run.open(tmp_path / name).read_log()[:2]])

    np.testing.assert_allclose(losses("once"), losses("steps", "--resident", "no"), rtol=1e-4)


@pytest.mark.long
def test_own_trunks_start_from_the_weights_too(run, tmp_path):
    """One step at a rate of next to nothing: what was trained before is still there."""
    slow = ["--weights", str(run.folder), "--epochs", "1", "--learning-rate", "1e-30"]
    train([*run.flags, *slow, "--out", str(tmp_path / "started")])
    started, first = jaxens.load(tmp_path / "started"), jaxens.load(run.folder).member(0)
    for k in range(2):
        params = started.member(k)["params"]
        jax.tree.map(
            lambda ours, theirs: np.testing.assert_allclose(ours, theirs, atol=1e-6),
            params["trunk"],
            first["params"]["trunk"],
        )
        assert not np.allclose(
            params["heads"]["species"]["kernel"], first["params"]["heads"]["species"]["kernel"]
        )


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--base", "frozen"], "--base frozen needs a trunk: add --weights"),
        (["--train-from", "stage2"], "--train-from stage2 keeps the stages below it as they come"),
        (["--weights", "RUN", "--train-from", "stag2"], "small has no such stage: did you mean"),
        (["--weights", "RUN", "--train-from", "stage0"], "stage0 trains everything: omit it"),
        (["--weights", "RUN", "--train-from", "heads"], "heads alone: write --base frozen"),
        (
            ["--weights", "RUN", "--train-from", "stage2", "--base", "frozen"],
            "--base frozen trains the heads alone, not from stage2 on",
        ),
        (["--weights", "/nowhere/resnet18.npz"], "no such file or run directory"),
        (["--model", "resnet18", "--weights", "RUN"], "is a run of small, not of resnet18"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_written(run, tmp_path, words, named):
    words = [word.replace("RUN", str(run.folder)) for word in words]
    with pytest.raises(UserError, match=named):
        train([*run.flags, *words, "--out", str(tmp_path / "never")])
    assert not (tmp_path / "never").exists()
