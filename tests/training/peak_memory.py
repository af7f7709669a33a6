"""Trains one epoch, or plans it. Prints the bytes that its steps take, or those of the plan."""

import ctypes
import gc
import json
import re
import sys
from pathlib import Path

import jax

from jaxens.data.opening import open_data
from jaxens.data.settings import Data
from jaxens.training.planning import plan_training
from jaxens.training.settings import Augment, Config, Members, Model, Optim
from jaxens.training.trainer import Trainer


def resident(name: str) -> int:
    """Returns VmRSS (the resident memory) or VmHWM (its peak) in bytes."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def config_of(case: dict) -> Config:
    size = case["size"]
    data = Data(
        train_images=2 * case["batch"],
        val_images=6,
        test_images=6,
        image_size=size,
        cache_dir=case["cache"],
    )
    optim = Optim(epochs=1, batch_size=case["batch"])
    return Config(data, Model(case["model"]), Members(case["members"]), optim, Augment())


def peak(config: Config) -> int:
    """Returns the most bytes while steps run: those there before, and the process's growth."""
    data = open_data(config.data)
    trainer = Trainer(config, data.train, data.info.tasks)
    state = trainer.init()
    feed = trainer.feed(state, 0)
    feed.compile(state, [1])
    there = sum(leaf.nbytes for leaf in jax.tree.leaves((state, feed._pool)))
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # else the steps would use what the compiler has freed
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before = resident("VmRSS")
    trainer.epoch(state, feed, trainer.begin(1), lambda losses, speed: None)
    return there + resident("VmHWM") - before


if __name__ == "__main__":
    case = json.loads(sys.argv[1])
    config = config_of(case)
    if case["plan"]:
        open_data(config.data)  # draws
        print(plan_training(config, "cpu").memory.total)
    else:
        print(peak(config))
