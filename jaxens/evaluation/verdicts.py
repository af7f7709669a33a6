"""An evaluation in sentences: what was scored, what was left out, and where the ensemble wins."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from jaxens.attribution import METHODS
from jaxens.evaluation import rows
from jaxens.evaluation.questions import Question
from jaxens.evaluation.rows import Chance, Row
from jaxens.evaluation.scoring import CHANCE
from jaxens.metrics import METRICS, Protocol
from jaxens.names import shorten


def heading(question: Question) -> str:
    """Describes a question in a line."""
    left_out = _counted(question.left_out)
    return f"{shorten(question.name)}, truth: {shorten(question.part)}, {len(question)} images" + (
        f"; left out: {left_out}" if left_out else ""
    )


def notes(question: Question, scored: Sequence[Row], protocol: Protocol) -> list[str]:
    """Describes what has no score, one thing per line.

    Args:
        question: The question.
        scored: Its rows.
        protocol: How maps are scored.
    """
    lines = []
    for truth, known, marks in (
        ("mask", question.masks, "masks"),
        ("point", question.points, "key points"),
    ):
        metrics = [m for m in protocol.metrics if METRICS[m].truth == truth]
        if known is None and metrics:
            part = shorten(question.part)
            lines.append(f"not scored: {_titles(metrics)}, because {part} has no {marks}")
    truths: dict[str, list[str]] = {}
    for metric in dict.fromkeys(row.metric for row in scored):
        if missing := _counted(question.without_truth(metric)):
            truths.setdefault(missing, []).append(metric)
    lines += [f"{_titles(metrics)}: left out {missing}" for missing, metrics in truths.items()]
    return lines + _without_score(scored)


def _without_score(scored: Sequence[Row]) -> list[str]:
    """Counts the images whose maps have no score; what is the same for several rows is one line."""
    by_sentence: dict[str, dict[str, list[str]]] = {}
    for row in scored:
        lost = row.comparison.left_out - row.no_truth
        for count, sentence in (
            (lost, f"left out {lost} whose maps have no score"),
            (
                row.some_members,
                f"{row.some_members} compared without the members whose maps have no score",
            ),
        ):
            if count:
                by_method = by_sentence.setdefault(sentence, {})
                by_method.setdefault(METHODS[row.method].title, []).append(row.metric)
    lines = []
    for sentence, by_method in by_sentence.items():
        by_metrics: dict[str, list[str]] = {}
        for method, metrics in by_method.items():
            by_metrics.setdefault(_titles(metrics), []).append(method)
        lines += [f"{of} of {', '.join(m)}: {sentence}" for of, m in by_metrics.items()]
    return lines


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count} with {reason}" for reason, count in reasons.items() if count)


def _titles(metrics: Iterable[str]) -> str:
    return ", ".join(METRICS[metric].title for metric in metrics)


def summary(scored: Sequence[Row], chance: Sequence[Chance]) -> str:
    """Summarizes by metric where the ensemble is better with p < 0.01, and where it is not.

    Names also the rows where it is no better than chance, with the chance-level map that wins.
    """
    tested = [row for row in scored if not np.isnan(row.comparison.p)]
    lines = []
    for metric, of_metric in rows.by_metric(tested):
        if not METRICS[metric].decisive:
            continue
        lost = [row for row in of_metric if not rows.won(row)]
        lines.append(
            f"{METRICS[metric].title}: Ens-Avg is better with p < 0.01 in "
            f"{len(of_metric) - len(lost)} of {len(of_metric)} rows"
            + (f"; not by {_names(lost)}" if lost else "")
        )
        by_winner: dict[str, list[Row]] = {}
        for row in of_metric:
            if winner := _winner(row, chance):
                by_winner.setdefault(winner, []).append(row)
        lines += [
            f"  no better than {CHANCE[winner]}: {_names(no_better)}"
            for winner, no_better in by_winner.items()
        ]
    return "\n".join(lines) or "nothing to test: too few images, or scores that do not vary"


def _winner(row: Row, chance: Sequence[Chance]) -> str | None:
    """Returns the best chance-level map that scores as well as the ensemble, if there is one."""
    sign = 1 if METRICS[row.metric].higher_is_better else -1
    same = [c for c in chance if (c.question, c.metric) == (row.question, row.metric)]
    best = max(same, key=lambda c: sign * c.mean, default=None)
    if best is None or sign * (row.comparison.mean_ensemble - best.mean) > 0:
        return None
    return best.name


def _names(of: Sequence[Row]) -> str:
    return "; ".join(f"{METHODS[row.method].title} on {shorten(row.question)}" for row in of)
