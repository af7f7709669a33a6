"""What is hidden about reads that Orbax gave up, and what is not."""

import gc
import logging
import sys

import pytest

from jaxens.runs.orbax_messages import hide_abandoned_reads, hide_failed_writes


@pytest.fixture
def passed_on(monkeypatch):
    """The errors that reach the hook of before."""
    errors: list[BaseException] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda error: errors.append(error.exc_value))
    hide_abandoned_reads.__wrapped__()
    yield errors
    asyncio = logging.getLogger("asyncio")
    asyncio.removeFilter(asyncio.filters[-1])


class Raises:
    def __init__(self, error: BaseException):
        self.error = error

    def __del__(self):
        raise self.error


def test_a_read_that_ends_in_a_closed_loop_is_hidden(passed_on):
    Raises(RuntimeError("Event loop is closed"))
    gc.collect()
    assert passed_on == []


@pytest.mark.parametrize(
    ("file", "hidden"), [("site/orbax/serialization.py", True), ("mine.py", False)]
)
def test_coroutines_of_orbax_alone_are_hidden(passed_on, file, hidden):
    names: dict = {}
    source = (
        "import types\n"
        "@types.coroutine\n"
        "def waits(): yield\n"
        "async def read():\n"
        "    try: await waits()\n"
        "    except GeneratorExit as error: raise ValueError('given up') from error\n"
    )
    exec(compile(source, file, "exec"), names)
    coroutine = names["read"]()
    coroutine.send(None)
    del coroutine
    gc.collect()
    assert [str(error) for error in passed_on] == ([] if hidden else ["given up"])


def test_other_errors_and_log_lines_are_printed_as_before(passed_on, caplog):
    error = ValueError("of the user")
    Raises(error)
    gc.collect()
    assert passed_on == [error]
    log = logging.getLogger("asyncio")
    log.error("Task was destroyed but it is pending!")
    log.error("socket.send() raised exception")
    assert [record.getMessage() for record in caplog.records] == ["socket.send() raised exception"]


def test_a_write_that_fails_in_the_background_is_not_logged_as_well(caplog):
    hide_failed_writes()
    logger = logging.getLogger("absl")
    logger.error("[process=0] Failed to run 4 operations in background save thread, directory: x")
    logger.error("[process=1] _SignalingThread.run() raised an exception: x")
    logger.error("[step=1] Save Finalize thread (save_finalize) failed.")
    logger.error("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]
