"""Integrated gradients of random models are those of a plain loop.

`JAXENS_RANDOM_MODELS` sets the number of models.
"""

import itertools
import os

import jax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxens import attribution as attr
from tests.attribution.plain_loop import check
from tests.attribution.random_models import Model, models

COUNT = int(os.environ.get("JAXENS_RANDOM_MODELS", "3"))
TESTED = itertools.count(1)


@pytest.mark.slow
@settings(max_examples=COUNT, deadline=None, derandomize=True, database=None)
@given(models(), st.sampled_from(sorted(attr.QUADRATURES)), st.sampled_from([None, 2]))
def test_integrated_gradients_are_those_of_a_plain_loop(
    model: Model, quadrature: str, chunk: int | None
) -> None:
    check(model, quadrature, chunk)
    if not next(TESTED) % 100:
        jax.clear_caches()  # thousands of compiled programs would fill the memory
