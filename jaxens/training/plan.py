"""Which training pictures each member sees at each step: the three ways to diversity.

A plan is a pure function of the step, so that a run can go on from any step, and a stream
can fetch any step in any order.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Self

import numpy as np
from jaxtyping import Int32

Diversity = Literal["random-weights", "leave-one-out", "bagging"]


class Plan:
    """`plan(step)` gives the pictures of a step, int32: [batch] when all members share them,
    [member, batch] when each has its own.

    Each member walks through random orders of its own pictures, one order after another,
    so that it sees each of them once (in bagging: as often as it was drawn) before any again.
    """

    def __init__(self, own: list[Int32[np.ndarray, "_"]], batch: int, seed: int, shared: bool):
        self.own = own  # one member's pictures each; a single row when all share them
        self.batch = batch
        self.seed = seed
        self.shared = shared
        self._order = lru_cache(maxsize=2 * len(own))(self._make_order)

    @classmethod
    def make(cls, diversity: Diversity, members: int, pictures: int, batch: int, seed: int) -> Self:
        """A plan for `members` and, unless they share their pictures, one more, the last:
        the baseline trained on all of them (Pazzani et al. 2022, section 5).

        - random-weights: all see the same batches.
        - leave-one-out: the pictures are dealt into `members` buckets; member k never sees
          bucket k.
        - bagging: each member draws as many pictures as there are, with replacement.
        """
        everything = np.arange(pictures, dtype=np.int32)
        if diversity == "random-weights":
            return cls([everything], batch, seed, shared=True)
        if diversity == "leave-one-out":
            buckets = bucket_of(pictures, members, seed)
            own = [everything[buckets != k] for k in range(members)]
        else:
            own = [
                _rng(seed, 1, k).integers(0, pictures, pictures, dtype=np.int32)
                for k in range(members)
            ]
        return cls([*own, everything], batch, seed, shared=False)

    def __call__(self, step: int) -> Int32[np.ndarray, "batch"] | Int32[np.ndarray, "member batch"]:
        rows = [self._row(k, step) for k in range(len(self.own))]
        return rows[0] if self.shared else np.stack(rows)

    def _row(self, member: int, step: int) -> Int32[np.ndarray, "batch"]:
        position = np.arange(step * self.batch, (step + 1) * self.batch)
        passes, offset = np.divmod(position, len(self.own[member]))
        return np.stack(
            [self._order(member, int(p))[o] for p, o in zip(passes, offset, strict=True)]
        )

    def _make_order(self, member: int, passes: int) -> Int32[np.ndarray, "_"]:
        return _rng(self.seed, 2, member, passes).permutation(self.own[member])

    def __getstate__(self) -> tuple:  # a stream's workers get a copy, without the orders
        return self.own, self.batch, self.seed, self.shared

    def __setstate__(self, state: tuple) -> None:
        self.__init__(*state)  # type: ignore[misc]


@dataclass(frozen=True)
class InOrder:
    """A plan that goes through all pictures once, `batch` at a step, int32 [batch].

    The last batch is filled up from the first pictures.
    """

    pictures: int
    batch: int

    def __call__(self, step: int) -> Int32[np.ndarray, "batch"]:
        rows = np.arange(step * self.batch, (step + 1) * self.batch, dtype=np.int32)
        return rows % self.pictures


def bucket_of(pictures: int, buckets: int, seed: int) -> Int32[np.ndarray, "pictures"]:
    """The bucket that each picture is dealt into; sizes differ by one at most."""
    deal = np.arange(pictures, dtype=np.int32) % buckets
    return _rng(seed, 0).permutation(deal)


def _rng(seed: int, *purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, *purpose])
