"""A run in which one of three members diverges: what the others learn, and who says so."""

import itertools
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxens
from jaxens.cli import parser
from jaxens.cli.console import console
from jaxens.evaluate import main as evaluate
from jaxens.explain import main as explain
from jaxens.export import main as export
from jaxens.pages import report
from jaxens.runs import Run
from jaxens.runs.loading import abstract_state
from jaxens.train import main as train
from jaxens.training.trainer import Trainer

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("without_look")]

BROKEN, STEP = 1, 3  # the first step of the second epoch
NOTE = "diverged in training, and counted with an earlier state: member 1 (at step 3)"


class Diverged(NamedTuple):
    """A finished run of three epochs, and one in which nobody diverged."""

    folder: Path
    healthy: Path
    printed: str
    warned: str


@pytest.fixture(scope="module")
def runs(flags, tmp_path_factory, without_look):
    folder = tmp_path_factory.mktemp("diverged")
    words = [*flags, "--members", "3", "--epochs", "3", "--out"]
    whole, numbers = Trainer.epoch, itertools.count()

    def epoch(trainer, state, feed, part, *rest):
        if part.epoch == 2:
            spoiled = jax.tree.map(lambda leaf: leaf.at[BROKEN].set(jnp.inf), state.params)
            state = state._replace(params=spoiled)
        return whole(trainer, state, feed, part, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxens.runs.saving.overall", lambda scores: float(next(numbers)))
        train([*words, str(folder / "healthy")])
        patch.setattr(Trainer, "epoch", epoch)
        warned = tmp_path_factory.mktemp("warned") / "lines"
        with console.capture() as capture, warned.open("w") as file:
            patch.setattr("sys.stderr", file)
            parser.run(lambda: train([*words, str(folder / "run")]))
    return Diverged(folder / "run", folder / "healthy", capture.get(), warned.read_text())


def state_of(folder):
    run = Run.open(folder)
    epoch, state = run.checkpoints.latest(abstract_state(run.config, run.info))
    run.close()
    return epoch, state


def test_the_others_are_bitwise_those_of_a_run_in_which_nobody_diverged(runs):
    (_, state), (_, healthy) = state_of(runs.folder), state_of(runs.healthy)
    for ours, expected in zip(jax.tree.leaves(state), jax.tree.leaves(healthy), strict=True):
        np.testing.assert_array_equal(np.delete(ours, BROKEN, 0), np.delete(expected, BROKEN, 0))
    assert np.asarray(state.diverged_at).tolist() == [-1, STEP, -1]
    assert np.asarray(healthy.diverged_at).tolist() == [-1] * 3


def test_the_log_has_the_step_and_the_scores_of_the_state_that_is_kept(runs):
    *epochs, last = Run.open(runs.folder).read_log()
    healthy = Run.open(runs.healthy).read_log()
    steps = [[None] * 3, [None, STEP, None], [None, STEP, None]]
    assert [line["diverged_at"] for line in epochs] == steps
    assert last["diverged_at"] == steps[-1]
    assert [line["loss"][BROKEN] is None for line in epochs] == [False, True, True]
    for task, score in healthy[0]["val"].items():
        kept = [line["val"][task]["members"][BROKEN] for line in epochs]
        assert kept == [score["members"][BROKEN]] * 3


def test_training_names_the_member_and_goes_on(runs):
    assert (
        "jaxens: member 1 diverged at step 3 (loss or gradient not finite): the state after epoch "
        "1 is kept, and the other members go on; choose a lower --learning-rate\n"
    ) in runs.warned
    printed = " ".join(runs.printed.split())
    assert f"3 members on 12 held-out images; {NOTE}" in printed
    assert "(1 diverged)" in printed


def test_a_run_that_is_resumed_after_the_divergence_is_bitwise_the_same(runs, tmp_path):
    shutil.copytree(runs.folder, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "3")
    train(["--out", str(tmp_path / "run"), "--resume"])
    (epoch, ours), (_, expected) = state_of(tmp_path / "run"), state_of(runs.folder)
    assert epoch == 3
    jax.tree.map(np.testing.assert_array_equal, ours, expected)


def test_whoever_loads_the_run_is_told(runs, caplog):
    ensemble = jaxens.load(runs.folder)
    assert ensemble.diverged_at == (None, STEP, None)
    assert f"{runs.folder}: {NOTE}" in caplog.text


def test_the_report_says_so(runs):
    page = report(runs.folder)
    assert page.count(NOTE) >= 2  # in the summary, and above the scores
    assert "diverged" not in report(runs.healthy)


def test_the_tables_of_an_evaluation_say_so(runs, tmp_path):
    with console.capture() as capture:
        evaluate([str(runs.folder), "--methods", "saliency", "--tasks", "bill_length",
                  "--out", str(tmp_path / "new")])  # fmt: skip
    assert f"Members that {NOTE}." in capture.get()
    assert f"- Members that {NOTE}." in (tmp_path / "new" / "tables.md").read_text()
    settings = json.loads((tmp_path / "new" / "settings.json").read_text())
    assert settings["checkpoint"] == f"epoch 3, the best; {NOTE}"
    assert (tmp_path / "new" / "report.html").read_text().count(NOTE) >= 3


def test_an_explanation_says_so(runs, tmp_path):
    explain([str(runs.folder), "--images", "1", "--methods", "saliency",
             "--out", str(tmp_path / "new")])  # fmt: skip
    written = [file.read_text() for file in (tmp_path / "new").rglob("*.json")]
    assert written
    assert all(NOTE in text for text in written)


def test_the_card_of_an_export_says_so(runs, tmp_path):
    export([str(runs.folder), "--out", str(tmp_path / "all")])
    card = (tmp_path / "all" / "README.md").read_text()
    assert f"An ensemble of 3 networks (small) ({NOTE}), trained by" in card
    assert f"- members that diverged: {NOTE}" in card
    assert jaxens.load(tmp_path / "all").diverged_at == (None, STEP, None)
    export([str(runs.folder), "--out", str(tmp_path / "one"), "--member", "0"])
    assert jaxens.load(tmp_path / "one").diverged_at == (None,)
    assert f"- members that diverged: {NOTE}" in (tmp_path / "one" / "README.md").read_text()
