"""However steps are arranged, they have the same losses."""

from typing import Any

import numpy as np
import pytest

from jaxens.benchmarks import steps
from jaxens.benchmarks.subject import Subject

pytestmark = pytest.mark.slow


def subject(**settings: Any) -> Subject:
    default = {"members": 2, "image_size": 32, "batch_size": 4, "dtype": "float32"}
    return Subject.make("small", **default | settings)


@pytest.fixture(scope="module")
def losses() -> np.ndarray:
    """Our losses in four steps, [step, member]."""
    trained = steps.together(subject())
    return np.concatenate([trained.call() for _ in range(4)])


def test_single_steps_have_the_losses_of_a_step_of_all(losses: np.ndarray) -> None:
    single = steps.one_by_one(subject())
    stacked = np.stack([np.concatenate(single.call()) for _ in range(2)])
    np.testing.assert_allclose(stacked, losses[:2], rtol=1e-4)


def test_several_steps_in_one_dispatch_have_the_same_losses(
    monkeypatch: pytest.MonkeyPatch, losses: np.ndarray
) -> None:
    monkeypatch.setattr(steps, "steps_at_once", lambda: 3)
    several = steps.together(subject())
    assert several.steps == 3
    np.testing.assert_allclose(several.call(), losses[:3], rtol=1e-3)


def test_heads_train_alike_with_and_without_stored_features() -> None:
    frozen = subject(base="frozen")
    trainings = [steps.together(frozen, precomputed=stored) for stored in (False, True)]
    per_step, per_run = (
        np.concatenate([training.call() for _ in range(3)]) for training in trainings
    )
    np.testing.assert_allclose(per_run, per_step, rtol=1e-5)
    assert (per_step[2] < per_step[0]).all()
