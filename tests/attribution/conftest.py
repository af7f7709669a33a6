"""What the tests of attributions share."""

from collections.abc import Iterator
from functools import partial

import jaxtyping
import pytest

from jaxens.attribution.gradient import Model
from tests.reference import twins


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Without the types' checks, as for a user: our own message has to come."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def params() -> twins.Params:
    return twins.params_of(twins.TorchNet())


@pytest.fixture(scope="session")
def network(params: twins.Params) -> Model:
    return partial(twins.logits, params)
