"""The training command: what it leaves, how it goes on, how it refuses."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import jaxens
from jaxens.cli import parser
from jaxens.errors import UserError
from jaxens.files import write_text
from jaxens.runs import config as configs
from jaxens.runs.loading import abstract_state
from jaxens.runs.run import Run
from jaxens.train import main as train

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("without_look")]


def last_state(folder):
    run = Run.open(folder)
    epoch, state = run.checkpoints.latest(abstract_state(run.config, run.info))
    run.close()
    return epoch, state


def assert_bitwise(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def drop_checkpoint(folder, epoch):
    shutil.rmtree(folder / "checkpoints" / str(epoch))


def refused(*words):
    with pytest.raises(UserError) as caught:
        train([str(word) for word in words])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_run_directory_holds_config_provenance_log_checkpoints_and_a_figure(run):
    folder = run.folder
    assert configs.load(folder / "config.toml").ensemble.members == 2
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["versions"]["jax"] == jax.__version__
    assert provenance["backend"] == jax.default_backend()
    assert len(provenance["data"]) == 16
    log = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line.get("epoch") for line in log] == [1, 2, None]
    assert len(log[0]["loss"]) == 2
    assert set(log[-1]["test"]) == {"species", "family", "bill_length", "wing_pattern", "marks"}
    assert last_state(folder)[0] == 2
    with Image.open(folder / "look.png") as image:
        assert image.width > 300
        assert np.ptp(np.asarray(image)) == 255


def test_it_ends_with_scores_the_figure_and_the_next_command(run):
    assert "average member" in run.printed
    assert "wing_pattern" in run.printed
    assert f"{run.folder}/look.png" in run.printed.replace("\n", "")
    assert f"python -m jaxens.evaluate {run.folder}" in run.printed


def test_the_same_command_gives_bitwise_the_same_run(run, tmp_path):
    train([*run.flags, "--out", str(tmp_path / "again")])
    assert_bitwise(last_state(run.folder)[1], last_state(tmp_path / "again")[1])


def test_a_resumed_run_is_bitwise_the_uninterrupted_one(run, tmp_path, caplog):
    folder = tmp_path / "interrupted"
    shutil.copytree(run.folder, folder)
    drop_checkpoint(folder, 2)
    train(["--out", str(folder), "--resume"])
    assert "continuing after epoch 1 of 2" in caplog.text
    assert_bitwise(last_state(run.folder)[1], last_state(folder)[1])
    epochs = [line.get("epoch") for line in Run.open(folder).read_log()]
    assert epochs == [1, 2, None]


def test_a_half_written_log_line_does_not_stop_a_run(run, tmp_path, caplog):
    folder = tmp_path / "killed"
    shutil.copytree(run.folder, folder)
    drop_checkpoint(folder, 2)
    with (folder / "metrics.jsonl").open("a") as log:
        log.write('{"epoch": 3, "lo')
    train(["--out", str(folder), "--resume"])
    assert "line 4 is half-written" in caplog.text
    assert [line.get("epoch") for line in Run.open(folder).read_log()] == [1, 2, None]


@pytest.mark.long
def test_a_streamed_bagging_run_resumes_bitwise(run, tmp_path):
    bags = [*run.flags, "--diversity", "bagging", "--resident", "no"]
    train([*bags, "--out", str(tmp_path / "whole")])
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    drop_checkpoint(tmp_path / "parts", 2)
    train(["--out", str(tmp_path / "parts"), "--resume"])
    assert_bitwise(last_state(tmp_path / "whole")[1], last_state(tmp_path / "parts")[1])


def test_a_streamed_run_is_the_one_on_the_device(run, tmp_path):
    """But for rounding, which training enlarges: XLA may compile two programs to other sums."""
    train([*run.flags, "--out", str(tmp_path / "streamed"), "--resident", "no"])
    logs = (Run.open(folder).read_log() for folder in (run.folder, tmp_path / "streamed"))
    losses, streamed = ([line["loss"] for line in log if "loss" in line] for log in logs)
    np.testing.assert_allclose(losses, streamed, rtol=1e-3)


@pytest.mark.parametrize("diversity", ["leave-one-out", "bagging"])
def test_the_other_diversities_also_train_a_baseline(run, tmp_path, diversity):
    folder = tmp_path / diversity
    train([*run.flags, "--out", str(folder), "--diversity", diversity, "--epochs", "1"])
    ensemble = jaxens.load(folder)
    assert ensemble.members == 2
    assert ensemble.baseline_ensemble().members == 1
    scores = Run.open(folder).read_log()[-1]["test"]["species"]
    assert 0 <= scores["baseline"] <= 1


def test_a_damaged_checkpoint_falls_back_to_the_one_before(run, tmp_path, caplog):
    folder = tmp_path / "damaged"
    shutil.copytree(run.folder, folder)
    for file in (folder / "checkpoints" / "2" / "state").rglob("*"):
        if file.is_file() and file.stat().st_size > 10_000:
            file.write_bytes(file.read_bytes()[:1000])
    train(["--out", str(folder), "--resume"])
    warnings = caplog.text
    assert f"{folder / 'checkpoints' / '2'} is damaged" in warnings
    assert "continuing after epoch 1 of 2" in warnings
    assert_bitwise(last_state(run.folder)[1], last_state(folder)[1])


def test_a_folder_that_exists_is_refused_and_kept(run):
    before = sorted(p.name for p in run.folder.iterdir())
    message = refused(*run.flags, "--out", run.folder)
    assert f"{run.folder} exists" in message
    assert "--resume" in message
    assert sorted(p.name for p in run.folder.iterdir()) == before


def test_resuming_needs_the_same_config_and_a_run(run, tmp_path):
    message = refused("--out", run.folder, "--resume", "--members", "3")
    assert "ensemble.members is 2, not 3" in message
    assert "is not a run directory" in refused("--out", tmp_path, "--resume")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--members", "0"], "--members must be at least 1"),
        (["--member", "3"], "Unknown option: --member. Did you mean --members?"),
        (["--data", "cub", "--data-dir", "/nowhere/birds"], "/nowhere/birds"),
        (["--tasks", "specie"], "there is no task 'specie'"),
        (["--tasks", "species", "species"], "names one twice"),
        (["--model", "vgg16"], "--model vgg16 with --image-size 16"),
        (["--batch-size", "25"], "--batch-size 25 is more than the 24 training images"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_written(flags, tmp_path, words, named):
    assert named in refused(*flags, "--out", tmp_path / "never", *words)
    assert not (tmp_path / "never").exists()


def test_a_diverged_member_is_named(flags, tmp_path):
    message = refused(*flags, "--out", tmp_path / "wild", "--optimizer", "sgd",
                      "--learning-rate", "1e30", "--warmup", "0")  # fmt: skip
    assert "diverged at step" in message
    assert "--learning-rate" in message


def test_a_mistake_ends_the_command_with_one_line_and_code_2(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "jaxens.train", "--members", "0"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "jaxens: error: --members must be at least 1, not 0\n"


def test_a_full_disk_is_one_line_and_code_2(capsys):
    def command():
        raise OSError(errno.ENOSPC, "No space left on device", "runs/x/look.png")

    with pytest.raises(SystemExit, match="2"):
        parser.run(command)
    assert capsys.readouterr().err == (
        "jaxens: error: the disk is full while writing runs/x/look.png: "
        "free some space or choose another folder\n"
    )


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EIO, "the system reports: Input/output error"),
        (errno.EAGAIN, "the system reports: Resource temporarily unavailable"),
    ],
)
def test_an_error_of_the_system_without_a_file_is_one_line_and_code_2(capsys, number, words):
    def command():
        raise OSError(number, os.strerror(number))

    with pytest.raises(SystemExit, match="2"):
        parser.run(command)
    assert capsys.readouterr().err == (
        f"jaxens: error: {words}: check disk, memory and limits, and try again\n"
    )


def test_a_failing_sync_is_one_line_and_leaves_nothing(tmp_path, capsys, monkeypatch):
    def fail(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(SystemExit, match="2"):
        parser.run(lambda: write_text(tmp_path / "a", "text"))
    assert "Input/output error" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    from jaxens.files import write_text as write

    write(tmp_path / "log", "old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        write(tmp_path / "log", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["log"]
    assert (tmp_path / "log").read_text() == "old"
