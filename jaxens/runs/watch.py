"""What a training reports while it runs."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxens.ensemble.quality import Quality


class Watch:
    """Receives the progress of a training. This one ignores it: override what you need."""

    def progress(self, description: str, done: int, total: int) -> None:
        """Data are prepared or read: `done` of `total` images."""

    def begin(self, steps: int, done: int, epochs: int) -> None:
        """Training begins: `done` of `steps` steps were taken by an earlier process."""

    def step(self, epoch: int, losses: Float[np.ndarray, "member"], speed: float) -> None:
        """A step is done; `speed` is in member-images per second."""

    def epoch(
        self,
        epoch: int,
        losses: Float[np.ndarray, "member"],
        speed: float,
        validation: Sequence[Quality],
    ) -> None:
        """An epoch is done; `losses` are means over its steps."""

    def end(self) -> None:
        """Training ended, or failed."""
