"""Receives the progress of a training."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxens.ensemble.quality import Quality
from jaxens.training.layout import MeshLayout


class Watch:
    """Receives the progress of a training, and ignores it. Override the methods that you need."""

    def progress(self, description: str, done: int, total: int) -> None:
        """Called while data are prepared or read: `done` of `total` images."""

    def begin(self, steps: int, done: int, epochs: int, layout: MeshLayout) -> None:
        """Called before the first step.

        Args:
            steps: The steps of the whole training.
            done: Steps that an earlier process took.
            epochs: The epochs of the whole training.
            layout: How many devices share the members, and how many the images.
        """

    def step(self, epoch: int, losses: Float[np.ndarray, "member"], speed: float) -> None:
        """Called after each step.

        Args:
            epoch: The first is 1.
            losses: The losses of each member.
            speed: In member-images per second.
        """

    def epoch(
        self,
        epoch: int,
        losses: Float[np.ndarray, "member"],
        speed: float,
        validation: Sequence[Quality],
    ) -> None:
        """Called after each epoch.

        Args:
            epoch: The first is 1.
            losses: The losses of each member, averaged over the steps of the epoch.
            speed: In member-images per second.
            validation: Scores of the validation images, one per task.
        """

    def end(self) -> None:
        """Called after the last epoch, or after an error."""
