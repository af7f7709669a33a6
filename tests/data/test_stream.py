from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from jaxens.data.cub import builder as cub
from jaxens.data.source import Source, load
from jaxens.data.split import Split
from jaxens.data.stream import batches
from tests.data import tiny_cub

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tmp_path_factory.mktemp("birds")
    return Source(cub.prepare(tiny_cub.write(folder), folder / "cache"), "train", 12)


@pytest.fixture(scope="module")
def split(source: Source) -> Split:
    return load(source)


@dataclass(frozen=True)
class RandomPlan:
    """A plan that draws with replacement, so that images repeat within a batch."""

    shape: tuple[int, ...]
    images: int = 12

    def __call__(self, step: int) -> np.ndarray:
        return np.random.default_rng(step).integers(self.images, size=self.shape, dtype=np.int32)


def _assert_same(streamed: Iterable[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    got = list(streamed)
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a["images"], b["images"])
        assert a["labels"].keys() == b["labels"].keys()
        for name, values in a["labels"].items():
            assert values.dtype == np.int32
            np.testing.assert_array_equal(values, b["labels"][name])


def _gather(split: Split, plan: RandomPlan, steps: range) -> list[dict[str, Any]]:
    return [
        {
            "images": split.images[plan(step)],
            "labels": {name: values[plan(step)] for name, values in split.labels.items()},
        }
        for step in steps
    ]


@pytest.mark.parametrize("shape", [(6,), (3, 8)])
def test_a_stream_equals_gathering_from_memory(
    source: Source, split: Split, shape: tuple[int, ...]
) -> None:
    plan = RandomPlan(shape)
    _assert_same(batches(source, plan, 0, 7), _gather(split, plan, range(7)))


def test_worker_processes_give_the_same_stream(source: Source, split: Split) -> None:
    plan = RandomPlan((2, 4))
    _assert_same(batches(source, plan, 2, 7, workers=2), _gather(split, plan, range(2, 7)))


def test_a_stream_continues_an_earlier_one(source: Source) -> None:
    plan = RandomPlan((6,))
    whole = list(batches(source, plan, 0, 6))
    _assert_same(batches(source, plan, 4, 6), whole[4:])


def test_an_image_that_several_members_draw_is_decoded_once(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    example = Source.example
    monkeypatch.setattr(
        Source, "example", lambda self, index: read.append(index) or example(self, index)
    )
    plan = RandomPlan((5, 8))
    next(iter(batches(source, plan, 0, 1)))
    assert sorted(read) == sorted(set(plan(0).ravel().tolist()))
