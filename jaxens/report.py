"""Writes one HTML page about a run: its training, its explanations, and where it comes from.

    python -m jaxens.report runs/fieldmarks

reads what train, evaluate and annotate --measure have written, and needs neither the model nor
the data. The page is one file, and opens without a network.
"""

from collections.abc import Sequence
from pathlib import Path

from jaxens.cli import parser, signals
from jaxens.cli.runs import RunFolder, with_local_run


@with_local_run
def report(run: RunFolder, /, *, out: Path | None = None) -> None:
    """Write one HTML page about a run: its training, its explanations, and where it comes from.

    Args:
        run: run directory that jaxens.train has written, or its URL
        out: the page (default: RUN/report.html)
    """
    from jaxens import pages
    from jaxens.cli.console import say
    from jaxens.files import write_text

    signals.work_begins()
    path = out or run / "report.html"
    page = pages.report(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page)
    say(f"the page: {path}    ({len(page.encode(errors='replace')) / 1e6:.1f} MB)")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command with these arguments (default: those of this process)."""
    parser.call(report, arguments, name="report")


if __name__ == "__main__":
    parser.run(main)
