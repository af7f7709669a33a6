"""What a benchmark found, as rows for the terminal, Markdown and JSON."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from rich import box
from rich.table import Table

from jaxens.benchmarks import traffic
from jaxens.benchmarks.machine import Machine
from jaxens.benchmarks.rounds import Timed

JAXENS = "jaxens"  # our own side
Cells = tuple[list[str], list[list[str]]]  # the columns' names, and the rows


class Shown(Protocol):
    """A table with a title."""

    @property
    def title(self) -> str: ...

    def cells(self, machine: Machine) -> Cells:
        """The first two columns are words, the others numbers."""

    def explained(self) -> list[str]:
        """Sentences, without their stops: what a reader has to know of the numbers."""

    def as_json(self, machine: Machine) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Row:
    """One thing that was measured, done one way; None where a number has no meaning.

    `items` are what the results count (see `Results.unit`), `flop`, `traffic` and `memory`
    (bytes) those of one call. `seconds` are of a call, compiling not counted.
    """

    what: str
    by: str
    timed: Timed
    items: float | None = None
    flop: float | None = None
    dtype: str = "float32"  # whose ceiling the FLOP are compared with
    traffic: float | None = None  # bytes that are read and written
    memory: int | None = None  # bytes that are held
    compiling: float | None = None  # seconds
    ratio: float | None = None  # see `Results.ratio`


@dataclass(frozen=True)
class Results:
    """`ratio` says what the rows' ratios compare; `notes` are sentences under the table."""

    title: str
    unit: str
    ratio: str | None
    rows: list[Row]
    notes: tuple[str, ...] = ()

    def cells(self, machine: Machine) -> Cells:
        """The columns that have something to say, and the rows' cells."""
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
        found = {name: [cell(row) or "" for row in self.rows] for name, cell in columns.items()}
        kept = {name: cells for name, cells in found.items() if any(cells)}
        return list(kept), [list(row) for row in zip(*kept.values(), strict=True)]

    def explained(self) -> list[str]:
        ratios = [f"Ratio: {self.ratio}"] if any(row.ratio for row in self.rows) else []
        bandwidths = [traffic.FORMULA] if any(row.traffic for row in self.rows) else []
        return [*ratios, *self.notes, *bandwidths]

    def as_json(self, machine: Machine) -> dict[str, Any]:
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
    """The fastest side that is not ours; None if there is none."""
    others = [name for name in timed if name != ours]
    return min(others, key=lambda name: timed[name].median, default=None)


def times_as_fast(timed: Mapping[str, Timed], by: str) -> float | None:
    """Our side beside the fastest other one; None for the others, or if there are none."""
    best = fastest(timed)
    return timed[best].median / timed[by].median if best and by == JAXENS else None


def beside_fastest(timed: Mapping[str, Timed]) -> str | None:
    """What `times_as_fast` compares; None if there is no other side."""
    best = fastest(timed)
    return best and f"how many times as fast as {best}"


def table(shown: Shown, machine: Machine) -> Table:
    """For the terminal."""
    drawn = Table(title=shown.title, title_justify="left", box=box.SIMPLE_HEAD)
    names, cells = shown.cells(machine)
    for k, name in enumerate(names):
        drawn.add_column(name, justify="left" if k < 2 else "right")
    for row in cells:
        drawn.add_row(*row)
    return drawn


def markdown(shown: Shown, machine: Machine) -> str:
    names, cells = shown.cells(machine)
    rule = ["---" if k < 2 else "---:" for k in range(len(names))]
    lines = ["| " + " | ".join(row) + " |" for row in (names, rule, *cells)]
    notes = [f"\n{note}." for note in shown.explained()]
    return "\n".join([f"**{shown.title}**\n", *lines, *notes]) + "\n"


def _of_ceiling(row: Row, machine: Machine) -> float | None:
    """The share of the matmul ceiling of the row's type, or of float32's if there is none."""
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
