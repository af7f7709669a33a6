"""Settings of the process: a persistent compilation cache, and a malloc that keeps memory."""

import ctypes
import logging
import os
import sys
import tempfile
import warnings
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import jax

from jaxens.data.settings import default_cache
from jaxens.errors import UserError

log = logging.getLogger(__name__)

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # parameters of mallopt in glibc's malloc.h


def use_cache() -> None:
    """Keeps compiled programs between runs, in JAX's cache folder or else in ours.

    A folder that can't be used is named in one line, in place of a warning for each program.
    """
    warnings.filterwarnings("ignore", r"Error (reading|writing) persistent compilation cache")
    folder = jax.config.values["jax_compilation_cache_dir"]
    if folder is None:
        try:
            folder = str(default_cache() / "xla")
        except UserError:  # without a home folder, nothing is kept
            return
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    if "://" in folder:  # in the cloud
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        # A folder that can't be written to may still be readable.
        jax.config.update("jax_enable_compilation_cache", os.access(folder, os.R_OK | os.X_OK))
        log.warning(f"{folder} can't be used ({error.strerror}): compiled programs are not kept")


def keep_memory() -> None:
    """Makes glibc keep freed memory: about a tenth off a ResNet-18 training step on a CPU.

    XLA:CPU allocates temporaries in each step. By default glibc returns large ones to the kernel,
    which then has to clear every page again. One arena that never shrinks avoids that. Call this
    before JAX starts its threads: later, it gains nothing, because they have arenas already.

    All threads then share one lock, and the process keeps the most memory that it ever used. Does
    nothing if JAX may run on an accelerator, if MALLOC_ARENA_MAX is set, or without glibc (macOS,
    Windows, other C libraries).
    """
    if not _is_for_cpu():
        return
    if not sys.platform.startswith("linux") or "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, -1)


def _is_for_cpu() -> bool:
    """Returns whether JAX will run on a CPU, without starting it.

    Where no platform is set, an accelerator needs a plugin of JAX, or libtpu.
    """
    platforms = jax.config.values["jax_platforms"]
    if platforms:
        return platforms.split(",")[0] == "cpu"
    plugins = find_spec("jax_plugins") or find_spec("libtpu")
    return plugins is None and not entry_points(group="jax_plugins")
