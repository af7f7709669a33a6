"""Rows of an evaluation's tables: as data, and as text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxens import metrics
from jaxens.attribution import METHODS
from jaxens.evaluation.questions import Question
from jaxens.evaluation.scoring import Scores
from jaxens.metrics import METRICS, Comparison, CrossedComparison
from jaxens.tables import Table, plain

HEADER = (
    "method", "Ind-Avg", "Ens-Avg", "difference [95 % CI]", "d_z", "p (t)", "p (t, Holm)",
    "p (members too)", "n",
)  # fmt: skip

# Columns of a table, and the fields of `CrossedComparison` that they have.
_CROSSED = {
    "members": "members",
    "crossed_images": "images",
    "crossed_difference": "difference",
    "crossed_low": "low",
    "crossed_high": "high",
    "crossed_p": "p",
}


@dataclass(frozen=True)
class Row:
    """The statistics of one method on one question by one metric.

    Attributes:
        question: Name of the question.
        metric: Name in `METRICS`.
        method: Name in `METHODS`.
        comparison: The statistics of Ind-Avg and Ens-Avg.
        p_holm: The p-value of the t-test with Holm's correction over the methods of the table.
        crossed: The gain over images and members, which are both samples; all NaN of one member.
        no_truth: Images left out because of their truth, such as an empty mask. Other images are
            left out because their maps have no score.
        some_members: Images for which the maps of some members have no score, so that Ind-Avg is
            the mean over the others.
    """

    question: str
    metric: str
    method: str
    comparison: Comparison
    p_holm: float
    crossed: CrossedComparison
    no_truth: int
    some_members: int


@dataclass(frozen=True)
class Chance:
    """The mean score of chance-level maps on a question by one metric.

    Attributes:
        question: Name of the question.
        metric: Name in `METRICS`.
        name: The name of the maps.
        mean: Over the images that have a score.
        n: Number of these images.
    """

    question: str
    metric: str
    name: str
    mean: float
    n: int


def chance_of(question: Question, scores: Mapping[str, Mapping[str, np.ndarray]]) -> list[Chance]:
    """Returns the rows of the scores that `score_chance` returns; none where no image has one."""
    return [
        Chance(question.name, metric, name, float(np.mean(scored)), len(scored))
        for name, by_metric in scores.items()
        for metric, values in by_metric.items()
        if len(scored := values[np.isfinite(values)])
    ]


def rows_of(question: Question, scores: Mapping[str, Mapping[str, Scores]]) -> list[Row]:
    """Returns the rows of a question: by metric, then by method.

    Args:
        question: The question.
        scores: By method, then by metric.
    """
    rows = []
    for metric in METRICS:
        tested, crossed, some_members = {}, {}, {}
        for method, by_metric in scores.items():
            if metric in by_metric:
                of_both = by_metric[metric]
                mean, missing = metrics.individual_average(of_both.individual)
                tested[method] = metrics.compare(
                    mean, of_both.ensemble, METRICS[metric].higher_is_better
                )
                crossed[method] = metrics.compare_crossed(of_both.individual, of_both.ensemble)
                compared = np.isfinite(mean + of_both.ensemble)
                some_members[method] = int(np.sum((missing > 0) & compared))
        # A table is one metric of one question.
        adjusted = metrics.holm(np.array([c.p for c in tested.values()]))
        no_truth = sum(question.without_truth(metric).values())
        rows += [
            Row(
                *(question.name, metric, method, comparison, float(p), crossed[method]),
                *(no_truth, some_members[method]),
            )
            for (method, comparison), p in zip(tested.items(), adjusted, strict=True)
        ]
    return rows


def won(row: Row) -> bool:
    """Returns whether the ensemble is better with p < 0.01 by the paired t-test."""
    return row.comparison.better and row.comparison.p < 0.01


def markdown(title: str, rows: Sequence[Row], chance: Sequence[Chance]) -> str:
    """Returns the rows of a question as Markdown, a table per metric.

    Args:
        title: A heading, then a line for each note.
        rows: The rows of one question.
        chance: The chance scores of the same question.
    """
    heading, *notes = title.split("\n")
    lines = [f"## {plain(heading)}", "", *(f"- {plain(note)}" for note in notes), ""]
    for metric, part in by_metric(rows):
        lines += [
            f"**{METRICS[metric].heading}** ({METRICS[metric].better} is better)",
            "",
            "| " + " | ".join(HEADER) + " |",
            "| --- |" + " ---: |" * (len(HEADER) - 1),
        ]
        for row in part:
            shown = cells(row)
            value, marks = f"{row.comparison.mean_ensemble:.{METRICS[metric].digits}f}", _marks(row)
            shown[2] = (f"**{value}**" if won(row) else value) + marks.replace("*", r"\*")
            lines.append("| " + " | ".join(shown) + " |")
        for baseline in chance:
            if baseline.metric == metric:
                lines.append("| " + " | ".join(chance_cells(baseline)) + " |")
        lines.append("")
    return "\n".join(lines)


def table(rows: Sequence[Row]) -> Table:
    """Returns every row with all digits."""
    fields = tuple(Comparison.__dataclass_fields__)
    counts = ("p_holm", "no_truth", "some_members")
    return Table(
        ("question", "metric", "method", *fields, *counts, *_CROSSED),
        [
            (
                *(row.question, row.metric, row.method),
                *(getattr(row.comparison, name) for name in fields),
                *(getattr(row, name) for name in counts),
                *(getattr(row.crossed, name) for name in _CROSSED.values()),
            )
            for row in rows
        ],
    )


def chance_table(rows: Sequence[Chance]) -> Table:
    """Returns every row of chance with all digits."""
    columns = ("question", "metric", "map", "mean", "n")
    return Table(columns, [(c.question, c.metric, c.name, c.mean, c.n) for c in rows])


def from_text(line: Mapping[str, str]) -> Row:
    """Returns a row of `table` from its texts in a CSV file, by column.

    Raises:
        ValueError: If a number is none.
        KeyError: If a column is missing.
    """
    kinds: dict[str, Callable[[str], Any]] = {
        **dict.fromkeys(("n", "left_out", "members", "images"), int),
        "better": "True".__eq__,
    }
    fields = Comparison.__dataclass_fields__
    return Row(
        line["question"],
        line["metric"],
        line["method"],
        Comparison(**{name: kinds.get(name, float)(line[name]) for name in fields}),
        float(line["p_holm"]),
        CrossedComparison(
            **{field: kinds.get(field, float)(line[column]) for column, field in _CROSSED.items()}
        ),
        int(line["no_truth"]),
        int(line["some_members"]),
    )


def chance_from_text(line: Mapping[str, str]) -> Chance:
    """Returns a row of `chance_table` from its texts in a CSV file; see `from_text`."""
    mean, n = float(line["mean"]), int(line["n"])
    return Chance(line["question"], line["metric"], line["map"], mean, n)


def by_metric(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Returns each metric that has rows, with its rows."""
    return [
        (metric, part)
        for metric in METRICS
        if (part := [row for row in rows if row.metric == metric])
    ]


def chance_cells(chance: Chance) -> list[str]:
    """Returns the texts under `HEADER` of a row of chance."""
    value = f"{chance.mean:.{METRICS[chance.metric].digits}f}"
    return [f"chance: {chance.name}", value, *("–",) * (len(HEADER) - 3), str(chance.n)]


def cells(row: Row) -> list[str]:
    """Returns the texts under `HEADER` of a row."""
    c = row.comparison
    digits = METRICS[row.metric].digits
    interval = f" [{c.low:+.{digits}f}, {c.high:+.{digits}f}]" if not np.isnan(c.low) else ""
    return [
        METHODS[row.method].title,
        f"{c.mean_individual:.{digits}f}",
        f"{c.mean_ensemble:.{digits}f}{_marks(row)}",
        f"{c.difference:+.{digits}f}{interval}",
        "–" if np.isnan(c.d_z) else f"{c.d_z:+.2f}",
        _p(c.p),
        _p(row.p_holm),
        _p(row.crossed.p),
        str(c.n),
    ]


def _marks(row: Row) -> str:
    """Returns the stars of the paper's tables, and the direction of a significant loss."""
    stars = metrics.stars(row.comparison.p)
    return f"{stars} (worse)" if stars and not row.comparison.better else stars


def _p(p: float) -> str:
    if np.isnan(p):
        return "–"
    return f"{p:.0e}" if p < 1e-3 else f"{p:.3f}"
