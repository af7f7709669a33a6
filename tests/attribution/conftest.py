"""What the tests of attributions share."""

from collections.abc import Iterator
from functools import partial

import jaxtyping
import pytest

from jaxens.attribution.gradient import Model
from tests.attribution import cnn


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Without the types' checks, as for a user: our own message has to come."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def params() -> cnn.Params:
    return cnn.random_params()


@pytest.fixture(scope="session")
def network(params: cnn.Params) -> Model:
    return partial(cnn.logits, params)
