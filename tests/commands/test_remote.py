"""The commands take a URL for a run, and refuse it where a local path is needed."""

import fsspec
import jax
import numpy as np
import pytest
from matplotlib.figure import Figure

import jaxens
from jaxens import export, report
from jaxens.errors import UserError
from jaxens.evaluate import main as evaluate
from jaxens.explain import main as explain
from jaxens.plan import main as plan
from jaxens.reproduce import main as reproduce
from jaxens.runs.loading import abstract_state
from jaxens.runs.mirror import local_run
from jaxens.runs.run import Run
from jaxens.train import main as train

URL = "memory://bucket/tiny"


def last_state(folder):
    run = Run.open(folder)
    read = run.checkpoints.latest(abstract_state(run.config, run.info))
    run.close()
    return read


@pytest.mark.long
def test_a_run_at_a_url_is_trained_and_continued_on_another_machine(
    flags, machine, monkeypatch, caplog
):
    monkeypatch.setattr("jaxens.annotation.first_look.first_look", lambda *_, **__: Figure())
    files = fsspec.filesystem("memory")
    words = [*flags, "--out", URL, "--resume", "auto"]
    train(words)
    assert files.exists("/bucket/tiny/look.png")
    whole = last_state(local_run(URL))
    for path, size in files.du("/bucket/tiny/checkpoints/2/state", total=False).items():
        if size > 10_000:  # half-uploaded
            files.pipe_file(path, files.cat_file(path)[:1000])
    machine("two")
    train(words)
    assert "is damaged" in caplog.text
    assert "continuing after epoch 1 of 2" in caplog.text
    machine("three")
    jax.tree.map(np.testing.assert_array_equal, last_state(local_run(URL)), whole)
    with pytest.raises(UserError, match="exists: choose another --out"):
        train([*flags, "--out", URL])


@pytest.mark.slow
@pytest.mark.usefixtures("machine")
def test_commands_read_a_run_at_a_url_and_upload_their_results(run, tmp_path):
    files = fsspec.filesystem("memory")
    files.put(f"{run.folder}/", "/bucket/tiny/", recursive=True)
    assert jaxens.load(URL).members == 2
    few = ["--methods", "saliency", "--limit", "2", "--orders", "1"]
    evaluate([URL, "--tasks", "wing_pattern", *few])
    assert files.exists("/bucket/tiny/evaluation-sample-2/tables.csv")
    report.main([URL, "--out", str(tmp_path / "page.html")])
    assert not files.exists("/bucket/tiny/report.html")
    report.main([URL])
    assert files.exists("/bucket/tiny/report.html")
    export.main([URL, "--out", str(tmp_path / "exported")])
    assert jaxens.load(tmp_path / "exported").members == 2


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (report.main, ["runs/birds", "--out", URL]),
        (export.main, ["runs/birds", "--out", URL]),
        (evaluate, ["runs/birds", "--out", URL]),
        (evaluate, ["runs/birds", "--cache-dir", URL]),
        (explain, ["runs/birds", f"{URL}.jpg"]),
        (reproduce, ["--out", URL]),
        (train, ["--config", f"{URL}.toml"]),
        (train, ["--data", "cub", "--data-dir", URL]),
        (train, ["--cache-dir", URL]),
        (plan, ["--config", f"{URL}.toml"]),
    ],
)
def test_a_url_in_place_of_a_local_path_is_refused(main, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="name a local file or folder") as caught:
        main(words)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("main", [report.main, evaluate, export.main])
def test_a_url_without_a_run_is_refused(main):
    with pytest.raises(UserError, match=f"{URL} is not a run"):
        main([URL, *["--out", "exported"] * (main is export.main)])
