"""What an evaluation leaves behind: tables in Markdown and CSV, and every score."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from jaxens.attribution import METHODS, max_abs, sum_channels
from jaxens.data.source import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
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
        """What was asked, of how many pictures, and what was left out, and why."""
        asked = self.question
        out = [f"{n} with {why}" for why, n in asked.left_out.items() if n]
        truth = {tables.METRICS[row.metric]: row.no_truth for row in self.rows if row.no_truth}
        out += [f"for {metric}, {n} without its truth" for metric, n in truth.items()]
        left = f"; left out: {', '.join(out)}" if out else ""
        lines = [f"{asked.name}, truth: {asked.part}, {len(asked)} pictures{left}"]
        for row in self.rows:
            lost = row.comparison.left_out - row.no_truth
            if lost or row.some_members:
                lines.append(
                    f"{tables.METRICS[row.metric]}, {METHODS[row.method].title}: {lost} more left "
                    f"out, their maps having no score; on {row.some_members} of those compared, "
                    "some members' maps have none"
                )
        return "\n".join(lines)


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
            f"Channels of each member's map: {reduced}. Grad-CAM is then resized bilinearly.",
            f"Ind-Avg: {individual}. Ens-Avg: the score of the mean of the {ensemble.members} "
            "members' maps, averaged so, before anything below.",
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
        rows = [row for row in judged if row.metric == metric and not np.isnan(row.comparison.p)]
        if not rows:
            continue
        lost = [r for r in rows if not tables.won(r)]
        names = "; ".join(f"{METHODS[r.method].title} on {r.question}" for r in lost)
        lines.append(
            f"{tables.METRICS[metric]}: Ens-Avg is better with p < 0.01 in {len(rows) - len(lost)} "
            f"of {len(rows)} rows" + (f"; not by {names}" if names else "")
        )
    return "\n".join(lines) or "nothing to test: too few pictures, or scores that do not vary"


def settings_json(
    methods: Sequence[str],
    questions: Sequence[str],
    explained: Explained,
    changed: bool,
    pictures: int,
    protocol: Protocol,
    settings: Settings,
) -> str:
    """All that decides the scores of a run, to tell one evaluation from another."""
    decides = asdict(settings)
    del decides["images_at_once"]
    asked = {
        "methods": list(methods),
        "questions": list(questions),
        "explained": explained,
        "augmented": changed,
        "pictures": pictures,
        "protocol": asdict(protocol),
    }
    return json.dumps(asked | decides, indent=2)


def check_folder(folder: Path, asked: str) -> None:
    """Makes the folder. Raises `UserError` if it holds another evaluation."""
    path = folder / "settings.json"
    if path.exists() and path.read_text() != asked:
        raise UserError(
            f"{folder} holds an evaluation with other settings (see {path.name}): "
            "name another --out, or remove it"
        )
    folder.mkdir(parents=True, exist_ok=True)


def write(
    folder: Path, run: str, about: str, answers: Sequence[Answer], split: Split, asked: str
) -> None:
    """Writes `tables.md`, `tables.csv`, `scores.npz` and, from `settings_json`,
    `settings.json`, each whole or not at all."""
    parts = [
        f"# Explanations of {run}",
        "\n".join(f"- {line}" for line in about.split("\n")),
        "\n".join(f"- {line}" for line in summary(answers).split("\n")),
        *(tables.markdown(answer.title(), answer.rows) for answer in answers),
    ]
    write_text(folder / "settings.json", asked)
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
