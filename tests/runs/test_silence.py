"""A disk that does not answer: who is told, and how a command ends."""

import os
import tempfile
import threading

import pytest

from jaxens.runs import silence
from tests.cli.test_signals import RUN, started


class Disk:
    """Replaces what makes a file: it answers, hangs, or raises an error."""

    def __init__(self, monkeypatch):
        self.works, self.error = threading.Event(), None
        self.asked = []
        self.works.set()
        monkeypatch.setattr(tempfile, "TemporaryFile", self.make)
        monkeypatch.setattr(silence, "LOOK", 0.01)
        monkeypatch.setattr(silence, "TOLD", 0.05)

    def make(self, dir):
        self.asked.append(dir)
        self.works.wait(20)
        if self.error:
            raise self.error
        return open(os.devnull)


@pytest.fixture
def disk(monkeypatch):
    disk = Disk(monkeypatch)
    yield disk
    disk.works.set()


def wait_until(condition):
    for _ in range(2000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("it took more than 20 s")


def test_a_disk_that_hangs_is_told_and_its_answer_too(disk, tmp_path, caplog):
    told = []
    with silence.asked(tmp_path, lambda *silent: told.append(silent)):
        wait_until(lambda: len(disk.asked) > 2)
        assert told == []
        disk.works.clear()
        wait_until(lambda: len(told) > 2)
        disk.works.set()
        wait_until(lambda: len(caplog.messages) == 2)
    assert {folder for folder, _ in told} == {tmp_path}
    seconds = [each for _, each in told]
    assert seconds == sorted(seconds)
    assert seconds[0] >= 0.05
    assert caplog.messages == [
        f"{tmp_path}: the disk does not answer: waiting for it",
        f"{tmp_path}: the disk answers again, after 0 s",
    ]


def test_an_error_is_an_answer(disk, tmp_path, caplog):
    told = []
    disk.error = OSError(28, "No space left on device")
    with silence.asked(tmp_path, lambda *silent: told.append(silent)):
        wait_until(lambda: len(disk.asked) > 2)
    assert told == caplog.messages == []


def test_no_folder_is_not_asked_and_nobody_asks_after_the_end(disk, tmp_path):
    with silence.asked(None, pytest.fail):
        pass
    with silence.asked(tmp_path, pytest.fail):
        wait_until(lambda: disk.asked)
    threading.Event().wait(0.2)
    number = len(disk.asked)
    threading.Event().wait(0.2)
    assert len(disk.asked) == number


GONE = """
import tempfile
from pathlib import Path
from jaxens.cli import live
from jaxens.runs import silence
silence.LOOK = silence.TOLD = 0.1
live.GONE = 1
tempfile.TemporaryFile = lambda dir: os.read(os.pipe()[0], 1)  # as on a share that is gone
def command():
    with silence.asked(Path('run'), live.Live().silent):
        say('ready')
        tempfile.TemporaryFile('run')
parser.run(command)
"""


def test_a_command_that_hangs_in_a_call_of_the_system_ends_with_a_line():
    process = started("-c", "import os\n" + RUN + GONE)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2, errors
    warned, error = errors.splitlines()
    assert warned == "jaxens: run: the disk does not answer: waiting for it"
    assert error == (
        "jaxens: error: run: the disk has not answered for 1 s: bring it back (is a network share "
        "missing?), and --resume continues the run"
    )
