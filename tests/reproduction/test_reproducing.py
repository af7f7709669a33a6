"""Experiments are run, resumed, and reported when they fail."""

import json
import shutil

import pytest

from jaxens.errors import UserError
from jaxens.reproduction import Watch, reproduce, write_page
from jaxens.reproduction.session import Session
from jaxens.runs.run import Run
from tests.reproduction import tiny

pytestmark = pytest.mark.long


class Notes(Watch):
    """Collects what is said; stops a training in its second epoch, if it should."""

    def __init__(self, stop=False):
        self.said, self.stop = [], stop

    def experiment(self, name, number, total, seconds):
        self.said.append(f"{name} {number}/{total}")

    def note(self, text):
        self.said.append(text)

    def epoch(self, epoch, losses, speed, validation):
        if self.stop and epoch == 2:
            raise KeyboardInterrupt

    def begin(self, steps, done, epochs, layout):
        self.said.append(f"after step {done}")


@pytest.fixture(scope="module")
def experiments(tmp_path_factory):
    """Two tables and a figure of one ensemble, and its predictions."""
    names = ("table-5", "table-6", "figure-5", "auc")
    return tiny.write(tmp_path_factory.mktemp("experiments"), names)


@pytest.fixture(scope="module")
def settings(experiments, tmp_path_factory):
    cache = str(tmp_path_factory.mktemp("cache"))
    out = tmp_path_factory.mktemp("out") / "reproduction"
    return {"stand_in": True, "experiments": experiments, "cache_dir": cache, "out": out}


@pytest.fixture(scope="module")
def first(settings):
    """The reproduction and what was said, after an interruption in the second epoch."""
    notes = Notes(stop=True)
    with pytest.raises(KeyboardInterrupt):
        reproduce(**settings, watch=notes)
    resumed = Notes()
    return reproduce(**settings, watch=resumed), resumed.said


def test_every_row_has_our_numbers(first):
    result, _ = first
    assert [outcome.error for outcome in result.outcomes] == [""] * 4
    ours = {
        (outcome.experiment.name, row.row["metric"]): row.ours
        for outcome in result.outcomes
        for row in outcome.rows
        if row.row["method"] in ("saliency", "predictions")
    }
    assert ours.keys() == {
        ("table-5", "iou"),
        ("table-6", "intersection"),
        ("table-6", "union"),
        ("figure-5", "iou"),
        ("auc", "auc"),
    }
    assert all(numbers.n for numbers in ours.values())


def test_an_interrupted_training_goes_on_and_shared_work_is_done_once(first, settings):
    _, said = first
    assert [line for line in said if line.startswith(("training", "continuing", "explaining"))] == [
        "continuing marks-resnet",
        "explaining and scoring marks-resnet",
    ]
    assert [line for line in said if line[-2:] == "/4"] == [
        *("table-5 1/4", "table-6 2/4", "auc 3/4", "figure-5 4/4"),
    ]
    lines = (settings["out"] / "times.jsonl").read_text().splitlines()
    assert [json.loads(line)["what"] for line in lines] == [
        "train marks-resnet",
        "train marks-resnet",
        "evaluate marks-resnet for table-5",
        "predict marks-resnet",
    ]


def test_what_is_complete_is_not_done_again(first, settings):
    notes = Notes()
    again = reproduce(**settings, watch=notes)
    assert not [line for line in notes.said if line[-2:] != "/4"]
    assert [row.ours for o in again.outcomes for row in o.rows] == [
        row.ours for o in first[0].outcomes for row in o.rows
    ]


def test_an_evaluation_that_was_stopped_is_done_again(first, settings, tmp_path, monkeypatch):
    out = shutil.copytree(settings["out"], tmp_path / "copy")
    finished = out / "evaluations" / "table-5" / "random-weights" / "finished.json"
    monkeypatch.setattr(Session, "_evaluate", lambda *_: "the protocol")
    for change in (finished.unlink, lambda: finished.write_text('{"evaluation": {}}')):
        change()
        notes = Notes()
        reproduce(["table-5"], **settings | {"out": out}, watch=notes)
        assert notes.said[1:] == ["explaining and scoring marks-resnet"]
        assert json.loads(finished.read_text())["protocol"] == "the protocol"


def test_a_training_with_another_config_is_never_replaced(first, settings, tmp_path):
    experiments = shutil.copytree(settings["experiments"], tmp_path / "experiments")
    tiny.write_config(experiments, "marks-resnet", "marks", model="small-vgg")
    result = reproduce(["table-5"], **settings | {"experiments": experiments})
    assert "marks-resnet has another config: its model.name is 'small'" in result.failed[0].error
    assert Run.open(settings["out"] / "runs" / "marks-resnet").config.model.name == "small"


def test_the_page_is_written(first, settings):
    path = write_page(first[0])
    html = path.read_text()
    assert path == settings["out"] / "reproduction.html"
    assert "2 epochs, adamw, seed 0" in html
    assert "marks-resnet, marks: AUC of the ensemble" in html
    assert "<svg" in html
    assert "eye_ring: average member" in html
    assert "Saliency" in (settings["out"] / "reproduction.md").read_text()


def test_an_experiment_that_fails_does_not_stop_the_others(first, settings, tmp_path):
    experiments = shutil.copytree(settings["experiments"], tmp_path / "experiments")
    table = experiments / "table-5.toml"
    other = table.read_text().replace('"marks-resnet"', '"broken"').replace('"table-5"', '"a"')
    for name in ("a", "b"):
        (experiments / f"{name}.toml").write_text(other)
    tiny.write_config(experiments, "broken", "wings")
    notes = Notes()
    result = reproduce(
        ["a", "b", "table-5"], **settings | {"experiments": experiments}, watch=notes
    )
    message = "there is no task 'wings': "
    errors = [outcome.error for outcome in result.outcomes]
    assert [message in error for error in errors] == [True, True, False], errors
    assert notes.said.count("training broken") == 1
    assert any(row.ours for row in result.outcomes[2].rows)
    assert "there is no task" in write_page(result).read_text()
    assert not (settings["out"] / "runs" / "broken").exists()


def test_a_fault_of_jaxens_is_kept_with_its_traceback(first, settings, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("no images")

    monkeypatch.setattr("jaxens.reproduction.reproducing.numbers_of", fail)
    result = reproduce(["table-6"], **settings)
    path = settings["out"] / "table-6-error.txt"
    assert result.failed[0].error == f"ZeroDivisionError: no images (see {path})"
    assert "Traceback" in path.read_text()


def test_an_ensemble_starts_from_the_run_that_lies_next_to_its_config(settings, tmp_path):
    folder = tmp_path / "experiments"
    (folder / "stand-in").mkdir(parents=True)
    tiny.write_config(folder, "base", "marks")
    tiny.write_config(folder, "marks", "marks", weights="base")
    session = Session(tmp_path, {}, settings["cache_dir"], Watch())
    run = Run.open(session.trained(folder / "stand-in" / "marks.toml"))
    assert run.config.model.weights == str(tmp_path / "runs" / "base")
    assert run.record["weights"]["from"] == str(tmp_path / "runs" / "base")


def test_a_data_set_without_a_folder_is_named_before_any_work(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UserError, match=r"table-1 needs the folder of cub: add `data_dir` cub=FOL"):
        reproduce(["table-1"], out=out)
    with pytest.raises(UserError, match="table-3 needs the folder of partimagenet"):
        reproduce(["table-3"], out=out, data_dirs={"cub": str(tmp_path)})
    assert not out.exists()
