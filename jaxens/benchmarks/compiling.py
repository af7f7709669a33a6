"""How long a run's training step takes to compile: from nothing, and from the cache on disk.

Run as a program it is the child that is measured: it compiles one step, and prints the seconds.
"""

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
from jaxens.runs.config import load, to_toml
from jaxens.training.feed import steps_at_once
from jaxens.training.settings import Config, Data, Members, Model, ModelName, Optim
from jaxens.training.trainer import Trainer

COLD, WARM = "from nothing", "from the cache of a run before"


def compiling(
    model: ModelName = "small",
    members: int = 11,
    image_size: int = 64,
    batch_size: int = 16,
    rounds: int = 3,
) -> list[Results]:
    """The training step, compiled by a new process with an empty cache, and by the next one."""
    took: dict[str, list[float]] = {COLD: [], WARM: []}
    with tempfile.TemporaryDirectory() as folder:
        pictures = batch_size * steps_at_once()
        data = Data(
            image_size=image_size,
            cache_dir=str(Path(folder) / "images"),
            train_images=pictures,
            val_images=1,
            test_images=1,
        )
        config = Config(
            data,
            Model(model),
            Members(members),
            Optim(batch_size=batch_size),
        )
        open_data(data)  # drawn once, for all processes
        file = Path(folder) / "config.toml"
        file.write_text(to_toml(config))
        for number in range(rounds):
            for seconds in took.values():  # the second process finds what the first one kept
                seconds.append(_in_a_child(file, Path(folder) / f"cache{number}"))
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


def _in_a_child(config: Path, cache: Path) -> float:
    """Seconds that a new process with this cache took."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-m", __name__, str(config)]
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
    print(compile_step(load(Path(sys.argv[1]))))
