"""Which training images each member sees at each step: the three ways to diversity.

A plan is a pure function of the step. So a run can continue from any step, and a stream can
fetch steps in any order.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from jaxtyping import Int32

from jaxens.training.settings import Diversity


class Plan:
    """The rows of the training set that make up each step.

    `plan(step)` returns int32 row numbers: [batch] if all members share their batches, else
    [member, batch].

    Each member passes through its rows in random orders. It sees each row once per pass (in
    bagging: as often as the row was drawn).

    Attributes:
        rows: The rows of each member; a single entry if all members share their batches.
        batch: Images per member and step.
        seed: The seed of the random orders.
        shared: Whether all members share their batches.
    """

    def __init__(self, rows: list[Int32[np.ndarray, "_"]], batch: int, seed: int, shared: bool):
        self.rows = rows
        self.batch = batch
        self.seed = seed
        self.shared = shared
        self._order = lru_cache(maxsize=2 * len(rows))(self._make_order)

    @classmethod
    def make(cls, diversity: Diversity, members: int, images: int, batch: int, seed: int) -> Self:
        """Returns the plan of an ensemble (Pazzani et al. 2022, section 5).

        Args:
            diversity: "random-weights": all members see the same batches. "leave-one-out": the
                images are dealt into `members` buckets, and member k never sees bucket k.
                "bagging": each member draws as many images as there are, with replacement. The
                last two add one more member at the end, the baseline trained on all images.
            members: The number of members, without the baseline.
            images: The number of training images.
            batch: Images per member and step.
            seed: The seed of all random draws.
        """
        everything = np.arange(images, dtype=np.int32)
        if diversity == "random-weights":
            return cls([everything], batch, seed, shared=True)
        if diversity == "leave-one-out":
            buckets = bucket_of(images, members, seed)
            rows = [everything[buckets != k] for k in range(members)]
        else:
            rows = [
                _rng(seed, 1, k).integers(0, images, images, dtype=np.int32) for k in range(members)
            ]
        return cls([*rows, everything], batch, seed, shared=False)

    def __call__(self, step: int) -> Int32[np.ndarray, "batch"] | Int32[np.ndarray, "member batch"]:
        batches = [self._batch(k, step) for k in range(len(self.rows))]
        return batches[0] if self.shared else np.stack(batches)

    def _batch(self, member: int, step: int) -> Int32[np.ndarray, "batch"]:
        position = np.arange(step * self.batch, (step + 1) * self.batch)
        passes, offset = np.divmod(position, len(self.rows[member]))
        return np.stack(
            [self._order(member, int(p))[o] for p, o in zip(passes, offset, strict=True)]
        )

    def _make_order(self, member: int, passes: int) -> Int32[np.ndarray, "_"]:
        return _rng(self.seed, 2, member, passes).permutation(self.rows[member])

    def __getstate__(self) -> tuple:  # a stream's workers get a copy, without the orders
        return self.rows, self.batch, self.seed, self.shared

    def __setstate__(self, state: tuple) -> None:
        self.__init__(*state)  # type: ignore[misc]


@dataclass(frozen=True)
class InOrder:
    """A plan that passes once through some images, in their order.

    `plan(step)` returns int32 row numbers [batch]. The last batch is filled up with the first
    images.

    Attributes:
        rows: The rows of the images.
        batch: Images per step.
    """

    rows: Int32[np.ndarray, "image"]
    batch: int

    def __call__(self, step: int) -> Int32[np.ndarray, "batch"]:
        places = np.arange(step * self.batch, (step + 1) * self.batch)
        return self.rows[places % len(self.rows)]


def bucket_of(images: int, buckets: int, seed: int) -> Int32[np.ndarray, "images"]:
    """Returns the bucket that each image is dealt into; their sizes differ by at most one."""
    deal = np.arange(images, dtype=np.int32) % buckets
    return _rng(seed, 0).permutation(deal)


def _rng(seed: int, *purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, *purpose])
