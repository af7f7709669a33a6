"""What an evaluation leaves behind: tables in Markdown and CSV, and every score."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np

from jaxens.attribution import FORMS, METHODS
from jaxens.data.source import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.evaluation import tables
from jaxens.evaluation.curves import by_size, by_threshold, sizes_csv, thresholds_csv
from jaxens.evaluation.questions import Explained, Question
from jaxens.evaluation.scoring import GAUSSIAN, Answers
from jaxens.evaluation.settings import Settings, reduction
from jaxens.metrics import METRICS, Protocol
from jaxens.runs.run import write as write_text
from jaxens.runs.run import write_bytes
from jaxens.viz import curves


@dataclass(frozen=True)
class Answer:
    """A question, what each method gave on it, its scores by chance, and its table's rows."""

    question: Question
    found: Mapping[str, Answers]  # by method
    rows: Sequence[tables.Row]
    chance: Sequence[tables.Chance]

    @classmethod
    def of(
        cls,
        question: Question,
        found: Mapping[str, Answers],
        chance: Mapping[str, Mapping[str, np.ndarray]],
    ) -> Self:
        scores = {method: answers.scores for method, answers in found.items()}
        rows = tables.rows_of(question, scores)
        return cls(question, found, rows, tables.chance_of(question, chance))

    def title(self) -> str:
        """What was asked, of how many pictures, and what was left out, and why."""
        asked = self.question
        out = [f"{n} with {why}" for why, n in asked.left_out.items() if n]
        truth = {METRICS[row.metric].title: row.no_truth for row in self.rows if row.no_truth}
        out += [f"for {metric}, {n} without its truth" for metric, n in truth.items()]
        left = f"; left out: {', '.join(out)}" if out else ""
        lines = [f"{asked.name}, truth: {asked.part}, {len(asked)} pictures{left}"]
        for row in self.rows:
            lost = row.comparison.left_out - row.no_truth
            if lost or row.some_members:
                lines.append(
                    f"{METRICS[row.metric].title}, {METHODS[row.method].title}: {lost} more left "
                    f"out, their maps having no score; on {row.some_members} of those compared, "
                    "some members' maps have none"
                )
        return "\n".join(lines)


def protocol_text(
    methods: Sequence[str],
    protocol: Protocol,
    settings: Settings,
    ensemble: Ensemble,
    explained: Explained,
    background: int,
) -> str:
    """Every choice behind the scores, a line each."""
    words = {"max_abs": "largest magnitude", "sum": "sum", "sum_abs": "sum of magnitudes"}
    reduced = ", ".join(
        f"{METHODS[m].title} {words[name]}"
        for m in methods
        if (name := reduction(m, settings.reduce))
    )
    individual = (
        f"the mean over the {ensemble.members} members of each one's score"
        if ensemble.baseline is None
        else "the score of the one member trained on all data"
    )
    what = {
        "label": "the label",
        "prediction": "the ensemble's prediction",
    }[explained]
    by_lime = f" (by LIME its {FORMS[settings.lime_form].explains})" if "lime" in methods else ""
    lines = [f"Explained: the raw logit of {what}{by_lime}."]
    if reduced:
        lines.append(f"Channels of each member's map: {reduced}.")
    if "grad_cam" in methods:
        lines.append("Grad-CAM is resized bilinearly.")
    if "guided_grad_cam" in methods:
        lines.append("Guided Grad-CAM: Grad-CAM's positive part, resized to the nearest cell.")
    lines += [
        f"Ind-Avg: {individual}. Ens-Avg: the score of the mean of the {ensemble.members} "
        "members' maps, averaged so, before anything below.",
        protocol.describe(),
    ]
    said = settings.describe(background)
    lines += [f"{METHODS[m].title}: {said[m]}" for m in methods if m in said]
    lines.append(
        "Stars mark p < 0.01 (**) and p < 0.0001 (****) by the paired t-test; bold, where the "
        "ensemble is also the better one. d_z: the mean difference over its standard deviation."
    )
    lines.append(
        "Chance: what maps score that know neither network nor picture, a Gaussian in the middle "
        "and noise."
    )
    return "\n".join(lines)


def summary(answers: Sequence[Answer]) -> str:
    """How often the ensemble is better with p < 0.01, where it is not, and where it is no better
    than a Gaussian in the middle of the picture."""
    judged = [r for a in answers for r in a.rows if not np.isnan(r.comparison.p)]
    gaussian = {
        (c.question, c.metric): c.mean for a in answers for c in a.chance if c.name == GAUSSIAN
    }
    lines = []
    for metric in METRICS:
        # The parts of the IoU say little one by one: both grow with the region.
        rows = [r for r in judged if r.metric == metric and metric not in ("intersection", "union")]
        if not rows:
            continue
        lost = [r for r in rows if not tables.won(r)]
        lines.append(
            f"{METRICS[metric].title}: Ens-Avg is better with p < 0.01 in {len(rows) - len(lost)} "
            f"of {len(rows)} rows" + (f"; not by {_names(lost)}" if lost else "")
        )
        up = 1 if METRICS[metric].higher_is_better else -1
        idle = [
            r for r in rows if up * (r.comparison.mean_ensemble - gaussian[r.question, metric]) <= 0
        ]
        if idle:
            lines.append(f"  no better than a Gaussian in the middle: {_names(idle)}")
    return "\n".join(lines) or "nothing to test: too few pictures, or scores that do not vary"


def _names(rows: Sequence[tables.Row]) -> str:
    return "; ".join(f"{METHODS[r.method].title} on {r.question}" for r in rows)


def settings_json(
    methods: Sequence[str],
    questions: Sequence[str],
    explained: Explained,
    changed: bool,
    pictures: int,
    orders: int,
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
        "orders": orders,
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
    """Writes tables, figures, scores and, from `settings_json`, `settings.json`.

    The tables are `tables.md` and `tables.csv`, with `chance.csv`, `sizes.csv` and
    `thresholds.csv`; the scores `scores.npz`; the figures `sizes/QUESTION.png` and
    `thresholds/QUESTION.png`. Each is written whole or not at all.
    """
    parts = [
        f"# Explanations of {run}",
        "\n".join(f"- {line}" for line in about.split("\n")),
        "\n".join(f"- {line.strip()}" for line in summary(answers).split("\n")),
        *(tables.markdown(answer.title(), answer.rows, answer.chance) for answer in answers),
    ]
    write_text(folder / "settings.json", asked)
    write_text(folder / "tables.md", "\n\n".join(parts))
    write_text(folder / "tables.csv", tables.to_csv([r for a in answers for r in a.rows]))
    chance = [[c.question, c.metric, c.name, c.mean, c.n] for a in answers for c in a.chance]
    header = ["question", "metric", "map", "mean", "n"]
    write_text(folder / "chance.csv", tables.as_csv(header, chance))
    sizes = {answer.question.name: by_size(answer.found) for answer in answers}
    write_text(folder / "sizes.csv", sizes_csv(sizes))
    thresholds = {answer.question.name: by_threshold(answer.found) for answer in answers}
    write_text(folder / "thresholds.csv", thresholds_csv(thresholds))
    write_bytes(folder / "scores.npz", _npz(answers, split))
    for answer in answers:
        name = answer.question.name
        file = f"{name.replace(': ', '-').replace(' ', '_')}.png"
        curves.draw_sizes(sizes[name], name, folder / "sizes" / file)
        if thresholds[name]:
            curves.draw_thresholds(thresholds[name], name, folder / "thresholds" / file)


def _npz(answers: Sequence[Answer], split: Split) -> bytes:
    """Per picture: `QUESTION/pictures` (ids), `/targets`, and by `/METHOD/METRIC/` the scores of
    `individual` [member, picture] and `ensemble` [picture]."""
    arrays: dict[str, np.ndarray] = {}
    for answer in answers:
        question = answer.question
        arrays[f"{question.name}/pictures"] = np.array([split.ids[i] for i in question.pictures])
        arrays[f"{question.name}/targets"] = question.targets
        for method, answers_of in answer.found.items():
            for metric, scores in answers_of.scores.items():
                arrays[f"{question.name}/{method}/{metric}/individual"] = scores.individual
                arrays[f"{question.name}/{method}/{metric}/ensemble"] = scores.ensemble
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()
