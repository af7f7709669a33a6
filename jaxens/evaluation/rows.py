"""The rows of an evaluation's tables, and their cells as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jaxens import metrics
from jaxens.attribution import METHODS
from jaxens.evaluation.questions import Question
from jaxens.evaluation.scoring import Scores
from jaxens.metrics import METRICS, Comparison
from jaxens.tables import Table

HEADER = (
    "method", "Ind-Avg", "Ens-Avg", "difference [95 % CI]", "d_z", "p (t)", "p (Wilcoxon)",
    "p (t, Holm)", "n",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One method on one question by one metric.

    Of the images that the comparison leaves out, `no_truth` have no mask or point; the maps of
    the others have no score. On `some_members` of the images compared, Ind-Avg is the mean over
    fewer members, because the maps of some have no score.
    """

    question: str
    metric: str
    method: str
    comparison: Comparison
    p_holm: float  # of the t-tests of all methods in this table
    no_truth: int
    some_members: int


@dataclass(frozen=True)
class Chance:
    """The mean score of chance-level maps, on a question by one metric."""

    question: str
    metric: str
    name: str
    mean: float
    n: int  # images that have a score


def chance_of(question: Question, scores: Mapping[str, Mapping[str, np.ndarray]]) -> list[Chance]:
    """The rows of chance, from `score_chance`'s scores by name and metric."""
    return [
        Chance(question.name, metric, name, float(np.mean(scored)), len(scored))
        for name, by_metric in scores.items()
        for metric, values in by_metric.items()
        if len(scored := values[np.isfinite(values)])
    ]


def rows_of(question: Question, scores: Mapping[str, Mapping[str, Scores]]) -> list[Row]:
    """The rows of a question, from its scores by method and metric.

    A table is one metric of one question; Holm's correction is over its methods.
    """
    rows = []
    for metric in METRICS:
        tested, partly = {}, {}
        for method, by_metric in scores.items():
            if metric in by_metric:
                both = by_metric[metric]
                mean, missing = metrics.individual_average(both.individual)
                tested[method] = metrics.compare(
                    mean, both.ensemble, METRICS[metric].higher_is_better
                )
                partly[method] = int(np.sum((missing > 0) & np.isfinite(mean + both.ensemble)))
        adjusted = metrics.holm(np.array([c.p for c in tested.values()]))
        no_truth = question.without_truth(metric)
        rows += [
            Row(question.name, metric, method, comparison, float(p), no_truth, partly[method])
            for (method, comparison), p in zip(tested.items(), adjusted, strict=True)
        ]
    return rows


def won(row: Row) -> bool:
    """Whether the ensemble is better with p < 0.01 by the paired t-test, as the paper marks it."""
    return row.comparison.better and row.comparison.p < 0.01


def markdown(title: str, rows: Sequence[Row], chance: Sequence[Chance]) -> str:
    """The rows of a question as a Markdown table per metric."""
    heading, *notes = title.split("\n")
    lines = [f"## {heading}", "", *(f"- {note}" for note in notes), ""]
    for metric, part in by_metric(rows):
        lines += [
            f"**{METRICS[metric].title}** ({better(metric)} is better)",
            "",
            "| " + " | ".join(HEADER) + " |",
            "| --- |" + " ---: |" * (len(HEADER) - 1),
        ]
        for row in part:
            shown = cells(row)
            value, stars = shown[2].rstrip("*"), metrics.stars(row.comparison.p)
            value = f"**{value}**" if won(row) else value
            shown[2] = value + stars.replace("*", r"\*")
            lines.append("| " + " | ".join(shown) + " |")
        for known in chance:
            if known.metric == metric:
                lines.append("| " + " | ".join(chance_cells(known)) + " |")
        lines.append("")
    return "\n".join(lines)


def table(rows: Sequence[Row]) -> Table:
    """Every row with all digits."""
    fields = tuple(Comparison.__dataclass_fields__)
    counts = ("p_holm", "no_truth", "some_members")
    return Table(
        ("question", "metric", "method", *fields, *counts),
        [
            (
                *(row.question, row.metric, row.method),
                *(getattr(row.comparison, name) for name in fields),
                *(getattr(row, name) for name in counts),
            )
            for row in rows
        ],
    )


def chance_table(rows: Sequence[Chance]) -> Table:
    """Every row of chance with all digits."""
    columns = ("question", "metric", "map", "mean", "n")
    return Table(columns, [(c.question, c.metric, c.name, c.mean, c.n) for c in rows])


def by_metric(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    return [
        (metric, part)
        for metric in METRICS
        if (part := [row for row in rows if row.metric == metric])
    ]


def better(metric: str) -> str:
    return "higher" if METRICS[metric].higher_is_better else "lower"


def chance_cells(chance: Chance) -> list[str]:
    value = f"{chance.mean:.{_digits(chance.metric)}f}"
    return [f"chance: {chance.name}", value, *("–",) * (len(HEADER) - 3), str(chance.n)]


def _digits(metric: str) -> int:
    return 1 if metric in ("intersection", "union") else 3


def cells(row: Row) -> list[str]:
    c = row.comparison
    digits = _digits(row.metric)
    interval = f" [{c.low:+.{digits}f}, {c.high:+.{digits}f}]" if c.low == c.low else ""
    return [
        METHODS[row.method].title,
        f"{c.mean_individual:.{digits}f}",
        f"{c.mean_ensemble:.{digits}f}{metrics.stars(c.p)}",
        f"{c.difference:+.{digits}f}{interval}",
        "–" if np.isnan(c.d_z) else f"{c.d_z:+.2f}",
        _p(c.p),
        _p(c.wilcoxon_p),
        _p(row.p_holm),
        str(c.n),
    ]


def _p(p: float) -> str:
    if np.isnan(p):
        return "–"
    return f"{p:.0e}" if p < 1e-3 else f"{p:.3f}"
