"""Time to compile the training step, without and with the compilation cache.

Run as a program, this module is the process that is measured: it compiles one step and prints the
seconds.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jaxens.benchmarks.options import Compile
from jaxens.benchmarks.results import Results, Row
from jaxens.benchmarks.rounds import Timed
from jaxens.cli.compilation import use_cache
from jaxens.data.opening import open_data
from jaxens.errors import UserError
from jaxens.runs.config import load, to_toml
from jaxens.training.feed import steps_at_once
from jaxens.training.settings import Config, Data, Members, Model, Optim
from jaxens.training.trainer import Trainer

COLD, WARM = "empty cache", "cache of a previous run"


def compiling(options: Compile) -> list[Results]:
    """Measures the training step's compilation by a new process, and by the next one."""
    seconds: dict[str, list[float]] = {COLD: [], WARM: []}
    with tempfile.TemporaryDirectory() as folder:
        data = Data(
            image_size=options.image_size,
            cache_dir=str(Path(folder) / "images"),
            train_images=options.batch_size * steps_at_once(),
            val_images=1,
            test_images=1,
        )
        config = Config(
            data,
            Model(options.model),
            Members(options.members),
            Optim(batch_size=options.batch_size),
        )
        open_data(data)  # generated once, for all processes
        file = Path(folder) / "config.toml"
        file.write_text(to_toml(config))
        for number in range(options.rounds):
            for rounds in seconds.values():  # the first process fills the cache
                rounds.append(_compile_in_subprocess(file, Path(folder) / f"cache{number}"))
    timed = {by: Timed(rounds[0], tuple(rounds)) for by, rounds in seconds.items()}
    ratio = timed[COLD].median / timed[WARM].median
    return [
        Results(
            f"Compiling the training step, {options.members} {options.model}, "
            f"{options.batch_size} images of {options.image_size} px",
            "steps",
            "how many times as fast as with an empty cache",
            [Row("step", COLD, timed[COLD]), Row("step", WARM, timed[WARM], ratio=ratio)],
            ("Each in a process of its own; its start and loading of images are not included",),
        )
    ]


def _compile_in_subprocess(config: Path, cache: Path) -> float:
    """Seconds of compilation in a new process with this cache."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-m", __name__, str(config)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise UserError(f"the compiling process failed: {result.stderr.strip()[-500:]}")
    return float(result.stdout.splitlines()[-1])


def compile_step(config: Config) -> float:
    """Compiles a run's step as `jaxens.train` does; returns the seconds."""
    use_cache()
    data = open_data(config.data)
    trainer = Trainer(config, data.train, data.info.tasks)
    state = trainer.init()
    feed = trainer.feed(state, 0)
    start = time.perf_counter()
    feed.compile(state, [min(feed.at_once, trainer.steps_per_epoch)])
    return time.perf_counter() - start


if __name__ == "__main__":
    print(compile_step(load(Path(sys.argv[1]))))
