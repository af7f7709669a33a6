"""The parts of a report on an evaluation: a table and figures for each question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxens import metrics
from jaxens.attribution import METHODS
from jaxens.errors import UserError
from jaxens.evaluation import rows, verdicts
from jaxens.evaluation.results import SETTINGS
from jaxens.metrics import METRICS
from jaxens.names import encodable, file_names, shorten
from jaxens.pages import words
from jaxens.pages.page_figures import Album, PageFigure
from jaxens.pages.ranked import Ranked, read_ranked
from jaxens.pages.sheets import REMEDY, Cell, Row, Sheet, pivot, read_csv, sheet
from jaxens.runs.records import check
from jaxens.untrusted import parse_json, read_arrays, read_text

RESULTS = {
    "method": "method", "metric": "score", "mean_individual": "Ind-Avg", "mean_ensemble": "Ens-Avg",
    "difference": "difference", "low": "95 % from", "high": "95 % to", "d_z": "d_z", "p": "p (t)",
    "wilcoxon_p": "p (Wilcoxon)", "p_holm": "p (t, Holm)", "crossed_p": "p (members too)",
    "n": "images", "left_out": "left out",
}  # fmt: skip
CHANCE = {"map": "map", "metric": "score", "mean": "mean score", "n": "images"}
KEYS = {"method": "method", "metric": "score"}
TITLES = {name: metric.heading for name, metric in METRICS.items()} | {
    name: method.title for name, method in METHODS.items()
}
FILES = {
    "tables": ["question", "better", *RESULTS],
    "chance": ["question", *CHANCE],
    "sizes": ["question", "members", "mean", *KEYS],
    "thresholds": ["question", "threshold", "ensemble", *KEYS],
}
CELL = 100  # characters of a cell of a table in the page, at least on average
READ_SIZES = (
    "Blue is the score of the mean map of 1, 2, ... members with a 95 % band, red the average "
    "member: where blue is still changing on the right, more members would help."
)
READ_THRESHOLDS = (
    "Blue is the mean map, red the average member, gray a map without information: a method whose "
    "lead depends on the threshold (vertical line: that of the tables) has no safe lead."
)
READ_RANKED = (
    "Warm colors should lie inside the yellow outline; look at the worst image first, because what "
    "misleads the maps there often misleads them elsewhere."
)
READ_MEMBERS = (
    "Where members differ and their mean points at the marked part, the ensemble has averaged "
    "their noise out; where all agree on another place, the networks look there."
)


@dataclass(frozen=True)
class QuestionSection:
    """What a page shows of one question."""

    name: str
    results: Sheet
    numbers: Sequence[Sheet]  # empty if the page had no room
    figures: Sequence[PageFigure]
    ranked: Sheet | None


@dataclass(frozen=True)
class Evaluated:
    """What a page shows of one evaluation; a verdict comes with its exceptions."""

    name: str
    verdicts: Sequence[tuple[str, str]]
    settings: Sequence[tuple[str, str]]
    questions: Sequence[QuestionSection]


def evaluations_of(run: Path) -> list[Path]:
    """Returns the folders of a run that hold an evaluation."""
    return sorted(path.parent for path in run.glob(f"*/{SETTINGS}"))


def evaluated(folder: Path, album: Album) -> Evaluated:
    """Returns what a page shows of an evaluation.

    Args:
        folder: What `Evaluation.save` has written.
        album: The figures of the page.

    Raises:
        UserError: If a file is missing or damaged.
    """
    settings = _read_settings(folder / SETTINGS)
    tables = {name: read_csv(folder / f"{name}.csv", columns) for name, columns in FILES.items()}
    scores = _read_scores(folder / "scores.npz")
    try:
        results = [rows.from_text(row) for row in tables["tables"]]
        chance = [rows.chance_from_text(row) for row in tables["chance"]]
        # A line that is indented belongs to the one before.
        lines = verdicts.summary(results, chance).replace("\n  ", "; ").split("\n")
        album.room -= CELL * len(RESULTS) * len(results)  # always shown, so they come first
        names, methods = settings["questions"], settings["methods"]
        questions = []
        for name, file in zip(names, file_names(names), strict=True):
            written = encodable(name)  # as CSV files have it
            of_question = {
                table: [_titled(row) for row in of_file if row["question"] == written]
                for table, of_file in tables.items()
            }
            ranked = read_ranked(scores, file, methods)
            questions.append(_section(name, of_question, ranked, folder, file, album))
    except UserError:
        raise
    # What doesn't fit together ends in exceptions of many kinds.
    except Exception as error:
        raise UserError(f"{folder} is damaged ({error!r}): {REMEDY}") from None
    summary = [
        (verdict, exceptions) for verdict, _, exceptions in (x.partition("; ") for x in lines)
    ]
    return Evaluated(folder.name, summary, words.settings_lines(settings), questions)


def _section(
    name: str,
    tables: Mapping[str, Sequence[Row]],
    ranked: Ranked | None,
    folder: Path,
    file: str,
    album: Album,
) -> QuestionSection:
    """Returns what a page shows of a question."""
    short = shorten(name)
    figures = {
        "sizes": (f"{short}: score by number of members", words.sizes(tables["sizes"]), READ_SIZES),
        "thresholds": (
            f"{short}: region of the map by its threshold",
            words.thresholds(tables["thresholds"]),
            READ_THRESHOLDS,
        ),
        "ranked": (
            f"{short}: worst, median and best image",
            words.ranked_images(ranked),
            READ_RANKED,
        ),
        "members": (
            f"{short}: every member on the median image",
            words.members(ranked),
            READ_MEMBERS,
        ),
    }
    drawn = [album.of_file(folder / kind / f"{file}.png", *of) for kind, of in figures.items()]
    by_size = f"{short}: scores of the mean map by number of members"
    by_threshold = f"{short}: scores of the mean map by threshold"
    numbers = [
        sheet(f"{short}: chance, the scores of maps without information", tables["chance"], CHANCE),
        pivot(by_size, tables["sizes"], KEYS, "members", "mean"),
        pivot(by_threshold, tables["thresholds"], KEYS, "threshold", "ensemble"),
    ]
    numbers = [each for each in numbers if each.rows]
    cells = sum(len(each.rows) * len(each.columns) for each in numbers)
    return QuestionSection(
        short,
        _results(f"{short}: members and ensemble", tables["tables"]),
        numbers if album.reserve(CELL * cells) else [],
        [figure for figure in drawn if figure],
        ranked.sheet() if ranked else None,
    )


def _titled(row: Row) -> dict[str, str]:
    """Returns a row with titles of its metric and method in place of their names."""
    return {
        name: TITLES.get(value, value) if name in KEYS else value for name, value in row.items()
    }


def _results(caption: str, lines: Sequence[Row]) -> Sheet:
    """Returns the table of a question: stars, and what is better in bold."""
    table = sheet(caption, lines, RESULTS)
    place = list(RESULTS).index("mean_ensemble")
    cells = []
    for row, line in zip(lines, table.rows, strict=True):
        stars = metrics.stars(float(row["p"]))
        better = row["better"] == "True"
        marks = stars if better or not stars else f"{stars} (worse)"
        shown = line[place]
        marked = Cell(f"{shown.text}{marks}", shown.value, better and bool(stars))
        cells.append([*line[:place], marked, *line[place + 1 :]])
    return Sheet(caption, table.columns, cells)


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = parse_json(read_text(path))
        if not isinstance(settings, dict):
            raise ValueError("it is not an object")
        for name in ("questions", "methods"):
            check(settings.get(name), list[str], name)
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}: {REMEDY}") from None
    except ValueError as error:
        raise UserError(f"{path} can't be read: {error}: {REMEDY}") from None
    return settings


def _read_scores(path: Path) -> Mapping[str, np.ndarray]:
    try:
        return read_arrays(path)
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}: {REMEDY}") from None
    except ValueError as error:
        raise UserError(f"{path} can't be read: {error}: {REMEDY}") from None
