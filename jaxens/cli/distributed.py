"""Joins the other processes of a job, through JAX's own runtime, and leaves them."""

import atexit
import contextlib
import os
import re
import threading
from collections.abc import Iterator

from jaxens.cli.signals import end_process
from jaxens.errors import UserError

VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
WAIT = 10.0  # seconds in which processes that stop together leave the job
# How JAX reports, as several kinds of errors, that another process can't be reached.
_LOST = re.compile(r"Gloo|NCCL|UNAVAILABLE|DEADLINE_EXCEEDED|ABORTED|Connection (closed|reset)")


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

    After an error, JAX would wait for minutes for the others. This process leaves at once, or
    together with those that stop within `WAIT` seconds.

    Raises:
        UserError: If another process has ended or can't be reached.
    """
    if not distributed:
        yield True
        return
    first = join()
    try:
        with _lost_processes():
            yield first
    except BaseException as error:
        atexit.register(_leave, getattr(error, "code", 2 if isinstance(error, UserError) else 1))
        raise


@contextlib.contextmanager
def _lost_processes() -> Iterator[None]:
    """Raises `UserError` for an error of JAX that says that another process can't be reached."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        if not _LOST.search(str(error)):
            raise
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"another process of this job has ended or can't be reached ({reason}): see what it "
            "printed, and start all of them again, with `resume` auto"
        ) from None


def _leave(code: int) -> None:
    """Leaves the job and ends this process.

    Python calls exit functions in reverse order, so this one, registered last, is called first.
    """
    import jax

    leaving = threading.Thread(target=jax.distributed.shutdown, daemon=True)
    leaving.start()
    leaving.join(WAIT)
    end_process(code)
