"""Joins the other processes of a job, through JAX's own runtime."""

import os

from jaxens.errors import UserError

VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


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
