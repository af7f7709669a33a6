"""Tables as data: rows that go to CSV, Markdown, or pandas."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows of values under named columns.

    `pandas.DataFrame(table.rows, columns=table.columns)` makes a data frame of it. Notebooks show
    it as a table.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]

    def __len__(self) -> int:
        return len(self.rows)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Returns one dict per row, by column."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def to_csv(self) -> str:
        """Comma-separated text with a header; numbers keep all their digits."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue()

    def to_markdown(self) -> str:
        """Returns a Markdown table; numbers are rounded to three decimals."""
        rule = "|" + " --- |" * len(self.columns)
        return "\n".join([_line(self.columns), rule, *map(_line, self.rows)]) + "\n"

    _repr_markdown_ = to_markdown  # IPython calls it


# An underscore within a word is none of emphasis.
_MARKUP = re.compile(
    r"[\\`*|\[\]#~$]|<(?=[a-zA-Z/!?])|&(?=#?[0-9a-zA-Z]+;)|(?<![^\W_])_|_(?![^\W_])"
)


def plain(text: str) -> str:
    """Returns a text that Markdown shows as it is: no link, emphasis, HTML or formula."""
    return _MARKUP.sub(r"\\\g<0>", text)


def _line(cells: Sequence[Any]) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(value: Any) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return plain(text.replace("\n", " "))
