"""The settings of a data set: which one, where it is, and how its images are made."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from jaxens.data.registry import SOURCES
from jaxens.errors import UserError, check_names, check_number, remedy
from jaxens.files import with_home
from jaxens.urls import check_local

# The default is none, which the help text explains.
UNSHOWN = Parameter(show_default=False)


@dataclass(frozen=True)
class Data:
    """images and labels"""

    source: Annotated[str, Parameter(name="--data", help=f"data set: {', '.join(SOURCES)}")] = (
        "fieldmarks"
    )
    """data set"""
    data_dir: Annotated[str, UNSHOWN] = ""
    """folder that holds the data set (all but fieldmarks)"""
    layout: Annotated[str, UNSHOWN] = ""
    """file that describes a folder of your own photos (default: its dataset.toml)"""
    cache_dir: Annotated[str, UNSHOWN] = ""
    """folder for prepared data (default: $XDG_CACHE_HOME/jaxens)"""
    image_size: int = 64
    """side that images are resized to, pixels"""
    crop: Literal["center", "box"] = "center"
    """square cut out of a photo: its center, or the surroundings of the bounding box"""
    tasks: Annotated[tuple[str, ...], UNSHOWN] = ()
    """tasks to learn (default: all of the data set)"""
    train_images: int = 3200
    """FieldMarks images to train on"""
    val_images: int = 300
    """FieldMarks images to validate on"""
    test_images: int = 500
    """FieldMarks images held out"""
    data_seed: int = 0
    """seed of the FieldMarks images"""
    attributes: Literal["species", "independent"] = "species"
    """of FieldMarks birds: those of their species, or each drawn independently of all others"""
    resident: Literal["auto", "yes", "no"] = "auto"
    """keep the training set on the device, or stream it (auto: keep it if it fits)"""
    workers: int = 0
    """processes that decode a streamed set (0: threads)"""

    def __post_init__(self) -> None:
        check_number("image_size", self.image_size, least=16, most=4096)
        for name in ("train", "val", "test"):
            check_number(f"{name}_images", getattr(self, f"{name}_images"), least=1, most=10**7)
        check_number("data_seed", self.data_seed, least=0, below=2**32)
        check_number("workers", self.workers, least=0, most=1024)
        check_names("tasks", self.tasks)
        if self.source not in SOURCES:
            raise UserError(
                f"`data` {self.source} is not a data set: {remedy(self.source, SOURCES)}"
            )
        for name in ("data_dir", "layout", "cache_dir"):
            check_local(name, getattr(self, name))
        needs_folder = SOURCES[self.source].needs_folder
        if needs_folder and not self.data_dir:
            raise UserError(
                f"`data` {self.source} needs the folder that holds it: add `data_dir` FOLDER"
            )
        if self.data_dir and not needs_folder:
            others = " or ".join(name for name, row in SOURCES.items() if row.needs_folder)
            raise UserError(f"`data_dir` is for `data` {others}: add that, or omit `data_dir`")
        if self.layout and not SOURCES[self.source].has_layout:
            others = " or ".join(name for name, row in SOURCES.items() if row.has_layout)
            raise UserError(f"`layout` is for `data` {others}: add that, or omit `layout`")
        if self.attributes == "independent" and self.source != "fieldmarks":
            raise UserError(
                f"`attributes` independent is for `data` fieldmarks, not {self.source}: omit it"
            )

    @property
    def cache(self) -> Path:
        """The folder for prepared data."""
        return with_home(self.cache_dir) if self.cache_dir else default_cache()


def default_cache() -> Path:
    """Returns the default folder for prepared data and compiled programs.

    Raises:
        UserError: If the user has no home folder.
    """
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return with_home(base, "add `cache_dir` for prepared data") / "jaxens"
