"""What the tests of attributions share."""

from functools import partial

import pytest

from jaxens.targets import Model
from tests.attribution import cnn


@pytest.fixture(scope="session")
def params() -> cnn.Params:
    return cnn.random_params()


@pytest.fixture(scope="session")
def network(params: cnn.Params) -> Model:
    return partial(cnn.logits, params)
