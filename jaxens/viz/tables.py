"""Tables for the terminal."""

from rich.table import Table

from jaxens.ensemble.quality import Quality


def quality_table(scores: list[Quality], members: int, pictures: int) -> Table:
    """Accuracy or AUC per task: the average member, the ensemble, chance."""
    table = Table(title=f"{members} members on {pictures} held-out pictures")
    for column in ("task", "measure"):
        table.add_column(column)
    for column in ("average member", "(worst to best)", "ensemble", "chance"):
        table.add_column(column, justify="right")
    for q in scores:
        table.add_row(
            q.task,
            q.measure,
            f"{q.mean:.3f}",
            f"{min(q.members):.3f} to {max(q.members):.3f}",
            f"[bold]{q.ensemble:.3f}[/bold]" if q.ensemble >= q.mean else f"{q.ensemble:.3f}",
            f"{q.chance:.3f}",
        )
    return table
