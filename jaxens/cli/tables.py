"""Tables for the terminal."""

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from jaxens.ensemble.quality import Quality


def quality_table(scores: list[Quality], members: int, pictures: int) -> Table:
    """Accuracy or AUC per task: the average member, the ensemble, chance; and the member
    trained on all data, where there is one."""
    table = Table(
        title=f"{members} members on {pictures} held-out pictures",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for column in ("task", "measure"):
        table.add_column(column, no_wrap=True)
    alone = ("all data",) if scores[0].baseline is not None else ()
    for column in ("average member", "worst to best", "ensemble", *alone, "chance"):
        table.add_column(column, justify="right", no_wrap=True)
    for q in scores:
        table.add_row(
            q.task,
            q.measure,
            f"{q.mean:.3f}",
            f"{min(q.members):.3f} to {max(q.members):.3f}",
            f"[bold]{q.ensemble:.3f}[/bold]" if q.ensemble >= q.mean else f"{q.ensemble:.3f}",
            *(f"{q.baseline:.3f}" for _ in alone),
            f"{q.chance:.3f}",
        )
    return table


def whole(table: RenderableType, width: int, console: Console) -> Text:
    """A table drawn at its own width: a narrow terminal breaks lines, but no number is cut."""
    wide = Console(
        width=width,
        force_terminal=console.is_terminal,
        color_system="standard" if console.is_terminal else None,
        highlight=False,
    )
    with wide.capture() as drawn:
        wide.print(table)
    return Text.from_ansi(drawn.get())
