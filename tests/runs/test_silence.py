"""A disk that does not answer: who is told, and how a command ends.

A named pipe takes the place of a run's lock. Whoever opens one waits until somebody reads it.
"""

import os
import signal
import subprocess
import sys
import time
from threading import Event

import pytest

from jaxens.files import LOCK
from jaxens.runs import silence
from tests.cli.test_signals import RUN, started


@pytest.fixture
def pipe(tmp_path, monkeypatch):
    monkeypatch.setattr(silence, "LOOK", 0.01)
    monkeypatch.setattr(silence, "TOLD", 0.1)
    os.mkfifo(tmp_path / LOCK)
    yield tmp_path / LOCK
    answer(tmp_path / LOCK)  # to a thread that still waits


def answer(pipe):
    return os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)


def wait_until(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_disk_that_hangs_is_told_and_its_answer_too(pipe, caplog):
    told = []
    with silence.asked(pipe.parent, lambda *silent: told.append(silent)):
        wait_until(lambda: len(told) > 2)
        answer(pipe)
        wait_until(lambda: len(caplog.messages) == 2)
    assert told[:3] == [(pipe.parent, pytest.approx(0.1 * count)) for count in (1, 2, 3)]
    assert caplog.messages == [
        f"{pipe.parent}: the disk does not answer",
        f"{pipe.parent}: the disk answers again",
    ]


@pytest.mark.parametrize("error", [None, OSError(28, "No space left on device"), MemoryError()])
def test_an_error_is_an_answer(tmp_path, monkeypatch, caplog, error):
    asked = []

    def open_(*_):
        asked.append(error)
        if error is not None:
            raise error
        return os.dup(0)

    monkeypatch.setattr(silence, "LOOK", 0.01)
    monkeypatch.setattr(silence, "TOLD", 5)
    monkeypatch.setattr(silence.os, "open", open_)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    with silence.asked(tmp_path, pytest.fail):
        wait_until(lambda: len(asked) > 2)
    assert caplog.messages == []


def test_nobody_asks_without_a_folder_or_after_the_end(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(silence, "LOOK", 0.01)
    monkeypatch.setattr(silence, "_ask", lambda folder, answered: asked.append(answered.set()))
    with silence.asked(None, pytest.fail):
        Event().wait(0.1)
    assert not asked
    with silence.asked(tmp_path, pytest.fail):
        wait_until(lambda: asked)
    Event().wait(0.1)
    number = len(asked)
    Event().wait(0.1)
    assert len(asked) == number


GONE = """
import os, sys, threading
from pathlib import Path
from jaxens.cli import live
from jaxens.runs import silence
silence.LOOK = silence.TOLD = 0.2
live.GONE = 1
folder = Path(sys.argv[1])
def command():
    watch = live.Live()
    with silence.asked(folder, watch.silent):
        say('ready')
        WORK
parser.run(command)
"""
HANGS = "(folder / '.lock').open('w')  # no exception would end it"
WORKS = "[watch.progress('images', i, 300) or time.sleep(0.01) for i in range(299)]"
LAST = (
    "the disk has not answered for 1 s: bring it back (is a network share missing?), and --resume"
)


def test_a_command_that_waits_for_the_disk_ends_with_a_line(pipe):
    process = started("-c", RUN + GONE.replace("WORK", HANGS), str(pipe.parent))
    _, errors = process.communicate(timeout=60)
    warned, error = errors.splitlines()
    assert warned == f"jaxens: {pipe.parent}: the disk does not answer"
    assert error.startswith(f"jaxens: error: {pipe.parent}: {LAST}")
    assert process.returncode == 2


@pytest.mark.long
def test_a_command_that_needs_no_disk_goes_on(pipe):
    process = started("-c", RUN + GONE.replace("WORK", WORKS), str(pipe.parent))
    _, errors = process.communicate(timeout=60)
    assert errors == f"jaxens: {pipe.parent}: the disk does not answer\n"
    assert process.returncode == 0


@pytest.mark.long
def test_a_command_whose_messages_hang_ends_too(pipe):
    """Standard error may go to a file on the same disk."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.write(writer, bytes(2**20))  # as many as it takes
    os.set_blocking(writer, True)
    command = [sys.executable, "-c", RUN + GONE.replace("WORK", HANGS), str(pipe.parent)]
    assert subprocess.run(command, stderr=writer, timeout=60, check=False).returncode == 2
    os.close(reader)
    os.close(writer)


@pytest.mark.long
def test_a_process_that_was_stopped_for_long_does_not_blame_the_disk(pipe):
    """Its disk is silent all the time, but it has waited only for a moment of that."""
    process = started(
        "-c", RUN + GONE.replace("WORK", HANGS).replace("= 1", "= 3"), str(pipe.parent)
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGSTOP)
    time.sleep(5)
    process.send_signal(signal.SIGCONT)
    time.sleep(1)
    assert process.poll() is None
    process.kill()
    process.communicate()
