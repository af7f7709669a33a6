"""What an evaluation leaves behind: tables in Markdown and CSV, and every score."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxens.attribution import METHODS, max_abs, sum_channels
from jaxens.data.source import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.evaluation import tables
from jaxens.evaluation.questions import Explained, Question
from jaxens.evaluation.scoring import Scores, Settings
from jaxens.metrics import Protocol
from jaxens.run import write as write_text
from jaxens.run import write_bytes


@dataclass(frozen=True)
class Answer:
    """A question, its scores by method and metric, and the rows of its table."""

    question: Question
    scores: Mapping[str, Mapping[str, Scores]]
    rows: Sequence[tables.Row]

    def title(self) -> str:
        """What was asked, of how many pictures, and what was left out."""
        out = "; ".join(f"{n} with {why}" for why, n in self.question.left_out.items() if n)
        broken = self._without_score()
        out = "; ".join(filter(None, [out, broken]))
        asked = self.question
        left = f" (left out: {out})" if out else ""
        return f"{asked.name}, truth: {asked.part}, {len(asked)} pictures{left}"

    def _without_score(self) -> str:
        """Pictures that a method has no score for: its map is constant, or has no mass."""
        counts = {
            METHODS[row.method].title: row.comparison.left_out
            for row in self.rows
            if row.comparison.left_out
        }
        return ", ".join(f"{n} without a score by {method}" for method, n in counts.items())


def protocol_text(
    protocol: Protocol,
    settings: Settings,
    ensemble: Ensemble,
    explained: Explained,
    background: int,
) -> str:
    """Every choice behind the scores, a line each."""
    names: dict[object, str] = {
        max_abs: "largest magnitude",
        sum_channels: "sum",
        None: "none to reduce",
    }
    reduced = ", ".join(f"{m.title} {names[m.reduce]}" for m in METHODS.values())
    individual = (
        f"the mean over the {ensemble.members} members of each one's score"
        if ensemble.baseline is None
        else "the score of the one member trained on all data"
    )
    what = {
        "label": "the label",
        "prediction": "the ensemble's prediction",
    }[explained]
    return "\n".join(
        [
            f"Explained: the raw logit of {what}.",
            f"Ind-Avg: {individual}. Ens-Avg: the score of the mean of the {ensemble.members} "
            "members' maps, averaged before anything below.",
            f"Channels: {reduced}.",
            protocol.describe(),
            f"Integrated Gradients: {settings.steps} Gauss-Legendre steps from the mean colour. "
            f"GradientSHAP: {settings.samples} samples, from {background} training pictures, the "
            "same for all members.",
            "Stars mark p < 0.01 (**) and p < 0.0001 (****) by the paired t-test; bold, where the "
            "ensemble is also the better one. d_z: the mean difference over its standard "
            "deviation.",
        ]
    )


def summary(answers: Sequence[Answer]) -> str:
    """How often the ensemble is better with p < 0.01, and where it is not."""
    judged = [r for a in answers for r in a.rows if r.metric in ("iou", "correlation", "distance")]
    lines = []
    for metric in ("iou", "correlation", "distance"):
        rows = [row for row in judged if row.metric == metric]
        if not rows:
            continue
        lost = [r for r in rows if not tables.won(r)]
        names = "; ".join(f"{METHODS[r.method].title} on {r.question}" for r in lost)
        lines.append(
            f"{tables.METRICS[metric]}: Ens-Avg is better with p < 0.01 in {len(rows) - len(lost)} "
            f"of {len(rows)} rows" + (f"; not by {names}" if names else "")
        )
    return "\n".join(lines)


def write(folder: Path, run: str, about: str, answers: Sequence[Answer], split: Split) -> None:
    """Writes `tables.md`, `tables.csv` and `scores.npz`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        f"# Explanations of {run}",
        "\n".join(f"- {line}" for line in about.split("\n")),
        "\n".join(f"- {line}" for line in summary(answers).split("\n")),
        *(tables.markdown(answer.title(), answer.rows) for answer in answers),
    ]
    write_text(folder / "tables.md", "\n\n".join(parts))
    write_text(folder / "tables.csv", tables.to_csv([r for a in answers for r in a.rows]))
    write_bytes(folder / "scores.npz", _npz(answers, split))


def _npz(answers: Sequence[Answer], split: Split) -> bytes:
    """Per picture: `QUESTION/pictures` (ids), `/targets`, and by `/METHOD/METRIC/` the scores of
    `individual` [member, picture] and `ensemble` [picture]."""
    arrays: dict[str, np.ndarray] = {}
    for answer in answers:
        question = answer.question
        arrays[f"{question.name}/pictures"] = np.array([split.ids[i] for i in question.pictures])
        arrays[f"{question.name}/targets"] = question.targets
        for method, by_metric in answer.scores.items():
            for metric, scores in by_metric.items():
                arrays[f"{question.name}/{method}/{metric}/individual"] = scores.individual
                arrays[f"{question.name}/{method}/{metric}/ensemble"] = scores.ensemble
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()
