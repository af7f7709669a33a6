"""Every test runs with the compilation cache on: most of their time is XLA's."""

import tempfile
from pathlib import Path

import jax

CACHE = Path(tempfile.gettempdir()) / "jaxens-tests-xla"
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
