"""Measures speed: ratios of things that run in turn in one process.

    python -m jaxens.bench lime

explains one picture by LIME for all members at once, and by marcotcr/lime once per member.
"""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from jaxens.benchmarks.lime import OURS, lime
from jaxens.cli import Parser, main, positive
from jaxens.models import MODELS
from jaxens.viz.live import console
from jaxens.viz.tables import whole


def bench(arguments: Sequence[str] | None = None) -> None:
    asked = _parser().parse_args(arguments)
    for shared in (False, True):
        times = lime(
            asked.model, asked.members, asked.image_size, asked.samples, asked.rounds, shared
        )
        kind = "heads on one trunk" if shared else "separate networks"
        title = (
            f"LIME of one picture of {asked.image_size} px, {asked.samples} samples, "
            f"{asked.members} {asked.model}, {kind}; medians of {asked.rounds} rounds"
        )
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("by")
        for column in ("seconds", "first call", "times ours"):
            table.add_column(column, justify="right")
        for name, timed in times.items():
            ratio = timed.median / times[OURS].median
            table.add_row(name, f"{timed.median:.2f}", f"{timed.first:.1f}", f"{ratio:.1f}")
        console.print(whole(table, 200, console), soft_wrap=True)


def _parser() -> Parser:
    parser = Parser("bench", __doc__)
    add = parser.add_argument
    add("what", choices=("lime",), help="what is measured")
    add("--model", choices=tuple(MODELS), default="small", help="default: small")
    add("--members", type=positive, default=11, help="default: 11")
    add("--image-size", type=positive, default=64, help="default: 64")
    add("--samples", type=positive, default=1000, help="default: 1000")
    add("--rounds", type=positive, default=5, help="default: 5")
    return parser


if __name__ == "__main__":
    main(bench)
