"""Hides Orbax's messages about aborted reads, and about writes whose error is raised too."""

import functools
import logging
import sys
import types

_OF_FAILED_WRITES = (
    "background save thread",
    "_SignalingThread.run() raised",
    "Save Finalize thread",
    "Metadata file does not exist",
)


@functools.cache
def hide_abandoned_reads() -> None:
    """Hides, from now on, what Python prints about Orbax's aborted reads.

    Orbax starts the reads of all arrays at once, and gives them up at the first error. They end
    in TensorStore's threads at any later time, each with a dozen lines about a coroutine or a
    closed event loop. So what hides them stays; everything else is printed as before.
    """
    before = sys.unraisablehook

    def hook(error: "sys.UnraisableHookArgs") -> None:
        if not _is_abandoned(error):
            before(error)

    sys.unraisablehook = hook
    logging.getLogger("asyncio").addFilter(lambda record: "Task" not in record.getMessage())


@functools.cache
def hide_failed_writes() -> None:
    """Hides, from now on, what Orbax logs about a write that fails in the background.

    It raises the same error when the write is waited for, and the command says it in one line.
    """

    def shown(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return not any(part in text for part in _OF_FAILED_WRITES)

    logging.getLogger("absl").addFilter(shown)


def _is_abandoned(error: "sys.UnraisableHookArgs") -> bool:
    if isinstance(error.object, types.CoroutineType):
        return "orbax" in error.object.cr_code.co_filename
    return str(error.exc_value) == "Event loop is closed"
