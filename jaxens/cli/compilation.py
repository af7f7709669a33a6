"""What makes compiled programs start and run at once: a cache of them, and memory kept at hand."""

import ctypes
import os
import sys
from pathlib import Path

import jax

from jaxens.data.settings import default_cache

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # of glibc's malloc.h
_MADV_HUGEPAGE = 14  # of Linux's mman.h
_GROWTH = 0.75  # of the machine's memory


def use_cache() -> None:
    """Keeps compiled programs between runs, unless JAX was already told where to."""
    if jax.config.values["jax_compilation_cache_dir"] is None:
        jax.config.update("jax_compilation_cache_dir", str(default_cache() / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def keep_memory() -> None:
    """Keeps what a step has freed for the next one, on Linux. Call it before threads are started.

    XLA:CPU allocates each step's temporaries anew, and glibc takes large ones from the kernel,
    which clears every page of each: a fifth of a training step of 11 ResNet-18 at 64 px. Held
    in the one arena that can grow without end, they cost nothing. (Other arenas, of other
    threads, map what is large whatever they are told.) That arena comes in huge pages where the
    kernel has them: it is settled after two steps instead of ten, and a step of 11 ResNet-18 at
    64 px takes a tenth less.

    In return all threads share one lock, and the process keeps the most that it ever held; set
    MALLOC_ARENA_MAX to have it otherwise. Does nothing where the C library is another.
    """
    if not sys.platform.startswith("linux") or "MALLOC_ARENA_MAX" in os.environ:
        return
    libc = ctypes.CDLL(None)
    mallopt = getattr(libc, "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, -1)
        if not _addresses_are_limited():
            _ask_for_huge_pages(libc)


def _addresses_are_limited() -> bool:
    """Whether addresses are limited, or taken for memory, before any of it is used."""
    import resource  # not on Windows

    limits = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    if any(resource.getrlimit(each)[0] != resource.RLIM_INFINITY for each in limits):
        return True
    try:
        return Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "2"
    except OSError:
        return True


def _ask_for_huge_pages(libc: ctypes.CDLL) -> None:
    """For the arena as it may grow: the kernel is asked for addresses, not yet for memory."""
    page = os.sysconf("SC_PAGE_SIZE")
    length = int(_GROWTH * os.sysconf("SC_PHYS_PAGES")) * page
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if block := libc.malloc(length):
        first = -(-block // page) * page
        libc.madvise(first, (block + length - first) // page * page, _MADV_HUGEPAGE)
        libc.free(block)
