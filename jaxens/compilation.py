"""JAX's persistent compilation cache, so that a second run starts at once."""

import jax

from jaxens.data.opening import default_cache


def use_cache() -> None:
    """Keeps compiled programs between runs, unless JAX was already told where to."""
    if jax.config.values["jax_compilation_cache_dir"] is None:
        jax.config.update("jax_compilation_cache_dir", str(default_cache() / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
