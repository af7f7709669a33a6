"""Which checkpoints Orbax keeps, and where it moves the others."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from orbax.checkpoint import checkpoint_managers

# A folder for old checkpoints, from which we delete them. A process that is killed while it deletes
# one in its place would leave a half, which looks like a damaged checkpoint.
OLD = ".old"


@dataclasses.dataclass
class LastTwoAndBest(checkpoint_managers.PreservationPolicy):
    """Keeps the last two checkpoints, because the older one replaces a damaged one, and the best.

    Attributes:
        scores: Returns the known scores by epoch, or raises `OSError`.
    """

    scores: Callable[[Iterable[int]], dict[int, float]]

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        epochs = [checkpoint.step for checkpoint in checkpoints]
        try:
            scores = self.scores(epochs)
        except OSError:  # one of them may be the best
            return [True] * len(epochs)
        best = max(scores, key=lambda epoch: (scores[epoch], epoch), default=None)
        return [epoch == best or epoch in epochs[-2:] for epoch in epochs]
