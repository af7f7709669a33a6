"""How Orbax writes the arrays of a state, and reads them."""

from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from jaxens.runs.processes import of_process_0
from jaxens.runs.shards import Others


def registry(others: Others) -> ocp.handlers.CheckpointHandlerRegistry:
    """Returns how process 0 saves and reads a state."""
    registry = ocp.handlers.DefaultCheckpointHandlerRegistry()
    of_state = handler(_WithOthers(others))
    for args in (ocp.args.PyTreeSave, ocp.args.PyTreeRestore):
        registry.add("state", args, of_state)
    return registry


def handler(arrays: ocp.type_handlers.ArrayHandler | None = None) -> ocp.PyTreeCheckpointHandler:
    """Returns how a process writes a state. By default, Orbax would first copy arrays of the host.

    Args:
        arrays: Writes the arrays on devices (None: as processes other than 0 do).
    """
    types = ocp.type_handlers.create_type_handler_registry(
        (np.ndarray, ocp.type_handlers.NumpyHandler(deepcopy_host_arrays=False)),
        (jax.Array, arrays or ocp.type_handlers.ArrayHandler()),
    )
    return ocp.PyTreeCheckpointHandler(
        multiprocessing_options=of_process_0(), type_handler_registry=types
    )


class _WithOthers(ocp.type_handlers.ArrayHandler):
    """Writes the shards of process 0, and waits until the others have written theirs."""

    def __init__(self, others: Others):
        super().__init__()
        self._others = others

    async def serialize(self, values: Any, infos: Any, args: Any = None) -> Any:
        """Starts to write arrays; see Orbax."""
        theirs = self._others.write_into(infos[0].parent_dir)
        return [*await super().serialize(values, infos, args), *theirs]


def to_host(fields: Any) -> ocp.args.PyTreeRestore:
    """Returns how such arrays are read: into the memory of the host, wherever they once were."""
    args = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), fields)
    return ocp.args.PyTreeRestore(fields, restore_args=args)
