"""Tables for the terminal."""

from collections.abc import Sequence
from pathlib import PurePath

from rich import box
from rich.table import Table
from rich.text import Text

from jaxens.cli.parser import with_flags
from jaxens.ensemble.quality import Quality
from jaxens.evaluation import rows
from jaxens.evaluation.predictions import Subject
from jaxens.evaluation.question_result import QuestionResult
from jaxens.metrics import METRICS
from jaxens.names import shorten, visible
from jaxens.training.needs import Needs


def quality(scores: Sequence[Quality], images: int, divergence: str = "") -> Table:
    """Accuracy or AUC per task: of the average member, the ensemble, chance, and the baseline."""
    members = len(scores[0].members)
    several = members > 1
    title = f"{members} member{'s' * several} on {images} held-out images"
    table = _table(f"{title}; {divergence}" if divergence else title)
    for column in ("task", "measure"):
        table.add_column(column, no_wrap=True)
    baseline = ("all data",) if scores[0].baseline is not None else ()
    of_members = ("average member", "worst to best", "ensemble") if several else ("the member",)
    for column in (*of_members, *baseline, "chance"):
        table.add_column(column, justify="right", no_wrap=True)
    for q in scores:
        cells = [_cell(shorten(q.task)), _cell(q.measure), _cell(f"{q.mean:.3f}")]
        if several:
            cells.append(_cell(f"{min(q.members):.3f} to {max(q.members):.3f}"))
            cells.append(_cell(f"{q.ensemble:.3f}", "bold" if q.ensemble >= q.mean else ""))
        cells += [_cell(f"{q.baseline:.3f}") for _ in baseline]
        table.add_row(*cells, _cell(f"{q.chance:.3f}"))
    return table


def question(result: QuestionResult) -> Table:
    """Returns the rows of a question, with a section per metric."""
    table = _table(result.title())
    table.padding = (0, 1, 0, 0)
    for i, column in enumerate(rows.HEADER):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=True)
    for metric, of_metric in rows.by_metric(result.rows):
        table.add_section()
        heading = _cell(METRICS[metric].heading, "bold")
        table.add_row(heading.append(f" ({METRICS[metric].better} is better)", "not bold"))
        for row in of_metric:
            cells = [_cell(text) for text in rows.cells(row)]
            if rows.won(row):
                cells[2].stylize("bold green")
            table.add_row(*cells)
        for chance in result.chance:
            if chance.metric == metric:
                table.add_row(*map(_cell, rows.chance_cells(chance)), style="dim")
    return table


def predictions(subject: Subject) -> Table:
    """Returns one row per image: prediction, agreement, what is explained, the label if known."""
    table = _table(shorten(subject.task.name))
    several = len(subject.predictions.members) > 1
    known = subject.photos.truth is not None
    for column in ("image", f"{'ensemble' if several else 'member'} predicts"):
        table.add_column(column, no_wrap=True)
    for column in ("probability", *["members agree"] * several):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("explained, its probability", *["label"] * known):
        table.add_column(column, no_wrap=True)
    for row in subject.table.to_dicts():
        against = "" if row["against"] is None else f", not {shorten(row['against'])}"
        cells = [
            _cell(shorten(PurePath(row["image"]).name)),
            _cell(shorten(row["prediction"])),
            _cell(f"{row['probability']:.3f}"),
            *[_cell(f"{row['agreeing']} of {row['members']}")] * several,
            _cell(f"{shorten(row['target'])}, {row['target_probability']:.3f}{against}"),
        ]
        if known:
            label = shorten(row["label"] or "unknown")
            wrong = row["right"] is False
            cells.append(_cell(f"{label}, prediction wrong", "red") if wrong else _cell(label))
        table.add_row(*cells)
    return table


def needs(needs: Needs) -> Table:
    """Returns what a training needs, with flags in place of arguments."""
    table = _table(needs.describe())
    table.add_column("need", no_wrap=True)
    table.add_column("amount", justify="right", no_wrap=True)
    table.add_column("what")
    for row in needs.table.rows:
        table.add_row(*(_cell(with_flags(text)) for text in row))
    return table


def _table(title: str) -> Table:
    return Table(title=_cell(title), title_justify="left", box=box.SIMPLE_HEAD)


def _cell(text: str, style: str = "") -> Text:
    """Returns a text of a table: brackets are not markup, and what can't be seen is escaped."""
    return Text(visible(text, keep="\n"), style)
