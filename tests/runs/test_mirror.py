"""A run at a URL is downloaded once, and only what has changed is transferred."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from jaxens.files import lock
from jaxens.runs.mirror import WorkingCopy, config_file, local_run, upload
from tests.runs.in_memory import ROOT, URL, contents, failing, latest, refusal, save, there

pytestmark = pytest.mark.usefixtures("machine")


def test_a_run_is_downloaded_once(uploaded, caplog):
    local = local_run(URL)
    assert contents(local) == contents(uploaded)
    assert local.name == "run"
    assert "downloading" in caplog.text
    caplog.clear()
    assert local_run(f"{URL}/") == local
    assert not caplog.records
    assert latest(local)[0] == 1


def test_what_has_changed_there_is_downloaded(uploaded, files, monkeypatch):
    save(local_run(URL), 2)
    upload(URL)
    files.rm(f"{ROOT}/checkpoints/1", recursive=True)
    files.pipe_file(f"{ROOT}/evaluation/tables.md", b"other")
    downloaded = failing(monkeypatch, "get_file", lambda path: False)
    local = local_run(URL)
    assert contents(local) == there(files)
    assert not (local / "checkpoints" / "1").exists()
    assert [Path(path).name for path in downloaded] == ["tables.md"]


def test_what_has_changed_here_is_uploaded(uploaded, files, monkeypatch):
    local = local_run(URL)
    uploads = failing(monkeypatch, "put_file", lambda path: False)
    upload(URL)
    assert uploads == []
    (local / "look.png").write_bytes(b"look")
    (local / ".half.host.1").write_bytes(b"half")
    (local / "checkpoints" / "2.orbax-checkpoint-tmp").mkdir()
    (local / "checkpoints" / "2.orbax-checkpoint-tmp" / "x").write_bytes(b"half")
    (local / "info.json").unlink()
    upload(URL)
    assert uploads == [f"{ROOT}/look.png"]
    assert there(files)["look.png"] == b"look"
    assert "info.json" not in there(files)


def test_files_that_others_put_there_are_never_removed(uploaded, files):
    local = local_run(URL)
    files.pipe_file(f"{ROOT}/notes.txt", b"of somebody")
    (local / "look.png").write_bytes(b"look")
    upload(URL)
    assert there(files)["notes.txt"] == b"of somebody"


def test_if_both_have_changed_the_run_there_is_used_and_the_other_kept(uploaded, machine, caplog):
    local = local_run(URL)
    machine("two")
    save(local_run(URL), 2)
    upload(URL)
    machine("one")
    (local / "look.png").write_bytes(b"mine")
    assert local_run(URL) == local
    assert latest(local)[0] == 2
    assert not (local / "look.png").exists()
    assert (local.with_name("run.aside") / "look.png").read_bytes() == b"mine"
    assert "run.aside" in caplog.text


def test_a_working_copy_that_is_trained_is_left_alone(uploaded, files):
    local = local_run(URL)
    files.pipe_file(f"{ROOT}/notes.txt", b"new")
    with lock(local):
        assert local_run(URL) == local
        assert not (local / "notes.txt").exists()
    local_run(URL)
    assert (local / "notes.txt").exists()


def test_a_half_uploaded_checkpoint_is_replaced_by_the_one_before(uploaded, files, machine, caplog):
    save(local_run(URL), 2)
    upload(URL)
    names = [name for name in there(files) if name.startswith("checkpoints/2/state/")]
    largest = max(names, key=lambda name: len(there(files)[name]))
    files.pipe_file(f"{ROOT}/{largest}", there(files)[largest][:-5])
    machine("two")
    local = local_run(URL)
    assert latest(local)[0] == 1
    assert f"{local / 'checkpoints' / '2'} is damaged" in caplog.text


def test_an_upload_that_is_cut_off_leaves_the_checkpoint_before(
    uploaded, files, machine, monkeypatch, caplog
):
    """This is what a kill leaves.

    The next upload from the same machine completes it. Another machine has the checkpoint before.
    """
    local = local_run(URL)
    save(local, 2)
    shutil.rmtree(local / "checkpoints" / "1")
    with monkeypatch.context() as patch:
        failing(patch, "put_file", lambda path: "/sums/" in path)
        message = refusal(upload, URL)
        assert "no permission\\nfor you" in message
        assert str(local) in message
    assert any(name.startswith("checkpoints/1/sums/") for name in there(files))
    assert any(name.startswith("checkpoints/2/state/") for name in there(files))
    machine("two")
    assert latest(local_run(URL))[0] == 1
    assert "damaged" not in caplog.text
    machine("one")
    caplog.clear()
    epoch, state = latest(local_run(URL))
    assert epoch == 2
    np.testing.assert_array_equal(state["weights"], 2.0)
    assert "downloading" not in caplog.text
    upload(URL)
    assert there(files) == contents(local)


def test_a_download_that_fails_changes_nothing(uploaded, files, monkeypatch):
    local = local_run(URL)
    before = contents(local)
    files.pipe_file(f"{ROOT}/a.txt", b"new")
    files.pipe_file(f"{ROOT}/info.json", b"new")
    monkeypatch.setattr(MemoryFileSystem, "get_file", _broken_read)
    assert "can't be read" in refusal(local_run, URL)
    assert contents(local) == before
    assert [path.name for path in local.parent.iterdir() if path.is_dir()] == ["run"]


def _broken_read(self, remote, path, **_):
    Path(path).write_bytes(b"half")
    raise OSError("connection reset")


def test_without_a_run_there_is_nothing_to_open(files):
    assert f"{URL} is not a run" in refusal(local_run, URL)
    assert config_file(URL) is None


def test_the_config_is_fetched_alone(uploaded):
    file = config_file(URL)
    assert file.read_bytes() == (uploaded / "config.toml").read_bytes()
    assert not WorkingCopy(URL).folder.exists()


def test_an_export_at_a_url_is_a_folder_to_load(files, uploaded):
    files.pipe_file("/bucket/exported/ensemble.json", b"{}")
    files.pipe_file("/bucket/exported/README.md", b"card")
    assert (local_run("memory://bucket/exported") / "README.md").read_bytes() == b"card"
