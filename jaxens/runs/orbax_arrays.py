"""How Orbax writes the arrays of a state, and reads them."""

from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from jaxens.runs.processes import of_process_0


def handlers() -> ocp.handlers.CheckpointHandlerRegistry:
    """Returns how a state is written. By default, Orbax would first copy arrays of the host."""
    arrays = ocp.type_handlers.create_type_handler_registry(
        (np.ndarray, ocp.type_handlers.NumpyHandler(deepcopy_host_arrays=False)),
        (jax.Array, ocp.type_handlers.get_type_handler(jax.Array)),
    )
    handler = ocp.PyTreeCheckpointHandler(
        multiprocessing_options=of_process_0(), type_handler_registry=arrays
    )
    registry = ocp.handlers.DefaultCheckpointHandlerRegistry()
    for args in (ocp.args.PyTreeSave, ocp.args.PyTreeRestore):
        registry.add("state", args, handler)
    return registry


def to_host(fields: Any) -> ocp.args.PyTreeRestore:
    """Returns how such arrays are read: into the memory of the host, wherever they once were."""
    args = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), fields)
    return ocp.args.PyTreeRestore(fields, restore_args=args)
