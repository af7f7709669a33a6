"""What an ensemble says of pictures, and what of that is explained, in words."""

from pathlib import PurePath

from rich import box
from rich.markup import escape
from rich.table import Table

from jaxens.evaluation.predictions import Subject


def predictions_table(subject: Subject) -> Table:
    """A row per picture: the ensemble's answer, how sure it is and how many members agree, and
    what is explained."""
    said, task = subject.predictions, subject.task
    table = Table(title=task.name, title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("picture", "ensemble says"):
        table.add_column(column, no_wrap=True)
    for column in ("probability", "members agree"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("explained, its probability", no_wrap=True)
    for i, name in enumerate(subject.pictures.names):
        says, target = said.classes[i], subject.targets[i]
        words = f"{task.classes[target]}, {said.mean[i, target]:.3f}"
        if subject.against is not None:
            words += f", not {task.classes[subject.against]}"
        cells = (
            PurePath(name).name,
            task.classes[says],
            f"{said.mean[i, says]:.3f}",
            f"{said.agreeing[i]} of {said.sound[:, i].sum()}",
            words,
        )
        table.add_row(*map(escape, cells))
    return table


def captions(subject: Subject) -> list[str]:
    """A few short lines per picture: its name, what is explained, who finds it so."""
    said, classes, told = subject.predictions, subject.task.classes, []
    for i, name in enumerate(subject.pictures.names):
        says, target = said.classes[i], subject.targets[i]
        lines = [PurePath(name).name, f"{classes[target]}, {said.mean[i, target]:.2f}"]
        if subject.against is not None:
            lines.append(f"rather than {classes[subject.against]}")
        if says == target:
            lines.append(f"{said.agreeing[i]} of {said.sound[:, i].sum()} members agree")
        else:
            lines.append(f"predicted: {classes[says]}, {said.mean[i, says]:.2f}")
        told.append("\n".join(map(_shortened, lines)))
    return told


def _shortened(line: str, letters: int = 30) -> str:
    """A long line without its middle."""
    half = (letters - 1) // 2
    return line if len(line) <= letters else f"{line[:half]}…{line[-half:]}"
