"""What a benchmark found, as rows for the terminal, Markdown and JSON."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table

from jaxens.benchmarks.machine import Machine
from jaxens.benchmarks.rounds import Timed

JAXENS = "jaxens"  # our own side


@dataclass(frozen=True)
class Row:
    """One thing that was measured, done one way; None where a number has no meaning.

    `items` are what the results count (see `Results.unit`), `flop` and `memory` (bytes) those
    of one call. `seconds` are of a call, compiling not counted.
    """

    what: str
    by: str
    timed: Timed
    items: float | None = None
    flop: float | None = None
    dtype: str = "float32"  # whose ceiling the FLOP are compared with
    memory: int | None = None
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


def table(results: Results, machine: Machine) -> Table:
    """For the terminal."""
    drawn = Table(title=results.title, title_justify="left", box=box.SIMPLE_HEAD)
    names, cells = _cells(results, machine)
    for k, name in enumerate(names):
        drawn.add_column(name, justify="left" if k < 2 else "right")
    for row in cells:
        drawn.add_row(*row)
    return drawn


def markdown(results: Results, machine: Machine) -> str:
    names, cells = _cells(results, machine)
    rule = ["---" if k < 2 else "---:" for k in range(len(names))]
    lines = ["| " + " | ".join(row) + " |" for row in (names, rule, *cells)]
    notes = [f"\n{note}." for note in explained(results)]
    return "\n".join([f"**{results.title}**\n", *lines, *notes]) + "\n"


def explained(results: Results) -> list[str]:
    """What a reader has to know of a table's numbers."""
    ratios = [f"Ratio: {results.ratio}"] if any(row.ratio for row in results.rows) else []
    return [*ratios, *results.notes]


def as_json(results: Results, machine: Machine) -> dict[str, Any]:
    return {
        "title": results.title,
        "unit": results.unit,
        "ratio": results.ratio,
        "notes": list(results.notes),
        "rows": [
            asdict(row) | {"seconds": row.timed.median, "ceiling": _share(row, machine)}
            for row in results.rows
        ],
    }


def _cells(results: Results, machine: Machine) -> tuple[list[str], list[list[str]]]:
    """The columns that have something to say, and the rows' cells."""
    columns: dict[str, Callable[[Row], str | None]] = {
        "what": lambda row: row.what,
        "by": lambda row: row.by,
        "seconds": lambda row: _seconds(row.timed.median),
        "min to max": lambda row: _range(row.timed.rounds),
        f"{results.unit}/s": lambda row: (
            f"{row.items / row.timed.median:,.0f}" if row.items else None
        ),
        "GFLOP/s": lambda row: f"{row.flop / row.timed.median / 1e9:,.1f}" if row.flop else None,
        "of the ceiling": lambda row: _percent(_share(row, machine)),
        "memory": lambda row: f"{row.memory / 2**20:,.0f} MiB" if row.memory else None,
        "compiling, s": lambda row: f"{row.compiling:.1f}" if row.compiling else None,
        "ratio": lambda row: f"{row.ratio:.2f}" if row.ratio else None,
    }
    found = {name: [cell(row) or "" for row in results.rows] for name, cell in columns.items()}
    kept = {name: cells for name, cells in found.items() if any(cells)}
    return list(kept), [list(row) for row in zip(*kept.values(), strict=True)]


def _share(row: Row, machine: Machine) -> float | None:
    """Of the matmul ceiling of the row's type, or of float32 where that was not measured."""
    if row.flop is None:
        return None
    ceiling = machine.matmul.get(row.dtype, machine.matmul["float32"])
    return row.flop / row.timed.median / ceiling


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:.0f}"


def _range(rounds: tuple[float, ...]) -> str:
    return f"{_seconds(min(rounds))} to {_seconds(max(rounds))}"
