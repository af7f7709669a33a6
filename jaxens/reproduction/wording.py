"""The words and numbers of the page: the cells of a row, and sentences about an experiment."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jaxens import metrics
from jaxens.attribution import METHODS
from jaxens.metrics import METRICS
from jaxens.reproduction.comparing import VERDICTS, Comparison, digits
from jaxens.reproduction.measuring import LabelAuc, SizeCurve

DASH = "–"


def method_title(name: str) -> str:
    """Returns the title of a method; of anything else, its name."""
    return METHODS[name].title if name in METHODS else name


def metric_title(name: str) -> str:
    """Returns the title of a metric, and which scores are better."""
    if name == "auc":
        return "AUC (higher is better)"
    return f"{METRICS[name].heading} ({METRICS[name].better} is better)"


def cells(comparison: Comparison, decimals: int) -> dict[str, str]:
    """Returns the texts of a row, by column.

    Args:
        comparison: The row.
        decimals: How many decimals the paper prints in this table.
    """
    row, ours = comparison.row, comparison.ours
    places = digits(row["metric"])
    texts = {
        "method": method_title(row["method"]),
        "diversity": row.get("diversity", ""),
        "metric": metric_title(row["metric"]),
        "paper_ind": f"{row['ind_avg']:.{decimals}f}" if "ind_avg" in row else DASH,
        "paper_ens": DASH,
        "paper_direction": comparison.paper_direction,
        "our_ind": DASH,
        "our_ens": DASH,
        "our_direction": comparison.our_direction or DASH,
        "p": DASH,
        "n": DASH,
        "crossed": DASH,
        "chance": DASH,
        "significance": comparison.significance,
        "verdict": comparison.verdict,
    }
    if "ens_avg" in row:
        texts["paper_ens"] = f"{row['ens_avg']:.{decimals}f}{row.get('stars', '')}"
    if "p" in row:
        texts["paper_ens"] += f" (p {row['p']})"
    if ours is not None:
        texts |= {
            "our_ind": _number(ours.ind_avg, places),
            "our_ens": _number(ours.ens_avg, places) + metrics.stars(ours.p),
            "p": _p_value(ours.p),
            "n": str(ours.n),
        }
        if ours.chance is not None:
            texts["chance"] = _number(ours.chance, places)
        if ours.crossed is not None and not math.isnan(ours.crossed.p):
            c = ours.crossed
            texts["crossed"] = (
                f"{c.difference:+.{places}f} [{c.low:+.{places}f}, {c.high:+.{places}f}], "
                f"p\N{NO-BREAK SPACE}{_p_value(c.p)}"
            )
    return texts


def decimals_of(rows: Sequence[Comparison]) -> int:
    """Returns how many decimals the paper prints: the most that a number of the table has."""
    numbers = [c.row[key] for c in rows for key in ("ind_avg", "ens_avg") if key in c.row]
    return max((len(str(number).partition(".")[2]) for number in numbers), default=3)


def sentence(comparison: Comparison, decimals: int) -> str:
    """Describes a row with its numbers, for the list of those that disagree."""
    of = cells(comparison, decimals)
    named = ", ".join(filter(None, (of["method"], of["diversity"], of["metric"])))
    paper = f"the paper's ensemble is {of['paper_direction']}"
    if of["paper_ens"] != DASH:
        paper += f" ({of['paper_ind']} → {of['paper_ens']})"
    return (
        f"{named}: {paper}; ours is {of['our_direction']} ({of['our_ind']} → {of['our_ens']}, "
        f"p {of['p']})"
    )


def counts(rows: Sequence[Comparison]) -> list[tuple[str, str]]:
    """Returns in words how many rows there are of each verdict, after the verdict."""
    words = {
        "agrees": "agree",
        "disagrees": "disagree",
        "agrees in direction only": "agree in direction only",
        "no counterpart": "have no counterpart",
    }
    return [
        (verdict, f"{count} {words[verdict]}") for verdict, count in tally(rows).items() if count
    ]


def tally(rows: Sequence[Comparison]) -> dict[str, int]:
    """Counts the rows by verdict."""
    return {verdict: sum(row.verdict == verdict for row in rows) for verdict in VERDICTS}


def less_certain(rows: Sequence[Comparison]) -> str:
    """Names the rows that are significant for these members, but not for other members as well."""
    names = [
        method_title(c.row["method"])
        for c in rows
        if c.we_are_sure and c.ours and c.ours.crossed and not c.ours.crossed.p < 0.01
    ]
    if not names:
        return ""
    return (
        "The t-test is significant and the bootstrap over images and members is not, so that "
        f"other members could give another result: {', '.join(dict.fromkeys(names))}."
    )


def learned(quality: Mapping[str, Any]) -> bool:
    """Returns whether an ensemble learned its task: at least half the way from chance to 1."""
    return bool(quality["ensemble"] - quality["chance"] >= 0.5 * (1 - quality["chance"]))


def quality_sentence(name: str, quality: Mapping[str, Any]) -> str:
    """Describes how well an ensemble classifies."""
    text = (
        f"{name}, {quality['task']}: {quality['measure']} of the ensemble "
        f"{quality['ensemble']:.3f}, of the average member {quality['mean']:.3f}"
    )
    if quality["baseline"] is not None:
        text += f", of the member trained on all data {quality['baseline']:.3f}"
    return f"{text}; chance {quality['chance']:.3f}."


def size_sentences(curves: Mapping[tuple[str, str], SizeCurve]) -> list[str]:
    """Describes each curve: the text alternative of the figure."""
    sentences = []
    for (method, metric), curve in curves.items():
        sizes = sorted({1, 2, (len(curve.mean) + 1) // 2, len(curve.mean)})
        points = ", ".join(f"{curve.mean[size - 1]:.3f} with {size}" for size in sizes)
        text = f"{method_title(method)}: {METRICS[metric].title} of the mean map {points} members"
        text += f"; average member {curve.individual:.3f}"
        if not math.isnan(curve.share_of_half):
            half = (len(curve.mean) + 1) // 2
            text += f"; {curve.share_of_half:.0%} of the gain comes with the first {half} members"
        sentences.append(f"{text}.")
    return sentences


def auc_sentence(label: LabelAuc) -> str:
    """Describes the areas of a label, with the tests of the median member."""
    return (
        f"{label.label}: average member {label.members:.3f}, ensemble {label.ensemble:.3f}; the "
        f"median member and the ensemble differ with p {_p_value(label.delong.p)} (DeLong), "
        f"{_p_value(label.bootstrap.p)} (bootstrap)."
    )


def _p_value(p: float) -> str:
    """Returns a p-value in a few digits."""
    if math.isnan(p):
        return DASH
    return f"{p:.0e}" if p < 1e-3 else f"{p:.3f}"


def minutes(seconds: float) -> str:
    """Returns a time in minutes."""
    return f"{seconds / 60:.1f} min"


def _number(value: float, places: int) -> str:
    return DASH if math.isnan(value) else f"{value:.{places}f}"
