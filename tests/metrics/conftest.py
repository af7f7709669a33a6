"""Fixtures of the tests of metrics."""

from collections.abc import Iterator

import jax
import jaxtyping
import pytest


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    """The metrics must work for users who forbid implicit broadcasting and type promotion."""
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Without runtime type checks, as for a user, so that our own error is raised."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
