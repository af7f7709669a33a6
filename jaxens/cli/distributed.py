"""Joins the other processes of a job, through JAX's own runtime, and leaves them."""

import atexit
import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator

from jaxens.cli.signals import (
    Stopped,
    end_now,
    end_process,
    ignore,
    is_stopping,
    message_of,
    stop,
)
from jaxens.errors import UserError
from jaxens.runs.store import heard, tell

VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
WAIT = 10.0  # seconds in which processes leave the job, or hear that process 0 still saves
LOOK_AGAIN = 1.0  # seconds between looks at whether another process has stopped
BLOCKED = 5.0  # seconds to stop after another process; less than `WAIT`
# Keys in the store that processes of a job share.
STOPPED = "jaxens/stopped"  # the number of the signal that has stopped a process
ENDING = "jaxens/ending"  # process 0 was stopped; it saves and uploads without the others
LEAVING = "jaxens/leaving"  # process 0 has saved and uploaded
# How JAX reports, as several kinds of errors, that another process can't be reached.
_LOST = re.compile(r"Gloo|NCCL|UNAVAILABLE|DEADLINE_EXCEEDED|ABORTED|Connection (closed|reset)")


class LostProcessError(UserError):
    """Another process of this job has ended or can't be reached."""


def join() -> bool:
    """Joins the processes of this job. Call it before anything uses a device.

    JAX finds those of SLURM, Kubernetes, a TPU pod or Open MPI. `launch/local.sh` names them by
    three environment variables: the address of process 0, the number of processes, and the number
    of this one.

    Returns:
        Whether this is process 0, which prints and writes.

    Raises:
        UserError: If there are no others to find, or they don't answer.
    """
    import jax

    # JAX's service for preemption would take SIGTERM, and our handler would never be called.
    jax.config.update("jax_enable_preemption_service", False)
    address, count, number = (os.environ.get(name) for name in VARIABLES)
    try:
        if address and count and number:
            jax.distributed.initialize(address, int(count), int(number))
        else:
            jax.distributed.initialize()
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"`distributed`: no other processes can be joined ({reason}): start them by a script "
            f"of launch/, or set {', '.join(VARIABLES)}"
        ) from None
    return jax.process_index() == 0


@contextlib.contextmanager
def job(distributed: bool) -> Iterator[bool]:
    """Yields whether this process is the first of its job. A job that is not distributed has one.

    At the end, all processes leave the job together. The others stay until process 0 has saved and
    uploaded, because JAX ends it if one of them is gone. After an error, this process leaves at
    once, or together with those that stop within `WAIT` seconds. If a signal stops one process, it
    stops the others too.

    Raises:
        LostProcessError: If another process has ended or can't be reached.
    """
    if not distributed:
        yield True
        return
    import jax

    first = join()
    try:
        with _lost_processes(), _stopped_together():
            yield first
            if first:
                tell(LEAVING, 1)
            while not heard(LEAVING):  # JAX's own wait, below, gives up after five minutes
                time.sleep(LOOK_AGAIN)
        with _lost_processes():
            jax.distributed.shutdown()
    except LostProcessError:
        atexit.register(end_process, 2)  # without JAX's shutdown, which would wait for the lost one
        raise
    except BaseException as error:
        code = getattr(error, "code", 2 if isinstance(error, UserError) else 1)
        atexit.register(_leave, code, isinstance(error, Stopped))
        raise


@contextlib.contextmanager
def _lost_processes() -> Iterator[None]:
    """Raises `LostProcessError` for JAX's errors about a process that can't be reached."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        if not _LOST.search(str(error)):
            raise
        reason = " ".join(str(error).split())[:200]
        raise LostProcessError(
            f"another process of this job has ended or can't be reached ({reason}): see what it "
            "printed, and start all of them again, with `resume` auto"
        ) from None


@contextlib.contextmanager
def _stopped_together() -> Iterator[None]:
    """Stops all processes of the job when a signal stops one of them.

    Training asks through the devices, after each dispatch, and stops all at the same step. But a
    process that prepares data or compiles ends at once. The others would wait for it at the next
    question, or be aborted by JAX. They look into the store that JAX keeps for the job.
    """
    import jax

    first, done = jax.process_index() == 0, threading.Event()

    def look() -> None:
        while not done.wait(LOOK_AGAIN):
            if first and is_stopping():
                _tell(ENDING)
                return
            if number := _heard(STOPPED):
                stop(number)
                # The others may wait for an answer that never comes.
                if not first and not done.wait(BLOCKED):
                    _stay()
                    end_now(number, "")

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield
    except Stopped as stopped:
        _tell(STOPPED, stopped.code - 128)
        raise
    except (ValueError, RuntimeError) as error:
        # A process that waited for the stopped one has only noted the signal, or not handled it.
        if _LOST.search(str(error)) and (number := _heard(STOPPED)):
            raise Stopped(message_of(number), number) from None
        raise
    finally:
        done.set()
        looking.join(LOOK_AGAIN)


def _tell(key: str, number: int = 1) -> None:
    with contextlib.suppress(RuntimeError):  # process 0 is gone
        tell(key, number)


def _heard(key: str) -> int:
    """Returns the number under a key of the store; 0 if there is none, or process 0 is gone."""
    try:
        return heard(key) or 0
    except RuntimeError:
        return 0


def _stay() -> bool:
    """Waits while process 0 saves or uploads: JAX would end it if this process left the job.

    Returns:
        Whether process 0 leaves the job now. If not, it is gone, or it waits for this process in a
        computation, and will only go on when this process has ended.
    """
    until = time.monotonic() + WAIT
    while not (leaving := _heard(LEAVING)):
        if time.monotonic() > until and not _heard(ENDING):
            break
        time.sleep(LOOK_AGAIN)
    return bool(leaving)


def _leave(code: int, stopped: bool) -> None:
    """Leaves the job and ends this process.

    Python calls exit functions in reverse order, so this one, registered last, is called first.
    """
    import jax

    if jax.process_index() == 0:
        _tell(LEAVING)
    elif stopped and not _stay():
        end_process(code)
    ignore()
    leaving = threading.Thread(target=jax.distributed.shutdown, daemon=True)
    leaving.start()
    leaving.join(WAIT)
    end_process(code)
