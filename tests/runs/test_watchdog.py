"""A disk that hangs: the warnings, and how a command ends.

A named pipe takes the place of a run's lock file. Opening it hangs until another program reads it.
"""

import os
import signal
import subprocess
import sys
import time
from threading import Event

import pytest

from jaxens.files import LOCK
from jaxens.runs import watchdog
from tests.cli.test_signals import RUN, started


@pytest.fixture
def pipe(tmp_path, monkeypatch):
    monkeypatch.setattr(watchdog, "CHECK", 0.01)
    monkeypatch.setattr(watchdog, "WARN", 0.1)
    os.mkfifo(tmp_path / LOCK)
    yield tmp_path / LOCK
    respond(tmp_path / LOCK)  # a thread may still wait


def respond(pipe):
    return os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)


def wait_until(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_warning_says_that_a_disk_hangs_and_another_one_that_it_responds_again(pipe, caplog):
    calls = []
    with watchdog.watchdog(pipe.parent, lambda *call: calls.append(call)):
        wait_until(lambda: len(calls) > 2)
        respond(pipe)
        wait_until(lambda: len(caplog.messages) == 2)
    assert calls[:3] == [(pipe.parent, pytest.approx(0.1 * count)) for count in (1, 2, 3)]
    assert caplog.messages == [
        f"{pipe.parent}: the disk does not respond",
        f"{pipe.parent}: the disk responds again",
    ]


@pytest.mark.parametrize("error", [None, OSError(28, "No space left on device"), MemoryError()])
def test_an_error_is_a_response(tmp_path, monkeypatch, caplog, error):
    checks = []

    def open_(*_):
        checks.append(error)
        if error is not None:
            raise error
        return os.dup(0)

    monkeypatch.setattr(watchdog, "CHECK", 0.01)
    monkeypatch.setattr(watchdog, "WARN", 5)
    monkeypatch.setattr(watchdog.os, "open", open_)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    with watchdog.watchdog(tmp_path, pytest.fail):
        wait_until(lambda: len(checks) > 2)
    assert caplog.messages == []


def test_nobody_asks_without_a_folder_or_after_the_end(tmp_path, monkeypatch):
    checks = []
    monkeypatch.setattr(watchdog, "CHECK", 0.01)
    monkeypatch.setattr(watchdog, "_check", lambda folder, response: checks.append(response.set()))
    with watchdog.watchdog(None, pytest.fail):
        Event().wait(0.1)
    assert not checks
    with watchdog.watchdog(tmp_path, pytest.fail):
        wait_until(lambda: checks)
    Event().wait(0.1)
    number = len(checks)
    Event().wait(0.1)
    assert len(checks) == number


COMMAND = """
import os, sys, threading
from pathlib import Path
from jaxens.cli import live
from jaxens.runs import watchdog
watchdog.CHECK = watchdog.WARN = 0.2
live.GIVE_UP = 1
folder = Path(sys.argv[1])
def command():
    watch = live.Live()
    with watchdog.watchdog(folder, watch.disk_hangs):
        say('ready')
        WORK
parser.run(command)
"""
HANGS = "(folder / '.lock').open('w')  # no exception would end it"
WORKS = "[watch.progress('images', i, 300) or time.sleep(0.01) for i in range(299)]"
LAST = (
    "the disk has not responded for 1 s: bring it back (is a network share missing?), and --resume"
)


def test_a_command_that_waits_for_the_disk_ends_with_a_line(pipe):
    process = started("-c", RUN + COMMAND.replace("WORK", HANGS), str(pipe.parent))
    _, errors = process.communicate(timeout=60)
    warned, error = errors.splitlines()
    assert warned == f"jaxens: {pipe.parent}: the disk does not respond"
    assert error.startswith(f"jaxens: error: {pipe.parent}: {LAST}")
    assert process.returncode == 2


@pytest.mark.long
def test_a_command_that_needs_no_disk_goes_on(pipe):
    process = started("-c", RUN + COMMAND.replace("WORK", WORKS), str(pipe.parent))
    _, errors = process.communicate(timeout=60)
    assert errors == f"jaxens: {pipe.parent}: the disk does not respond\n"
    assert process.returncode == 0


@pytest.mark.long
def test_a_command_whose_messages_hang_ends_too(pipe):
    """Standard error may be written to a file on the same disk, which hangs too."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.write(writer, bytes(2**20))  # as many as it takes
    os.set_blocking(writer, True)
    command = [sys.executable, "-c", RUN + COMMAND.replace("WORK", HANGS), str(pipe.parent)]
    assert subprocess.run(command, stderr=writer, timeout=60, check=False).returncode == 2
    os.close(reader)
    os.close(writer)


@pytest.mark.long
def test_a_process_that_was_stopped_for_long_does_not_blame_the_disk(pipe):
    """The disk hangs all the time, but the process has waited only for a moment of it."""
    process = started(
        "-c", RUN + COMMAND.replace("WORK", HANGS).replace("= 1", "= 3"), str(pipe.parent)
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGSTOP)
    time.sleep(5)
    process.send_signal(signal.SIGCONT)
    time.sleep(1)
    assert process.poll() is None
    process.kill()
    process.communicate()
