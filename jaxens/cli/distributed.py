"""Joins the other processes of a job, through JAX's own runtime, and leaves them."""

import atexit
import contextlib
import os
import re
import threading
from collections.abc import Iterator

from jaxens.cli.signals import end_process, ignore
from jaxens.errors import UserError

VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
WAIT = 10.0  # seconds in which processes that stop together leave the job
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

    At the end, all processes leave the job together: process 0 may have more to do, and JAX ends
    all of them if one waits for the others for five minutes. After an error, this process leaves at
    once, or together with those that stop within `WAIT` seconds.

    Raises:
        LostProcessError: If another process has ended or can't be reached.
    """
    if not distributed:
        yield True
        return
    import jax

    first = join()
    try:
        with _lost_processes():
            yield first
            jax.distributed.shutdown()
    except LostProcessError:
        atexit.register(end_process, 2)  # without JAX's shutdown, which would wait for the lost one
        raise
    except BaseException as error:
        atexit.register(_leave, getattr(error, "code", 2 if isinstance(error, UserError) else 1))
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


def _leave(code: int) -> None:
    """Leaves the job and ends this process.

    Python calls exit functions in reverse order, so this one, registered last, is called first.
    """
    import jax

    ignore()
    leaving = threading.Thread(target=jax.distributed.shutdown, daemon=True)
    leaving.start()
    leaving.join(WAIT)
    end_process(code)
