"""Repeats experiments of the paper, and writes one page with its numbers next to ours.

    python -m jaxens.reproduce --stand-in

trains small ensembles on drawn birds, and needs no download. With real data, name the folder of
each data set:

    python -m jaxens.reproduce table-1 table-2 --data-dir cub=FOLDER

The same command continues after an interruption.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from jaxens.cli import parser, signals
from jaxens.data.settings import UNSHOWN
from jaxens.errors import UserError


def reproduce(
    *names: str,
    stand_in: Annotated[bool, Parameter(negative="")] = False,
    data_dir: Annotated[tuple[str, ...], UNSHOWN] = (),
    out: Path | None = None,
    cache_dir: Path | None = None,
    experiments: Path | None = None,
) -> None:
    """Repeat experiments of the paper, and write one page with its numbers next to ours.

    Args:
        names: table-1 to table-7, figure-5 or auc (default: all)
        stand_in: use drawn birds and small models, which need no download, in place of real data
        data_dir: NAME=FOLDER for each data set that is needed, such as cub=CUB_200_2011
        out: folder of runs, evaluations and the page (default: runs/stand-in, or runs/paper)
        cache_dir: where prepared data lie
        experiments: folder with other experiments (default: configs/paper)
    """
    pairs = [_pair(words) for words in data_dir]
    data_dirs = dict(pairs)
    if len(data_dirs) < len(pairs):
        raise UserError(f"`data_dir` {' '.join(data_dir)} names a data set twice: name each once")

    from jaxens import reproduction
    from jaxens.cli import compilation
    from jaxens.cli.console import say
    from jaxens.cli.reproducing import watching

    signals.work_begins()
    began = time.monotonic()
    compilation.use_cache()
    compilation.keep_memory()
    folder = out or Path("runs") / ("stand-in" if stand_in else "paper")
    with watching() as watch:
        result = reproduction.reproduce(
            names,
            stand_in=stand_in,
            out=folder,
            data_dirs=data_dirs,
            cache_dir=str(cache_dir or ""),
            experiments=experiments,
            watch=watch,
        )
    page = reproduction.write_page(result)
    minutes = (time.monotonic() - began) / 60
    say(f"{result.summary()}\nthe page: {page}    ({minutes:.1f} minutes)")
    if result.failed:
        failed = ", ".join(outcome.experiment.name for outcome in result.failed)
        raise UserError(
            f"{len(result.failed)} of {len(result.outcomes)} experiments failed ({failed}): {page} "
            "says why; the same command runs only these again"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command with these arguments (default: those of this process)."""
    parser.call(reproduce, arguments, name="reproduce")


def _pair(words: str) -> tuple[str, str]:
    name, _, folder = words.partition("=")
    if not name or not folder:
        raise UserError(f"`data_dir` {words} should be NAME=FOLDER, such as cub=CUB_200_2011")
    return name, folder


if __name__ == "__main__":
    parser.run(main)
