"""Trains an ensemble, with one jitted step for all members, and draws a few explanations.

    python -m jaxens.train --members 11

draws the images of FieldMarks (once), trains 11 small networks on them, and writes a run
directory: config, checkpoints, metrics log, provenance, and a figure.
"""

import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from jaxens.cli import parser, signals
from jaxens.runs.config import file_values
from jaxens.training.settings import Config
from jaxens.urls import check_local, is_url


def train(
    *,
    config: Path | None = None,
    out: str | None = None,
    resume: Literal["no", "yes", "auto"] = "no",
    mesh: str | None = None,
    distributed: Annotated[bool, Parameter(negative="")] = False,
    settings: Annotated[Config, parser.FLAT] = Config(),
) -> None:
    """Train an ensemble, with one jitted step for all members, and draw a few explanations.

    Args:
        config: TOML file to start from (see configs/); a flag is a key of its section
        out: run directory, or a URL such as gs://bucket/run (default: runs/DATA)
        resume: continue the run in --out (yes, or no word); auto: if there is one, else start it
        distributed: join the other processes of this job; see launch/
        mesh: devices for members and for images, such as member=2,data=4 (default: by rule)
    """
    from jaxens import viz
    from jaxens.annotation import calibrate
    from jaxens.annotation.first_look import first_look
    from jaxens.cli import compilation, tables
    from jaxens.cli.console import console, say, uncut
    from jaxens.cli.distributed import job
    from jaxens.cli.live import Live
    from jaxens.runs import fit
    from jaxens.runs.mirror import config_file, upload
    from jaxens.runs.watchdog import watchdog
    from jaxens.training.layout import parse_layout

    signals.work_begins()
    began = time.monotonic()
    place = out or _default_folder(settings.data.source)
    layout = None if mesh is None else parse_layout(mesh)
    with contextlib.closing(Live()) as watch, watchdog(_local(place), watch.disk_hangs):
        # All processes look before they join, so before process 0 begins a run.
        resumed = resume == "yes" or (resume == "auto" and config_file(place) is not None)
        with job(distributed) as first:
            console.quiet = not first
            compilation.use_cache()
            compilation.keep_memory()
            trained = fit.train(settings, place, resume=resumed, watch=watch, layout=layout)
        if not first or trained.folder is None:
            return
        ensemble, held_out = trained.ensemble, trained.held_out
        table = tables.quality(trained.scores, len(held_out), ensemble.divergence)
        say(uncut(table, width=100))
        look = first_look(ensemble, held_out, temperatures=calibrate(ensemble, trained.val))
        figure = viz.save(look, trained.folder / "look.png")
        upload(place)
    minutes = (time.monotonic() - began) / 60
    say(
        f"a first look at the explanations: {figure}\n"
        f"done in {minutes:.1f} minutes; next, score them against the truth:\n"
        f"  python -m jaxens.evaluate {place}    (--limit 100 for a quick look)"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command with these arguments (default: those of this process)."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser.call(train, _with_value(words), name="train", values=_values)


def _with_value(words: Sequence[str]) -> list[str]:
    """Returns a command line in which a `--resume` without a value says yes."""
    result: list[str] = []
    for word, after in zip(words, [*words[1:], "--"], strict=True):
        result += [word, "yes"] if word == "--resume" and after.startswith("-") else [word]
    return result


def _values(app: Any, commands: tuple[str, ...], arguments: Any) -> None:
    """Fills in flags from --config, or from the config of the run that is resumed."""
    flags = {argument.name: argument.tokens[-1].value for argument in arguments if argument.tokens}
    file = flags.get("--config")
    place = flags.get("--out") or _default_folder(flags.get("--data", "fieldmarks"))
    resume = flags.get("--resume", "no")
    if file is None and resume != "no":
        from jaxens.cli.live import Live
        from jaxens.runs.folders import check_present
        from jaxens.runs.mirror import config_file, local_run
        from jaxens.runs.watchdog import watchdog

        with watchdog(_local(place), Live().disk_hangs):
            own = config_file(place)
            # With --distributed, only process 0 needs the run on its disk. It checks this later.
            if own is None and resume == "yes" and "--distributed" not in flags:
                check_present(local_run(place))
        if own is not None:
            file = str(own)
            _check_folders(own.parent, flags)
    if file is not None:
        check_local("config", file)
        file_values(Path(file))(app, commands, arguments)


def _check_folders(folder: Path, flags: Mapping[str, str]) -> None:
    """Checks the paths of data that the config of a run names, and that no flag replaces."""
    from jaxens.runs import config as configs
    from jaxens.runs.own_data import own_data

    named = (flags.get(f"--{name}") for name in ("data-dir", "cache-dir", "layout"))
    settings = configs.load(folder / "config.toml", complete=True).data
    own_data(folder, vars(settings), *(None if each is None else Path(each) for each in named))


def _local(place: str) -> Path | None:
    return None if is_url(place) else Path(place)


def _default_folder(source: str) -> str:
    return str(Path("runs") / source)


if __name__ == "__main__":
    parser.run(main)
