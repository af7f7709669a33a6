"""Training from Python returns the ensemble with its scores, and writes only where it may."""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest

import jaxens
from jaxens.data.schema import Info, Task
from jaxens.data.settings import Data
from jaxens.ensemble.quality import quality
from jaxens.errors import UserError
from jaxens.runs import Watch, train
from jaxens.runs.loading import check_config_fits
from jaxens.runs.log import read_lines
from jaxens.runs.validating import validation
from jaxens.training.settings import Config, Members, Model, Optim

pytestmark = pytest.mark.slow

MEMBERS, EPOCHS, STEPS_PER_EPOCH, HELD_OUT = 2, 2, 2, 6


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return Config(
        data=Data(
            train_images=16,
            val_images=6,
            test_images=HELD_OUT,
            image_size=16,
            cache_dir=str(tmp_path_factory.mktemp("cache")),
        ),
        ensemble=Members(MEMBERS),
        optim=Optim(epochs=EPOCHS, batch_size=8),
    )


class Recorder(Watch):
    def __init__(self):
        self.calls = []

    def begin(self, steps, done, epochs, layout):
        self.calls.append(("begin", steps, done, epochs))

    def step(self, epoch, losses, speed):
        self.calls.append(("step", epoch, losses.shape))

    def epoch(self, epoch, losses, speed, validation):
        self.calls.append(("epoch", epoch, tuple(score.task for score in validation)))

    def end(self):
        self.calls.append(("end",))


@pytest.fixture(scope="module")
def watch():
    return Recorder()


@pytest.fixture(scope="module")
def trained(config, watch, tmp_path_factory):
    """A training without a run directory, from an empty folder."""
    folder = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        trained = train(config, watch=watch)
    assert list(folder.iterdir()) == []
    return trained


def test_without_a_folder_the_result_is_in_memory(trained):
    assert trained.folder is None
    assert trained.ensemble.members == MEMBERS
    assert len(trained.held_out) == HELD_OUT
    assert trained.ensemble.logits(trained.held_out.images[:3], "species").shape[:2] == (MEMBERS, 3)


def test_scores_are_those_of_the_ensemble_on_the_held_out_images(trained):
    assert [score.task for score in trained.scores] == [t.name for t in trained.ensemble.tasks]
    for score, expected in zip(
        trained.scores, quality(trained.ensemble, trained.held_out), strict=True
    ):
        np.testing.assert_equal(score.as_dict(), expected.as_dict())


def test_the_table_has_the_scores_of_members_ensemble_and_chance(trained):
    assert len(trained.table) == len(trained.scores)
    for row, score in zip(trained.table.to_dicts(), trained.scores, strict=True):
        assert row["task"] == score.task
        assert row["worst"] <= row["average member"] <= row["best"]
        assert row["average member"] == pytest.approx(sum(score.members) / MEMBERS)
        assert (row["ensemble"], row["chance"]) == (score.ensemble, score.chance)


def test_the_history_has_a_row_per_epoch_and_a_last_one_of_the_held_out_images(trained):
    *epochs, last = trained.history
    assert [row["epoch"] for row in epochs] == list(range(1, EPOCHS + 1))
    assert [row["step"] for row in epochs] == [STEPS_PER_EPOCH, EPOCHS * STEPS_PER_EPOCH]
    for row in epochs:
        assert len(row["loss"]) == MEMBERS
        assert np.isfinite(row["loss"]).all()
        assert set(row["val"]) == {task.name for task in trained.ensemble.tasks}
    expected = {"test": {s.task: s.as_dict() for s in trained.scores}}
    np.testing.assert_equal(last, expected | {"diverged_at": (None,) * MEMBERS})


def test_the_watch_sees_every_step_and_epoch_in_order(trained, watch):
    tasks = tuple(task.name for task in trained.ensemble.tasks)
    expected = [("begin", EPOCHS * STEPS_PER_EPOCH, 0, EPOCHS)]
    for epoch in range(1, EPOCHS + 1):
        expected += [("step", epoch, (MEMBERS,))] * STEPS_PER_EPOCH
        expected += [("epoch", epoch, tasks)]
    assert watch.calls == [*expected, ("end",)]


def test_with_a_folder_the_same_ensemble_and_history_are_written(config, trained, tmp_path):
    images = trained.held_out.images
    saved = train(config, tmp_path / "run")
    assert saved.folder == tmp_path / "run"
    loaded = jaxens.load(saved.folder)
    for ensemble in (saved.ensemble, loaded):
        for name, logits in trained.ensemble.all_logits(images).items():
            np.testing.assert_array_equal(ensemble.all_logits(images)[name], logits)
    lines = read_lines(saved.folder / "metrics.jsonl")
    assert len(lines) == EPOCHS + 1
    for kept, row in zip(lines, trained.history, strict=True):
        for timed in (kept, row := dict(row)):
            timed.pop("member_images_per_second", None)
        np.testing.assert_equal(kept, json.loads(json.dumps(row)))


def test_an_unknown_task_raises_before_anything_is_written(config, tmp_path):
    with pytest.raises(UserError, match="wingspan"):
        train(replace(config, data=replace(config.data, tasks=("wingspan",))), tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Stop(Watch):
    """Presses Ctrl-C at the first step of an epoch."""

    def __init__(self, when):
        self.when = when

    def step(self, epoch, losses, speed):
        if epoch == self.when:
            raise KeyboardInterrupt


def test_a_stop_before_the_first_epoch_ends_says_so_and_blocks_no_retry(config, tmp_path):
    with pytest.raises(KeyboardInterrupt) as caught:
        train(config, tmp_path / "run", watch=Stop(1))
    assert caught.value.__notes__ == ["nothing was saved, because no checkpoint was finished"]
    assert list(tmp_path.iterdir()) == []


def test_a_stop_after_an_epoch_says_what_is_kept_and_the_rest_is_trained_later(
    config, trained, tmp_path
):
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt) as caught:
        train(config, folder, watch=Stop(2))
    assert caught.value.__notes__ == [f"{folder} is kept up to epoch 1: `resume` continues it"]
    resumed = train(config, folder, resume=True)
    assert [row["loss"] for row in resumed.history[:-1]] == [
        row["loss"] for row in trained.history[:-1]
    ]


class Signal(Watch):
    """Presses Ctrl-C when the losses of a step are reported."""

    def __init__(self, step):
        self.left = step

    def step(self, epoch, losses, speed):
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def _ctrl_c():
    """A process that a shell starts in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def same_as(trained, resumed):
    images = trained.held_out.images
    for name, logits in trained.ensemble.all_logits(images).items():
        np.testing.assert_array_equal(resumed.ensemble.all_logits(images)[name], logits)
    for kept, row in zip(resumed.history, trained.history, strict=True):
        ours, expected = dict(kept), json.loads(json.dumps(row))
        for line in (ours, expected):
            line.pop("member_images_per_second", None)
        np.testing.assert_equal(ours, expected)


@pytest.mark.usefixtures("_ctrl_c")
@pytest.mark.parametrize("resident", [pytest.param("yes", marks=pytest.mark.long), "no"])
def test_a_signal_in_an_epoch_saves_the_state_after_the_step_and_the_rest_is_the_same(
    config, tmp_path, caplog, resident
):
    """The losses of a step are read while the next one runs, which is the last then."""
    config = replace(
        config,
        data=replace(config.data, resident=resident, train_images=24),
        optim=replace(config.optim, batch_size=4),
    )
    whole, folder = train(config), tmp_path / "run"
    for resume, step in ((False, 2), (True, 1), (True, 4)):
        with pytest.raises(KeyboardInterrupt) as caught:
            train(config, folder, resume=resume, watch=Signal(step))
        done = {2: 3, 1: 5, 4: 10}[step]
        kept = f"{folder} is kept up to step {done}: `resume` continues it"
        assert caught.value.__notes__ == [kept]
    same_as(whole, train(config, folder, resume=True))
    assert "continuing after step 10 of 12" in caplog.text
    assert not (folder / "interrupted").exists()


@pytest.mark.usefixtures("_ctrl_c")
def test_a_signal_while_an_epoch_is_validated_loses_no_step(config, trained, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    name = "jaxens.runs.fit.validation"
    monkeypatch.setattr(name, lambda *_: lambda state: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt) as caught:
        train(config, folder)
    monkeypatch.setattr(name, validation)
    kept = f"{folder} is kept up to step {STEPS_PER_EPOCH}: `resume` continues it"
    assert caught.value.__notes__ == [kept]
    same_as(trained, train(config, folder, resume=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ensemble": Members(10_000), "model": Model("resnet18")}, "of memory: choose fewer"),
        ({"data": Data(workers=1000)}, r"`workers` 1000 take about 163.0 GiB, and there are 8.0 G"),
        ({"optim": Optim(epochs=10**6, batch_size=1)}, "are more than 1,000,000 steps"),
    ],
)
def test_what_no_machine_can_train_is_refused_before_a_folder_is_made(
    config, tmp_path, monkeypatch, changes, message
):
    monkeypatch.setattr("jaxens.training.trainer.MOST_STEPS", 10**6)
    monkeypatch.setattr("jaxens.training.residency.host_memory", lambda: 2**33)
    with pytest.raises(UserError, match=message):
        train(replace(config, **changes), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_one_class_is_nothing_to_learn(config):
    info = Info("mine", (Task.multiclass("species", ("lark",)),))
    with pytest.raises(UserError, match=r"mine has one species alone \(lark\): .*other `tasks`"):
        check_config_fits(config, info)
