"""The key-value store that JAX keeps, in process 0, for the processes of a job."""

import json
from typing import Any


def tell(key: str, value: Any) -> None:
    """Stores a JSON value under a key. An earlier value is replaced.

    Raises:
        RuntimeError: If process 0 is gone, or this process has left the job.
    """
    _client().key_value_set(key, json.dumps(value), allow_overwrite=True)


def heard(key: str) -> Any:
    """Returns the value that a process has stored under a key; None if there is none yet.

    Raises:
        RuntimeError: If process 0 is gone, or this process has left the job.
    """
    try:
        return json.loads(_client().key_value_try_get(key))
    except RuntimeError as error:
        if "NOT_FOUND" in str(error):
            return None
        raise


def _client() -> Any:
    from jax._src.distributed import global_state  # JAX 0.10 has no public name for it

    if global_state.client is None:
        raise RuntimeError("this process has left its job")
    return global_state.client
