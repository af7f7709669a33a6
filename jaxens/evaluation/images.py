"""Which images an evaluation explains: those of the run's data set, or of another one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from jaxens.data.registry import SOURCES
from jaxens.data.settings import UNSHOWN, Data
from jaxens.errors import UserError, check_number, remedy


@dataclass(frozen=True)
class Images:
    """which images are explained"""

    limit: int | None = None
    """number of held-out images: a random sample with the labels' proportions"""
    explain: Literal["label", "prediction"] | None = None
    """label, or the ensemble's prediction (default: label; with --on: prediction)"""
    augment: Annotated[bool, Parameter(negative="")] = False
    """explain randomly changed images (as in training); masks and points are moved along"""
    on: Annotated[str, UNSHOWN] = ""
    """data set whose test images are explained (default: that of the run)"""
    parts: Annotated[tuple[str, ...], UNSHOWN] = ()
    """with --on: PART=OTHER for a part that has another name there, TASK=OTHER for a task of
    the run that has no parts"""
    attributes: Literal["species", "independent"] = "species"
    """of --on fieldmarks: those of species, or each drawn independently of all others"""
    data_dir: Path | None = None
    """where the data set of --on lies, or that of the run, if it was moved"""
    layout: Path | None = None
    """file that describes the photos of --on folder, or those of the run, if it was moved"""
    cache_dir: Path | None = None
    """where prepared data lie"""

    def __post_init__(self) -> None:
        if self.limit is not None:
            check_number("limit", self.limit, least=1)
        if self.on and self.on not in SOURCES:
            raise UserError(f"`on` {self.on} is not a data set: {remedy(self.on, SOURCES)}")
        for name, value in (("parts", self.parts), ("attributes", self.attributes != "species")):
            if value and not self.on:
                raise UserError(f"`{name}` is for another data set: add `on`, or omit it")
        for pair in self.parts:
            if not all(pair.partition("=")):
                raise UserError(
                    f"`parts` {pair} should be PART=OTHER or TASK=OTHER, such as bill=beak"
                )

    @property
    def explained(self) -> Literal["label", "prediction"]:
        """What is explained: by default the label, which another data set may not have."""
        return self.explain or ("prediction" if self.on else "label")

    @property
    def other_parts(self) -> dict[str, list[str]]:
        """The parts of the other data set, by the part or task of the run whose truth they are."""
        named: dict[str, list[str]] = {}
        for pair in self.parts:
            part, _, other = pair.partition("=")
            named.setdefault(part, []).append(other)
        return named

    @property
    def name(self) -> str:
        """What is explained, in a file name; empty for the labels of all held-out images."""
        usual = "prediction" if self.on else "label"
        words = [
            f"on-{self.on}" if self.on else "",
            self.attributes if self.attributes != "species" else "",
            self.explained if self.explained != usual else "",
            f"sample-{self.limit}" if self.limit else "",
            "augmented" if self.augment else "",
        ]
        return "-".join(filter(None, words))

    def other_data(self, data: Mapping[str, Any], cache_dir: str) -> Data:
        """Returns the settings of the data set of --on: its images are made as those of the run.

        Args:
            data: The fields of the settings of the run's data set.
            cache_dir: The folder of prepared data; empty for the default.
        """
        own = {
            "source": self.on,
            "data_dir": str(self.data_dir or ""),
            "layout": str(self.layout or ""),
            "cache_dir": cache_dir,
            "attributes": self.attributes,
            "tasks": (),
        }
        return Data(**{**data, **own})
