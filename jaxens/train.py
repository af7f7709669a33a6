"""Trains an ensemble in one jitted step for all members, and looks at its explanations.

    python -m jaxens.train --members 11

draws the FieldMarks birds (once), trains 11 small networks on them, and writes a run
directory: config, checkpoints, metrics log, provenance, and a picture.
"""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxens.cli.compilation import use_cache
from jaxens.cli.live import Live, console
from jaxens.cli.parser import Parser, main
from jaxens.cli.tables import quality_table, whole
from jaxens.data.registry import DataSet, chosen_tasks, open_data
from jaxens.data.source import Split, load
from jaxens.ensemble.ensemble import Ensemble
from jaxens.ensemble.quality import Quality, quality
from jaxens.errors import notice
from jaxens.evaluation.first_look import first_look
from jaxens.runs import config as configs
from jaxens.runs.config import Config
from jaxens.runs.loading import abstract_state, as_ensemble, best_ensemble, check_model
from jaxens.runs.run import Run, check_absent, check_present, check_same
from jaxens.runs.weights import Weights, read_weights, read_weights_again
from jaxens.training.trainer import Trainer


def train(arguments: Sequence[str] | None = None) -> None:
    began = time.monotonic()
    config, folder, resuming = _asked(arguments)
    use_cache()
    weights = None if resuming else read_weights(config.model)
    data = open_data(config.data)
    trainer = Trainer(config, data.train, chosen_tasks(config.data, data.info))
    check_model(config, data.info)
    if resuming:
        run = Run.resume(folder, config, data.fingerprint)
    else:
        told = weights.fingerprint if weights else None
        run = Run.create(folder, config, data.info, data.fingerprint, told)
    try:
        fit(run, trainer, load(data.val, "reading validation pictures"), weights)
        report(run, best_ensemble(run), data, began)
    finally:
        run.close()  # waits for a checkpoint that is being written, also when interrupted


def fit(run: Run, trainer: Trainer, val: Split, weights: Weights | None) -> None:
    """Trains the epochs that a run still lacks; after each, validates, logs and saves.

    A run that has a checkpoint needs its starting weights no more.
    """
    config, epochs = run.config, run.config.optim.epochs
    tasks = chosen_tasks(config.data, run.info)
    if found := run.checkpoints.latest(abstract_state(config, run.info)):
        done, state = found
        notice(f"{run.folder}: going on after epoch {done} of {epochs}")
    else:
        weights = weights or read_weights_again(run)
        done, state = 0, trainer.init(weights and weights.variables)
    run.forget_after(done)
    if done == epochs:
        return
    feed = trainer.feed(state, done)
    with Live(trainer.steps, done * trainer.steps_per_epoch, epochs) as live:
        for epoch in range(done + 1, epochs + 1):
            on_step = partial(live.step, epoch)
            state, losses, speed = trainer.epoch(state, feed, epoch, on_step)
            scores = quality(as_ensemble(config, tasks, state), val)
            live.epoch(epoch, losses, speed, scores)
            run.log(
                epoch=epoch,
                step=epoch * trainer.steps_per_epoch,
                loss=losses.tolist(),
                member_images_per_second=speed,
                val={q.task: q.as_dict() for q in scores},
            )
            # A copy: on the CPU the writer would read buffers that the next step reuses.
            run.checkpoints.save(epoch, jax.tree.map(jnp.copy, state), _overall(scores))
    run.checkpoints.wait()


def report(run: Run, ensemble: Ensemble, data: DataSet, began: float) -> None:
    """Scores the held-out pictures, draws the first look, names the next command."""
    test = load(data.test, "reading held-out pictures")
    scores = quality(ensemble, test)
    table = quality_table(scores, ensemble.members, len(test))
    console.print(whole(table, 100, console), soft_wrap=True)
    run.log(test={q.task: q.as_dict() for q in scores})
    picture = first_look(ensemble, test, run.folder / "look.png")
    seconds = time.monotonic() - began
    console.print(
        f"a first look at the explanations: {picture}\n"
        f"done in {seconds / 60:.1f} minutes; next, score them against the truth:\n"
        f"  python -m jaxens.evaluate {run.folder}    (--limit 100 for a quick look)",
        soft_wrap=True,
    )


def _overall(scores: list[Quality]) -> float:
    """What the best checkpoint is chosen by: the ensemble's mean score over tasks."""
    return float(np.nanmean([q.ensemble for q in scores]))


def _asked(arguments: Sequence[str] | None) -> tuple[Config, Path, bool]:
    """The config, the run's folder, and whether to go on with a run that is there."""
    parser = Parser(
        "train", __doc__, "Every option from --data on is also a key of its section in a TOML file."
    )
    parser.add_argument("--config", type=Path, help="TOML file to start from (see configs/)")
    parser.add_argument(
        "--out", type=Path, help="run directory (default: runs/DATA, by the name of the data set)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    configs.add_flags(parser)
    flags = vars(parser.parse_args(arguments))
    given, out, resume = flags.pop("config"), flags.pop("out"), flags.pop("resume")
    asked = configs.load(given, flags)
    folder = out or Path("runs") / asked.data.source
    if not resume:
        check_absent(folder)
        return asked, folder, False
    check_present(folder)
    began = configs.from_toml(folder / "config.toml")
    if given is None:  # a run knows its own config; what is asked beside must agree with it
        asked = configs.load(folder / "config.toml", flags)
    check_same(began, asked, folder)
    return asked, folder, True


if __name__ == "__main__":
    main(train)
