"""Reports on a run: its training, its evaluations and its arrows, on one page."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from jaxens.names import shorten
from jaxens.pages import training
from jaxens.pages.evaluations import evaluated, evaluations_of
from jaxens.pages.frame import TEMPLATES, render
from jaxens.pages.page_figures import Album
from jaxens.pages.sheets import read_csv, sheet
from jaxens.runs.mirror import local_run
from jaxens.runs.run import Run
from jaxens.untrusted import check_tree

LOOK = (
    "What the ensemble sees in a few held-out images, and where, by its own maps.",
    "Compare what the ensemble points at with what people marked, which is outlined: the maps of "
    "the ensemble should lie on it more often than those of one member.",
)
RELIABILITY = (
    "Bars of the share of arrows that hit, by the share of members that agree, for each method.",
    "Each bar is the share of arrows that hit, among those of which so many members agree; on the "
    "gray line the agreement would be the chance of a hit.",
)


def report(run: str | os.PathLike[str], evaluations: Sequence[Path] | None = None) -> str:
    """Returns one HTML page about a run: it needs no other file and no network.

    Args:
        run: A run directory, or the URL of one.
        evaluations: Folders of evaluations (default: all in the run directory).

    Raises:
        jaxens.errors.UserError: If the folder is not a run, or a file in it is damaged.
    """
    folder = local_run(run)
    opened = Run.open(folder)
    opened.close()
    for name in ("look.png", "arrows"):
        check_tree(folder / name, folder)
    if evaluations is None:
        evaluations = evaluations_of(folder)
        for each in evaluations:
            check_tree(each, folder)
    album = Album()
    context = {
        "name": shorten(folder.resolve().name),
        "written": time.strftime("%Y-%m-%d %H:%M"),
        "summary": training.summary(opened),
        "scores": training.scores(opened),
        "curves": training.curves(opened, album),
        "look": album.of_file(folder / "look.png", "A first look", *LOOK),
        "arrows": _arrows(folder / "arrows", album),
        "evaluations": [evaluated(each, album) for each in evaluations],
        "provenance": training.provenance(opened),
    }
    return render(TEMPLATES / "report.html", context)


def _arrows(folder: Path, album: Album) -> dict[str, object] | None:
    """Returns what `annotate --measure` has written: how often arrows hit; None without."""
    path = folder / "hits.csv"
    if not path.is_file():
        return None
    hits = sheet("How often arrows hit what they point at", read_csv(path))
    figure = album.of_file(folder / "reliability.png", "Reliability of arrows", *RELIABILITY)
    return {"hits": hits, "figure": figure}
