"""Every test runs with the compilation cache on: most of their time is XLA's."""

import os

# Before JAX starts: small programs run once, so what XLA saves by not optimising them is more
# than what they lose. Numbers are compared with references, not with optimised ones.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax
import pytest


def pytest_configure(config: pytest.Config) -> None:
    jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("xla")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
