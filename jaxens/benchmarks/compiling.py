"""How long a run's training step takes to compile: from nothing, and from the cache on disk.

Run as a program it is the child that is measured: it compiles one step, and prints the seconds.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jaxens.benchmarks.results import Results, Row
from jaxens.benchmarks.rounds import Timed
from jaxens.cli.compilation import use_cache
from jaxens.data.registry import open_data
from jaxens.errors import UserError
from jaxens.runs.config import Config, load
from jaxens.training.feed import steps_at_once
from jaxens.training.trainer import Trainer

COLD, WARM = "from nothing", "from the cache of a run before"


def compiling(
    model: str = "small",
    members: int = 11,
    image_size: int = 64,
    batch_size: int = 16,
    rounds: int = 3,
) -> list[Results]:
    """The training step, compiled by a new process with an empty cache, and by the next one."""
    took: dict[str, list[float]] = {COLD: [], WARM: []}
    with tempfile.TemporaryDirectory() as folder:
        pictures = batch_size * steps_at_once()
        flags = {
            "model.name": model,
            "ensemble.members": str(members),
            "data.image_size": str(image_size),
            "data.cache": str(Path(folder) / "pictures"),
            "data.train": str(pictures),
            "data.val": "1",
            "data.test": "1",
            "optim.batch_size": str(batch_size),
        }
        open_data(load(None, flags).data)  # drawn once, for all processes
        for number in range(rounds):
            for seconds in took.values():  # the second process finds what the first one kept
                seconds.append(_in_a_child(flags, Path(folder) / f"cache{number}"))
    timed = {by: Timed(seconds[0], tuple(seconds)) for by, seconds in took.items()}
    faster = timed[COLD].median / timed[WARM].median
    return [
        Results(
            f"Compiling the training step, {members} {model}, {batch_size} images of "
            f"{image_size} px",
            "steps",
            "how many times as fast as from nothing",
            [Row("step", COLD, timed[COLD]), Row("step", WARM, timed[WARM], ratio=faster)],
            ("Each in a process of its own; its start and the reading of pictures do not count",),
        )
    ]


def _in_a_child(flags: dict[str, str], cache: Path) -> float:
    """Seconds that a new process with this cache took."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-m", __name__, json.dumps(flags)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"the process that compiles failed: {done.stderr.strip()[-500:]}")
    return float(done.stdout.splitlines()[-1])


def compile_step(config: Config) -> float:
    """Compiles a run's step as `jaxens.train` does; gives the seconds."""
    use_cache()
    data = open_data(config.data)
    trainer = Trainer(config, data.train, data.info.tasks)
    state = trainer.init()
    feed = trainer.feed(state, 0)
    began = time.perf_counter()
    feed.compile(state, [min(feed.at_once, trainer.steps_per_epoch)])
    return time.perf_counter() - began


if __name__ == "__main__":
    print(compile_step(load(None, json.loads(sys.argv[1]))))
