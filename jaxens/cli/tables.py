"""Tables for the terminal."""

from collections.abc import Sequence
from pathlib import PurePath

from rich import box
from rich.markup import escape
from rich.table import Table

from jaxens.ensemble.quality import Quality
from jaxens.evaluation import rows
from jaxens.evaluation.evaluation import QuestionResult
from jaxens.evaluation.predictions import Subject
from jaxens.metrics import METRICS


def quality(scores: Sequence[Quality], members: int, images: int) -> Table:
    """Accuracy or AUC per task: of the average member, the ensemble, chance, and the baseline."""
    table = _table(f"{members} members on {images} held-out images")
    for column in ("task", "measure"):
        table.add_column(column, no_wrap=True)
    baseline = ("all data",) if scores[0].baseline is not None else ()
    for column in ("average member", "worst to best", "ensemble", *baseline, "chance"):
        table.add_column(column, justify="right", no_wrap=True)
    for q in scores:
        table.add_row(
            q.task,
            q.measure,
            f"{q.mean:.3f}",
            f"{min(q.members):.3f} to {max(q.members):.3f}",
            f"[bold]{q.ensemble:.3f}[/bold]" if q.ensemble >= q.mean else f"{q.ensemble:.3f}",
            *(f"{q.baseline:.3f}" for _ in baseline),
            f"{q.chance:.3f}",
        )
    return table


def question(result: QuestionResult) -> Table:
    """The rows of a question, with a section per metric."""
    table = _table(result.title())
    table.padding = (0, 1, 0, 0)
    for i, column in enumerate(rows.HEADER):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=True)
    for metric, of_metric in rows.by_metric(result.rows):
        table.add_section()
        table.add_row(f"[bold]{METRICS[metric].title}[/bold] ({rows.better(metric)} is better)")
        for row in of_metric:
            cells = rows.cells(row)
            if rows.won(row):
                cells[2] = f"[bold green]{cells[2]}[/bold green]"
            table.add_row(*cells)
        for chance in result.chance:
            if chance.metric == metric:
                table.add_row(*rows.chance_cells(chance), style="dim")
    return table


def predictions(subject: Subject) -> Table:
    """One row per image: prediction, probability, agreement, and what is explained."""
    table = _table(subject.task.name)
    for column in ("image", "ensemble predicts"):
        table.add_column(column, no_wrap=True)
    for column in ("probability", "members agree"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("explained, its probability", no_wrap=True)
    for row in subject.table.to_dicts():
        against = "" if row["against"] is None else f", not {row['against']}"
        cells = (
            PurePath(row["image"]).name,
            row["prediction"],
            f"{row['probability']:.3f}",
            f"{row['agreeing']} of {row['members']}",
            f"{row['target']}, {row['target_probability']:.3f}{against}",
        )
        table.add_row(*map(escape, cells))
    return table


def _table(title: str) -> Table:
    return Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD)
