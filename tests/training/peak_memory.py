"""Trains one epoch, or plans it. Prints the bytes that it took at most, or those of the plan."""

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
    """Returns the bytes that a training takes at most, without those before it."""
    data = open_data(config.data)
    jax.block_until_ready(jax.numpy.ones(2) + 1)
    before = resident("VmRSS")
    trainer = Trainer(config, data.train, data.info.tasks)
    state = trainer.init()
    trainer.epoch(state, trainer.feed(state, 0), 1, lambda losses, speed: None)
    return resident("VmHWM") - before


if __name__ == "__main__":
    case = json.loads(sys.argv[1])
    config = config_of(case)
    if case["plan"]:
        open_data(config.data)  # draws
        print(plan_training(config, "cpu").memory.total)
    else:
        print(peak(config))
