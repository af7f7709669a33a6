"""Exports a trained ensemble, or one member of it, as safetensors with a model card.

    python -m jaxens.export runs/fieldmarks --out exported

writes what `jaxens.load("exported")` reads again, without the data and the checkpoints of the run.
"""

from collections.abc import Sequence
from pathlib import Path

from jaxens.cli import parser, signals
from jaxens.cli.runs import RunFolder, with_local_run


@with_local_run
def export(run: RunFolder, /, *, out: Path, member: int | None = None) -> None:
    """Export a trained ensemble, or one member of it, as safetensors with a model card.

    Args:
        run: run directory that jaxens.train has written, or its URL
        out: folder to write; it is empty or does not exist
        member: the one member to export, counted from 0 (default: all)
    """
    from jaxens import runs
    from jaxens.cli.console import say

    signals.work_begins()
    ensemble = runs.export(run, out, member)
    several = "s" * (ensemble.members > 1)
    say(f'{out}: {ensemble.members} member{several}; read it by jaxens.load("{out}")')


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command with these arguments (default: those of this process)."""
    parser.call(export, arguments, name="export")


if __name__ == "__main__":
    parser.run(main)
