"""Of a stranger's run directory, each file is read right, or is named in one line."""

import json
import os
import tomllib
from dataclasses import replace

import numpy as np
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxens.errors import UserError
from jaxens.files import output_folder
from jaxens.pages import training
from jaxens.pages.page_figures import Album
from jaxens.runs.card import card
from jaxens.runs.log import from_line, to_line
from jaxens.runs.run import FILES, Run
from tests.evaluation.known import KnownEnsemble
from tests.nests import OTHERS, places, replaced
from tests.runs.small import CONFIG, INFO, MARKS, WING, edit, refusal, update_checksums

INFO_TEXT = json.loads(INFO.to_json())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("info.json", "[]", "it is a list, not an object"),
        ("info.json", "null", "it is null, not an object"),
        ("info.json", json.dumps(INFO_TEXT | {"tasks": []}), "it has no tasks"),
        ("info.json", INFO.to_json().replace('"barred"', "3"), "classes[1] is 3, not text"),
        ("info.json", INFO.to_json().replace('"barred"', '"x", "y"'), "has 3 classes"),
        (
            "info.json",
            INFO.to_json().replace('"kind"', '"separate": 3, "kind"', 1),
            "separate is 3",
        ),
        ("info.json", INFO.to_json().replace("marks", "wing"), "two tasks of one name"),
        ("info.json", INFO.to_json().replace("marks", r"\ud800"), r'is "\ud800", not text'),
        ("info.json", "[" * 10_000, "nested too deeply"),
        ("info.json", "[" + "9" * 5000 + "]", "info.json can't be read"),
        ("provenance.json", "[]", "provenance.json can't be read: it is a list"),
        ("provenance.json", "{}", "it lacks versions"),
        ("provenance.json", "[" * 10_000, "nested too deeply"),
        ("config.toml", "a = " + "[" * 10_000, "nested too deeply"),
        ("config.toml", "", "config.toml lacks"),
    ],
)
def test_a_strangers_file_is_one_line(folder, name, content, message):
    (folder / name).write_text(content)
    assert message in refusal(folder)


@pytest.mark.parametrize(
    "name",
    ["info.json", "provenance.json", "metrics.jsonl", "checkpoints/1/sums/metadata", ".lock"],
)
def test_a_pipe_in_place_of_a_file_is_one_line(folder, name):
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(UserError, match=f"{folder / name} is not a regular file"):
        Run.resume(folder, CONFIG, INFO, "0123")


@pytest.mark.parametrize("name", [*FILES[1:], "checkpoints/1"])
def test_a_link_out_of_the_run_is_never_followed(folder, name, tmp_path):
    (folder / name).rename(tmp_path / "moved")
    (folder / name).symlink_to(tmp_path / "moved")
    assert f"{folder / name} leads out of {folder}: remove it, or name the real" in refusal(folder)


def test_results_are_written_below_the_run_or_where_the_user_says(folder, tmp_path):
    (tmp_path / "theirs").mkdir()
    (folder / "evaluation").symlink_to(tmp_path / "theirs")
    assert output_folder(folder / "evaluation", folder, "evaluation") == folder / "evaluation"
    assert output_folder(None, folder, "explained") == folder / "explained"
    with pytest.raises(UserError, match="evaluation leads out of"):
        output_folder(None, folder, "evaluation")
    (folder / "evaluation").unlink()
    (folder / "evaluation").mkdir()
    (folder / "evaluation" / "sizes").symlink_to(tmp_path / "theirs")
    with pytest.raises(UserError, match="sizes leads out of"):
        output_folder(None, folder, "evaluation")


ENSEMBLE = KnownEnsemble((WING, MARKS), {}, {"wing": np.zeros((3, 1, 2))})


def report_and_card(run):
    """Shows all that a report and an export take from the files of a run."""
    training.summary(run)
    training.provenance(run)
    training.scores(run)
    card(run, ENSEMBLE)
    card(run, ENSEMBLE, 2)
    training.curves(run, Album())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["config.toml", "info.json", "provenance.json", "metrics.jsonl"])
def test_with_any_value_replaced_a_run_is_shown_right_or_refused_in_one_line(
    folder, name, monkeypatch
):
    """Also where somebody has put the new checksums into the provenance and the log."""
    is_log, is_toml = name == "metrics.jsonl", name == "config.toml"
    read, write = (tomllib.loads, tomli_w.dumps) if is_toml else (json.loads, json.dumps)
    if not is_toml:  # which takes a tenth of a second
        monkeypatch.setattr("jaxens.runs.config.load", lambda *_, **__: CONFIG)
    if not is_log:  # nor does the figure depend on the other files
        monkeypatch.setattr("jaxens.pages.training.curves", lambda *_: None)
    original = (folder / name).read_text()
    record = (folder / "provenance.json").read_text()
    log = original.splitlines() if is_log else [original]
    values = [read(line) for line in log]
    found = [(line, where) for line, value in enumerate(values) for where in places(value)]

    @settings(
        max_examples=40 if is_toml or is_log else 150,
        deadline=None,
        derandomize=True,
        database=None,
    )
    @given(st.sampled_from(found), OTHERS, st.booleans())
    def holds(place, other, update):
        line, where = place
        changed = [replaced(v, where, other) if k == line else v for k, v in enumerate(values)]
        try:
            if is_log:
                objects = [v for v in changed if isinstance(v, dict)]
                sealed = [to_line({k: v[k] for k in v if k != "crc32"}) for v in objects]
                text = "".join(sealed if update else (json.dumps(v) + "\n" for v in changed))
            else:
                text = write(changed[0])
        except (TypeError, AttributeError, ValueError):  # TOML has no null, for example
            return
        (folder / "provenance.json").write_text(record)
        (folder / name).write_text(text)
        if update and name in ("config.toml", "info.json") and text != original:
            update_checksums(folder)
        try:
            run = Run.open(folder)
            run.close()
            run.check_data(INFO, "0123")
            assert len(run.read_log()) <= 2
            report_and_card(run)
        except UserError as error:
            message = str(error)
        else:
            message = "shown"
            assert replace(run.info, name=INFO.name) == INFO
            assert run.config == CONFIG or update
        assert "\n" not in message

    holds()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line["val"].pop("marks"), "its tasks are not those of the run"),
        (lambda line: line["loss"].pop(), "it has losses of other members"),
        (lambda line: line["diverged_at"].pop(), "it has steps of other members"),
        (lambda line: line.pop("diverged_at"), "it lacks diverged_at"),
        (lambda line: line.update(diverged_at=[None, 4, None]), "a member diverged at a step that"),
        (
            lambda line: line.update(diverged_at=[None] * 3),
            "it has a loss of a diverged member, or",
        ),
        (lambda line: line.update(loss=[1.5] * 3), "it has a loss of a diverged member, or"),
        (lambda line: line["loss"].append(10**400), "loss[3] is 1000"),
        (lambda line: line["loss"].__setitem__(0, 1e300), "a loss is too large"),
        (lambda line: line["val"]["wing"].update(members=[]), "it has scores of other members"),
        (lambda line: line["val"]["wing"].update(baseline=0.5), "it has scores of other members"),
        (lambda line: line["val"]["wing"].update(ensemble=-7), "a score is not from 0 to 1"),
        (lambda line: line["val"]["wing"].update(measure="luck"), "val.wing.measure is"),
        (lambda line: line.update(epoch=-3), "its epoch is not 1 or more"),
    ],
)
def test_a_line_of_another_run_is_left_out_with_its_reason(folder, change, message, caplog):
    first, last = (from_line(line) for line in (folder / "metrics.jsonl").read_bytes().splitlines())
    change(first)
    (folder / "metrics.jsonl").write_text(to_line(first) + to_line(last))
    assert Run.open(folder).read_log() == [last]
    assert f"line 1 is damaged ({message}" in caplog.text


@pytest.mark.parametrize("files", [{}, {"config.toml": "0"}, {"info.json": "0"}])
def test_without_checksums_a_provenance_is_refused(folder, files):
    edit(folder, "provenance.json", lambda text: json.dumps(json.loads(text) | {"files": files}))
    assert "provenance.json can't be read: files lacks" in refusal(folder)


@pytest.mark.parametrize("name", ["versions", "device"])
def test_without_its_software_a_provenance_is_refused(folder, name):
    def without(text):
        record = json.loads(text)
        del record[name]
        return json.dumps(record)

    edit(folder, "provenance.json", without)
    assert f"provenance.json can't be read: it lacks {name}" in refusal(folder)
