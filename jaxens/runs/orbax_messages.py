"""Hides Orbax's messages about aborted reads."""

import functools
import logging
import sys
import types


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


def _is_abandoned(error: "sys.UnraisableHookArgs") -> bool:
    if isinstance(error.object, types.CoroutineType):
        return "orbax" in error.object.cr_code.co_filename
    return str(error.exc_value) == "Event loop is closed"
