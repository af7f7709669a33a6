"""Results of a benchmark, as tables for the terminal and Markdown, and as JSON."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from rich import box
from rich.table import Table

from jaxens.benchmarks import traffic
from jaxens.benchmarks.machine import Machine
from jaxens.benchmarks.rounds import Timed

JAXENS = "jaxens"  # the name of our side
Cells = tuple[list[str], list[list[str]]]  # column names, and rows


class Report(Protocol):
    """A table with a title and notes."""

    @property
    def title(self) -> str:
        """What was measured."""

    def cells(self, machine: Machine) -> Cells:
        """Returns the table's columns and rows: two columns of words, then numbers."""

    def explained(self) -> list[str]:
        """Notes on the numbers: sentences without a final full stop."""

    def as_json(self, machine: Machine) -> dict[str, Any]:
        """Returns all numbers as an object for JSON."""


@dataclass(frozen=True)
class Row:
    """One measurement: a task and who does it. None if a number does not apply.

    All numbers are of one call: `items` in the unit of `Results.unit`, `flop`, `traffic` and
    `memory`.
    """

    what: str
    by: str
    timed: Timed
    items: float | None = None
    flop: float | None = None
    dtype: str = "float32"  # type of the computation, and of the ceiling
    traffic: float | None = None  # bytes read and written
    memory: int | None = None  # bytes
    compiling: float | None = None  # seconds
    ratio: float | None = None  # see `Results.ratio`


@dataclass(frozen=True)
class Results:
    """A table. `ratio` says what the ratios compare; `notes` go below the table."""

    title: str
    unit: str
    ratio: str | None
    rows: list[Row]
    notes: tuple[str, ...] = ()

    def cells(self, machine: Machine) -> Cells:
        """Returns the columns that are not empty, and the rows."""
        columns: dict[str, Callable[[Row], str | None]] = {
            "what": lambda row: row.what,
            "by": lambda row: row.by,
            "seconds": lambda row: _seconds(row.timed.median),
            "min to max": lambda row: _range(row.timed.rounds),
            f"{self.unit}/s": lambda row: (
                f"{row.items / row.timed.median:,.0f}" if row.items else None
            ),
            "GFLOP/s": lambda row: (
                f"{row.flop / row.timed.median / 1e9:,.1f}" if row.flop else None
            ),
            "of the ceiling": lambda row: _percent(_of_ceiling(row, machine)),
            "of the bandwidth": lambda row: _percent(_of_bandwidth(row, machine)),
            "memory": lambda row: f"{row.memory / 2**20:,.0f} MiB" if row.memory else None,
            "compiling, s": lambda row: f"{row.compiling:.1f}" if row.compiling else None,
            "ratio": lambda row: f"{row.ratio:.2f}" if row.ratio else None,
        }
        table = {name: [cell(row) or "" for row in self.rows] for name, cell in columns.items()}
        used = {name: cells for name, cells in table.items() if any(cells)}
        return list(used), [list(row) for row in zip(*used.values(), strict=True)]

    def explained(self) -> list[str]:
        """See `Report.explained`."""
        ratios = [f"Ratio: {self.ratio}"] if any(row.ratio for row in self.rows) else []
        bandwidths = [traffic.FORMULA] if any(row.traffic for row in self.rows) else []
        return [*ratios, *self.notes, *bandwidths]

    def as_json(self, machine: Machine) -> dict[str, Any]:
        """See `Report.as_json`."""
        return {
            "title": self.title,
            "unit": self.unit,
            "ratio": self.ratio,
            "notes": list(self.notes),
            "rows": [
                asdict(row)
                | {
                    "seconds": row.timed.median,
                    "ceiling": _of_ceiling(row, machine),
                    "bandwidth": _of_bandwidth(row, machine),
                }
                for row in self.rows
            ],
        }


def fastest(timed: Mapping[str, Timed], ours: str = JAXENS) -> str | None:
    """Returns the fastest of the other sides; None if there is none."""
    others = [name for name in timed if name != ours]
    return min(others, key=lambda name: timed[name].median, default=None)


def times_as_fast(timed: Mapping[str, Timed], by: str) -> float | None:
    """Returns the fastest other side's time divided by ours; None in the rows of others."""
    best = fastest(timed)
    return timed[best].median / timed[by].median if best and by == JAXENS else None


def ratio_to_fastest(timed: Mapping[str, Timed]) -> str | None:
    """Returns a description of what `times_as_fast` compares; None if there is no other side."""
    best = fastest(timed)
    return best and f"how many times as fast as {best}"


def table(report: Report, machine: Machine) -> Table:
    """Returns a report as a table for the terminal."""
    result = Table(title=report.title, title_justify="left", box=box.SIMPLE_HEAD)
    names, cells = report.cells(machine)
    for k, name in enumerate(names):
        result.add_column(name, justify="left" if k < 2 else "right")
    for row in cells:
        result.add_row(*row)
    return result


def markdown(report: Report, machine: Machine) -> str:
    """Returns a report as Markdown: its title, table and notes."""
    names, cells = report.cells(machine)
    rule = ["---" if k < 2 else "---:" for k in range(len(names))]
    lines = ["| " + " | ".join(row) + " |" for row in (names, rule, *cells)]
    notes = [f"\n{note}." for note in report.explained()]
    return "\n".join([f"**{report.title}**\n", *lines, *notes]) + "\n"


def _of_ceiling(row: Row, machine: Machine) -> float | None:
    """Returns the rate as a share of a matrix product's, in the row's type or else in float32."""
    if row.flop is None:
        return None
    ceiling = machine.matmul.get(row.dtype, machine.matmul["float32"])
    return row.flop / row.timed.median / ceiling


def _of_bandwidth(row: Row, machine: Machine) -> float | None:
    return None if row.traffic is None else row.traffic / row.timed.median / machine.bandwidth


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:.0f}"


def _range(rounds: tuple[float, ...]) -> str:
    return f"{_seconds(min(rounds))} to {_seconds(max(rounds))}"
