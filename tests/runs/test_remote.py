"""Runs at a URL: what is downloaded and uploaded, in which order, and what is refused."""

import shutil
import sys
import threading
import time
from pathlib import Path

import fsspec
import jax.numpy as jnp
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from jaxens.errors import UserError
from jaxens.files import lock
from jaxens.runs import uploading
from jaxens.runs.mirror import WorkingCopy, config_file, local_run, upload
from jaxens.runs.remote import Remote, is_url
from jaxens.runs.run import Run
from jaxens.runs.uploading import mirrored
from tests.runs.small import CONFIG, INFO

URL = "memory://bucket/run"
ROOT = "/bucket/run"
LIKE = {"weights": jnp.zeros(3)}


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """Makes this process one of a machine, by the name of its cache folder."""

    def use(name):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))

    use("one")
    yield use
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture
def files():
    return fsspec.filesystem("memory")


@pytest.fixture
def uploaded(files, folder):
    """A run at the URL, without a working copy."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name != ".lock":
            files.pipe_file(f"{ROOT}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return folder


def save(folder, epoch):
    """Adds a checkpoint to a run directory; its weights are the number of the epoch."""
    run = Run.open(folder)
    run.checkpoints.save(epoch, {"weights": jnp.full(3, float(epoch))}, 0.5)
    run.close()


def latest(folder):
    run = Run.open(folder)
    read = run.checkpoints.latest(LIKE)
    run.close()
    return read


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def there(files):
    return {path.removeprefix(f"{ROOT}/"): files.cat_file(path) for path in files.find(ROOT)}


def refusal(call, *args):
    with pytest.raises(UserError) as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def failing(monkeypatch, method, fails):
    """Makes a method of the file system fail for the paths that `fails` takes; returns all."""
    whole, asked = getattr(MemoryFileSystem, method), []

    def call(self, *paths, **settings):
        asked.append(paths[-1])
        if fails(str(paths[-1])):
            raise PermissionError("no permission\nfor you")
        return whole(self, *paths, **settings)

    monkeypatch.setattr(MemoryFileSystem, method, call)
    return asked


@pytest.mark.parametrize("text", ["gs://bucket/run", "s3://b", "memory://x", "zip::gs://b/x.zip"])
def test_a_url_is_told_from_a_path(text):
    assert is_url(text)


@pytest.mark.parametrize("text", ["runs/birds", "/runs/a://b", "C:/runs", "C:\\runs", "hf:timm/x"])
def test_a_path_is_told_from_a_url(text):
    assert not is_url(text)
    assert local_run(text) == Path(text)


@pytest.mark.parametrize("place", [Path("gs://bucket/run"), "gs:/bucket/run"])
def test_a_url_that_lost_a_slash_is_no_local_folder(place):
    assert "gs:/bucket/run looks like a URL" in refusal(local_run, place)


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
    asked = failing(monkeypatch, "get_file", lambda path: False)
    local = local_run(URL)
    assert contents(local) == there(files)
    assert not (local / "checkpoints" / "1").exists()
    assert [Path(path).name for path in asked] == ["tables.md"]


def test_what_has_changed_here_is_uploaded(uploaded, files, monkeypatch):
    local = local_run(URL)
    asked = failing(monkeypatch, "put_file", lambda path: False)
    upload(URL)
    assert asked == []
    (local / "look.png").write_bytes(b"look")
    (local / ".half.host.1").write_bytes(b"half")
    (local / "checkpoints" / "2.orbax-checkpoint-tmp").mkdir()
    (local / "checkpoints" / "2.orbax-checkpoint-tmp" / "x").write_bytes(b"half")
    (local / "info.json").unlink()
    upload(URL)
    assert asked == [f"{ROOT}/look.png"]
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
    """As a kill: the next call of the same machine goes on, another one has the state before."""
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


@pytest.mark.parametrize(
    "path",
    [
        f"{ROOT}/../../escaped",
        f"{ROOT}/a/../../escaped",
        "/elsewhere/escaped",
        f"{ROOT}//escaped",
        f"{ROOT}/./escaped",
        f"{ROOT}/..\\escaped",
        f"{ROOT}/C:escaped",
        f"{ROOT}/a\0escaped",
        f"{ROOT}/config.toml/escaped",
        ROOT,
    ],
)
def test_a_name_that_leads_out_is_refused(uploaded, monkeypatch, tmp_path, path):
    found = MemoryFileSystem.find

    def find(self, *args, **settings):
        return found(self, *args, **settings) | {path: {"name": path, "size": 1}}

    monkeypatch.setattr(MemoryFileSystem, "find", find)
    assert "which can't be a file of a run" in refusal(local_run, URL)
    assert not list(tmp_path.rglob("*escaped*"))
    assert not list(tmp_path.rglob("one/**/config.toml"))


def test_a_name_is_shown_with_escapes(files):
    files.pipe_file(f"{ROOT}/..\\\x1b[31m", b"red")
    assert r"\x1b[31m" in refusal(local_run, URL)


@pytest.mark.parametrize(("module", "url"), [("gcsfs", "gs://b/run"), ("fsspec", URL)])
def test_a_missing_package_is_named(monkeypatch, module, url):
    loaded = [name for name in sys.modules if name.split(".")[0] == module]
    for name in {module, "fsspec.core" if module == "fsspec" else module, *loaded}:
        monkeypatch.setitem(sys.modules, name, None)
    assert "pip install 'jaxens[gcs]'" in refusal(Remote, url)


def test_an_unknown_protocol_is_one_line():
    assert "nope://b/run can't be opened" in refusal(Remote, "nope://b/run")


def test_no_permission_is_one_line(monkeypatch):
    failing(monkeypatch, "find", lambda path: True)
    assert f"{URL} can't be listed (PermissionError" in refusal(local_run, URL)


def test_without_a_run_there_is_nothing_to_open(files):
    assert f"{URL} is not a run" in refusal(local_run, URL)
    assert config_file(URL) is None


def test_the_config_is_fetched_alone(uploaded):
    file = config_file(URL)
    assert file.read_bytes() == (uploaded / "config.toml").read_bytes()
    assert not WorkingCopy(URL).folder.exists()


def test_a_new_run_is_refused_where_one_is(uploaded, files):
    assert f"{URL} exists: choose another `out`" in refusal(mirrored(URL, False).__enter__)
    files.rm(f"{ROOT}/config.toml")
    assert "is not empty" in refusal(mirrored(URL, False).__enter__)


def test_a_new_run_is_refused_where_one_was_not_uploaded(uploaded, files):
    local = local_run(URL)
    files.rm(ROOT, recursive=True)
    assert str(local) in refusal(mirrored(URL, False).__enter__)
    with mirrored(URL, True):
        pass
    assert there(files) == contents(local)


def test_a_url_that_cannot_be_written_is_refused_before_training(monkeypatch):
    failing(monkeypatch, "pipe_file", lambda path: True)
    assert "can't be written" in refusal(mirrored(URL, False).__enter__)


def test_an_export_at_a_url_is_a_folder_to_load(files, uploaded):
    files.pipe_file("/bucket/exported/ensemble.json", b"{}")
    files.pipe_file("/bucket/exported/README.md", b"card")
    assert (local_run("memory://bucket/exported") / "README.md").read_bytes() == b"card"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(uploading, "INTERVAL", 0.02)
    monkeypatch.setattr(uploading, "QUIET", 0.1)


def train(error=None):
    """Trains a run to the URL: one checkpoint, and then an error."""
    with mirrored(URL, False) as folder:
        run = Run.create(folder, CONFIG, INFO, data="0123")
        run.checkpoints.save(1, LIKE, 0.5)
        run.close()
        if error is not None:
            raise error


def until(happens):
    end = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_each_checkpoint_is_uploaded_while_training_goes_on(quick, files):
    with mirrored(URL, False) as folder:
        run = Run.create(folder, CONFIG, INFO, data="0123")
        time.sleep(0.1)
        assert there(files) == {}  # a run without a checkpoint would block the next try
        run.checkpoints.save(1, LIKE, 0.5)
        run.checkpoints.wait()
        until(lambda: any("checkpoints/1/sums/" in name for name in there(files)))
        run.checkpoints.save(2, LIKE, 0.6)
        run.close()
        (folder / "last.txt").write_text("last")
    assert there(files) == contents(folder)
    assert latest(folder)[0] == 2


def test_an_upload_that_fails_is_tried_again_with_the_next_checkpoint(
    quick, files, monkeypatch, caplog
):
    broken = threading.Event()
    failing(monkeypatch, "put_file", lambda path: broken.is_set())
    with mirrored(URL, False) as folder:
        run = Run.create(folder, CONFIG, INFO, data="0123")
        broken.set()
        run.checkpoints.save(1, LIKE, 0.5)
        run.checkpoints.wait()
        until(lambda: "tried again with the next checkpoint" in caplog.text)
        assert len(caplog.records) == 1
        assert there(files) == {}
        broken.clear()
        run.checkpoints.save(2, LIKE, 0.5)
        run.checkpoints.wait()
        until(lambda: any("checkpoints/2/sums/" in name for name in there(files)))
        run.close()
    assert there(files) == contents(folder)


def test_if_the_last_upload_fails_the_error_says_where_the_run_is(quick, monkeypatch, files):
    broken = threading.Event()
    failing(monkeypatch, "put_file", lambda path: broken.is_set())
    folder = WorkingCopy(URL).folder
    broken.set()
    message = refusal(train)
    assert f"{folder} keeps all, and `resume` uploads it" in message
    assert latest(folder)[0] == 1
    broken.clear()
    with mirrored(URL, True) as again:
        assert latest(again)[0] == 1
    assert there(files) == contents(folder)


def test_the_wait_for_an_upload_that_hangs_is_bounded(quick, monkeypatch, caplog, files):
    monkeypatch.setattr(uploading, "AT_STOP", 0.2)
    hanging = threading.Event()

    def hang(*_, **__):
        hanging.wait(20)

    monkeypatch.setattr(MemoryFileSystem, "put_file", hang)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        train(KeyboardInterrupt())
    assert time.monotonic() - began < 15  # seconds; the upload would take 20
    folder = WorkingCopy(URL).folder
    assert "uploading the rest" in caplog.text
    assert f"it takes too long): {folder} keeps all" in caplog.text
    hanging.set()
    for thread in threading.enumerate():
        if thread.name == uploading.NAME:
            thread.join()  # before files can be written again


def test_a_run_that_is_stopped_is_uploaded_and_says_so(quick, files):
    with pytest.raises(KeyboardInterrupt) as caught:
        train(KeyboardInterrupt())
    assert caught.value.__notes__ == [f"it is uploaded to {URL}"]
    assert there(files) == contents(WorkingCopy(URL).folder)


def test_a_run_that_was_never_saved_leaves_nothing(quick, files):
    with mirrored(URL, False) as folder:
        Run.create(folder, CONFIG, INFO, data="0123").close()
    assert there(files) == {}
    assert not folder.exists()
    with mirrored(URL, False):
        pass  # nothing blocks the next try


@pytest.mark.parametrize("out", [None, "runs/birds"])
def test_a_local_run_is_not_touched(out):
    with mirrored(out, False) as folder:
        assert folder == (None if out is None else Path(out))
