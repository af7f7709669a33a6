"""What is known of the training of an ensemble: its data set, and the checkpoint it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from jaxens.data.schema import Info
from jaxens.runs.run import Run
from jaxens.training.settings import Augment

FOLDERS = ("data_dir", "layout", "cache_dir")  # fields of `Data`: paths of one machine


@dataclass(frozen=True)
class Origin:
    """Where an ensemble comes from.

    Attributes:
        info: Of the data set.
        data: The fields of the settings of the data set, `Data`; an export has no folders.
        augment: How training images were changed.
        fingerprint: Of the data set.
        checkpoint: The checkpoint, in words.
    """

    info: Info
    data: Mapping[str, Any]
    augment: Augment
    fingerprint: str
    checkpoint: str

    @classmethod
    def of_run(cls, run: Run) -> Self:
        """Returns the origin of the ensemble that was loaded from a run last."""
        config = run.config
        data, chosen = vars(config.data), run.checkpoints.chosen
        return cls(run.info, data, config.augment, run.record["data"], chosen)

    @property
    def image_size(self) -> int:
        """Returns the side of the training images, in pixels."""
        return int(self.data["image_size"])

    def without_folders(self) -> Self:
        """Returns the same without folders, which mean nothing on another machine."""
        return replace(self, data={**self.data, **dict.fromkeys(FOLDERS, "")})
