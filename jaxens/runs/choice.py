"""Which images of a run's data set a command shows, if no photos are named."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jaxens.errors import UserError, check_number


@dataclass(frozen=True)
class Choice:
    """images of the run's data set, without photos"""

    split: Literal["train", "val", "test"] | None = None
    """without photos: a split of the data set (default: test)"""
    images: int | None = None
    """how many images of the split, evenly spaced (default: 8)"""
    ids: tuple[str, ...] | None = None
    """images of the split, by name"""
    data_dir: Path | None = None
    """where the data set lies now, if it was moved"""
    layout: Path | None = None
    """where the file that describes your own photos lies now, if it was moved"""
    cache_dir: Path | None = None
    """where prepared data lie"""

    def __post_init__(self) -> None:
        if self.ids and self.images:
            raise UserError("`ids` and `images` both choose: give one of them")
        if self.images is not None:
            check_number("images", self.images, least=1)

    def check_unused(self, photos: Sequence[Path]) -> None:
        """Checks that photos and images of the data set are not both named.

        Raises:
            UserError: If both are.
        """
        if photos and (self.split or self.ids or self.images):
            raise UserError("`split`, `ids` and `images` choose from the data set: name no photos")

    @property
    def name(self) -> str:
        """A name for folders, such as "test" or "val-ids"."""
        return (self.split or "test") + ("-ids" if self.ids else "")
