"""An evaluation of maps that are known."""

import numpy as np
import pytest

from jaxens.evaluation import evaluate
from tests.evaluation.known import (
    IMAGES,
    MEMBERS,
    PAIR,
    PROTOCOL,
    SETTINGS,
    SIZE,
    WING,
    KnownEnsemble,
    draw,
    draw_logits,
    known_split,
)


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(1)
    masks = np.zeros((IMAGES, SIZE, SIZE), bool)
    for mask, (top, left) in zip(masks, rng.integers(0, 4, (IMAGES, 2)), strict=True):
        mask[top : top + 4, left : left + 3] = True
    points = rng.uniform(0.2, 0.8, (IMAGES, 2))
    return known_split(masks, points, {"wing": np.arange(IMAGES, dtype=np.int32) % 3})


@pytest.fixture(scope="module")
def ensemble():
    return KnownEnsemble((WING,), draw(MEMBERS, 2), draw_logits(MEMBERS))


@pytest.fixture(scope="module")
def evaluation(ensemble, split):
    return evaluate(ensemble, split, methods=PAIR, protocol=PROTOCOL, settings=SETTINGS, orders=3)
