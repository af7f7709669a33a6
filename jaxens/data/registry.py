"""Opens the data set that a config names."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import jax

from jaxens.data.cub import builder as cub
from jaxens.data.fieldmarks import builder as fieldmarks
from jaxens.data.preparing import notices
from jaxens.data.schema import Info, Task
from jaxens.data.settings import Data
from jaxens.data.source import Source, fingerprint
from jaxens.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataSet:
    """The splits of a data set, and what tells it from others."""

    info: Info
    train: Source
    val: Source
    test: Source
    fingerprint: str


def open_data(config: Data) -> DataSet:
    """Prepares the data set if need be (once, with a bar) and opens it."""
    cache = Path(config.cache_dir).expanduser() if config.cache_dir else default_cache()
    if config.source == "fieldmarks":
        counts = {
            "train": config.train_images,
            "val": config.val_images,
            "test": config.test_images,
        }
        builder = fieldmarks.prepare(cache, config.image_size, config.data_seed, counts)
    else:
        builder = cub.prepare(Path(config.data_dir).expanduser(), cache)
    train, val, test = (
        Source(builder, split, config.image_size, config.crop) for split in ("train", "val", "test")
    )
    chosen_tasks(config, train.info)
    for notice in notices(builder):
        log.warning(notice)
    return DataSet(train.info, train, val, test, fingerprint(builder))


def default_cache() -> Path:
    """Where prepared data are kept unless a config says otherwise."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "jaxens"


def chosen_tasks(config: Data, info: Info) -> tuple[Task, ...]:
    """The tasks to learn. Raises `UserError` for a name that the data set lacks."""
    names = [task.name for task in info.tasks]
    for name in config.tasks:
        if name not in names:
            raise UserError(f"{info.name} has no task {name!r}: --tasks among {', '.join(names)}")
    return tuple(info.task(name) for name in config.tasks or names)


def fits_on_device(config: Data, nbytes: int) -> bool:
    """Whether what all training pictures come to, `nbytes`, is to lie on the device whole."""
    if config.resident != "auto":
        return config.resident == "yes"
    stats = jax.local_devices()[0].memory_stats() or {}  # none on CPU
    return nbytes <= stats.get("bytes_limit", 4 << 30) // 4
