"""A run at a URL is uploaded while it is trained, and errors lose nothing."""

import threading
import time
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from jaxens.runs import uploading
from jaxens.runs.mirror import WorkingCopy, local_run
from jaxens.runs.run import Run
from jaxens.runs.uploading import mirrored
from tests.runs.in_memory import LIKE, ROOT, URL, contents, failing, latest, refusal, there
from tests.runs.small import CONFIG, INFO

pytestmark = pytest.mark.usefixtures("machine")


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
