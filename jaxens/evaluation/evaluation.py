"""The result of an evaluation: tables, figures, and every score."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from jaxens.attribution import METHODS
from jaxens.errors import UserError
from jaxens.evaluation import rows
from jaxens.evaluation.curves import by_size, by_threshold, sizes_table, thresholds_table
from jaxens.evaluation.questions import Question
from jaxens.evaluation.rows import Chance, Row
from jaxens.evaluation.scoring import GAUSSIAN, MethodScores
from jaxens.files import write_bytes, write_text
from jaxens.metrics import METRICS
from jaxens.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETTINGS = "settings.json"


@dataclass(frozen=True)
class QuestionResult:
    """What the evaluation of one question gives.

    Attributes:
        question: The question.
        scores: By method.
        rows: Of its tables.
        chance: Rows of chance-level maps.
    """

    question: Question
    scores: Mapping[str, MethodScores]
    rows: Sequence[Row]
    chance: Sequence[Chance]

    @classmethod
    def of(
        cls,
        question: Question,
        scores: Mapping[str, MethodScores],
        chance: Mapping[str, Mapping[str, np.ndarray]],
    ) -> Self:
        """Returns the result of a question.

        Args:
            question: The question.
            scores: By method, from `score_question`.
            chance: From `score_chance`.
        """
        by_metric = {method: of_method.scores for method, of_method in scores.items()}
        return cls(
            question,
            scores,
            rows.rows_of(question, by_metric),
            rows.chance_of(question, chance),
        )

    def title(self) -> str:
        """Describes the question in a line, and images without a score in further lines."""
        question = self.question
        left_out = [f"{n} with {why}" for why, n in question.left_out.items() if n]
        truth = {METRICS[row.metric].title: row.no_truth for row in self.rows if row.no_truth}
        left_out += [f"for {metric}, {n} without its truth" for metric, n in truth.items()]
        end = f"; left out: {', '.join(left_out)}" if left_out else ""
        lines = [f"{question.name}, truth: {question.part}, {len(question)} images{end}"]
        for row in self.rows:
            lost = row.comparison.left_out - row.no_truth
            if lost or row.some_members:
                lines.append(
                    f"{METRICS[row.metric].title}, {METHODS[row.method].title}: {lost} more left "
                    f"out, because their maps have no score; on {row.some_members} of those "
                    "compared, the maps of some members have none"
                )
        return "\n".join(lines)


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` returns.

    Attributes:
        results: One per question.
        protocol: Every choice behind the scores, one per line.
        settings: Everything that the scores of an ensemble on a data set depend on.
        ids: One per image of the split.
    """

    results: tuple[QuestionResult, ...]
    protocol: str
    settings: Mapping[str, Any]
    ids: Sequence[str]

    @property
    def table(self) -> Table:
        """One row per question, metric and method: averages, difference, and statistics."""
        return rows.table([row for result in self.results for row in result.rows])

    @property
    def chance(self) -> Table:
        """Mean scores of chance-level maps, by question and metric."""
        return rows.chance_table([row for result in self.results for row in result.chance])

    @property
    def sizes(self) -> Table:
        """Scores of the mean map against the number of members in it."""
        return sizes_table({r.question.name: by_size(r.scores) for r in self.results})

    @property
    def thresholds(self) -> Table:
        """IoU, precision and recall against the threshold."""
        return thresholds_table({r.question.name: by_threshold(r.scores) for r in self.results})

    def to_csv(self) -> str:
        """Returns `table` as CSV, with all digits."""
        return self.table.to_csv()

    def to_markdown(self) -> str:
        """Returns the protocol, a summary, and a table per question and metric."""
        parts = [
            "\n".join(f"- {line}" for line in self.protocol.split("\n")),
            "\n".join(f"- {line.strip()}" for line in self.summary().split("\n")),
            *(rows.markdown(r.title(), r.rows, r.chance) for r in self.results),
        ]
        return "\n\n".join(parts)

    def summary(self) -> str:
        """Summarizes by metric where the ensemble is better with p < 0.01, and where it is not.

        Names also the rows where it is no better than a Gaussian in the center of the image.
        """
        tested = [r for a in self.results for r in a.rows if not np.isnan(r.comparison.p)]
        gaussian = {
            (c.question, c.metric): c.mean
            for result in self.results
            for c in result.chance
            if c.name == GAUSSIAN
        }
        lines = []
        for metric in METRICS:
            # Both parts of the IoU grow with the region: alone they say little.
            of_metric = [
                r for r in tested if r.metric == metric and metric not in ("intersection", "union")
            ]
            if not of_metric:
                continue
            lost = [r for r in of_metric if not rows.won(r)]
            lines.append(
                f"{METRICS[metric].title}: Ens-Avg is better with p < 0.01 in "
                f"{len(of_metric) - len(lost)} of {len(of_metric)} rows"
                + (f"; not by {_names(lost)}" if lost else "")
            )
            sign = 1 if METRICS[metric].higher_is_better else -1
            no_better = [
                r
                for r in of_metric
                if sign * (r.comparison.mean_ensemble - gaussian[r.question, metric]) <= 0
            ]
            if no_better:
                lines.append(f"  no better than a Gaussian in the center: {_names(no_better)}")
        return "\n".join(lines) or "nothing to test: too few images, or scores that do not vary"

    def figures(self) -> dict[str, "Figure"]:
        """Draws scores by the ensemble's size and by the threshold; figures are by file name."""
        from jaxens.evaluation.figures import size_figure, threshold_figure

        figures = {}
        for result in self.results:
            name = result.question.name
            file = f"{name.replace(': ', '-').replace(' ', '_')}.png"
            figures[f"sizes/{file}"] = size_figure(by_size(result.scores), name)
            if thresholds := by_threshold(result.scores):
                figures[f"thresholds/{file}"] = threshold_figure(thresholds, name)
        return figures

    def scores(self) -> dict[str, np.ndarray]:
        """Returns every score of every image, by name.

        The names are QUESTION/images (ids), QUESTION/targets (classes),
        QUESTION/METHOD/METRIC/individual [member, image] and QUESTION/METHOD/METRIC/ensemble
        [image].
        """
        arrays: dict[str, np.ndarray] = {}
        for result in self.results:
            question = result.question
            arrays[f"{question.name}/images"] = np.array([self.ids[i] for i in question.images])
            arrays[f"{question.name}/targets"] = question.targets
            for method, of_method in result.scores.items():
                for metric, scores in of_method.scores.items():
                    arrays[f"{question.name}/{method}/{metric}/individual"] = scores.individual
                    arrays[f"{question.name}/{method}/{metric}/ensemble"] = scores.ensemble
        return arrays

    def save(self, folder: Path, title: str) -> None:
        """Writes files into a folder, each whole or not at all.

        Tables are `tables.md`, `tables.csv`, `chance.csv`, `sizes.csv` and `thresholds.csv`,
        scores `scores.npz`, figures `sizes/QUESTION.png` and `thresholds/QUESTION.png`, and the
        settings `settings.json`.

        Args:
            folder: Created if it does not exist.
            title: Heading of `tables.md`.
        """
        from jaxens import viz

        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / SETTINGS, settings_text(self.settings))
        write_text(folder / "tables.md", f"# {title}\n\n{self.to_markdown()}")
        write_text(folder / "tables.csv", self.to_csv())
        write_text(folder / "chance.csv", self.chance.to_csv())
        write_text(folder / "sizes.csv", self.sizes.to_csv())
        write_text(folder / "thresholds.csv", self.thresholds.to_csv())
        file = io.BytesIO()
        np.savez_compressed(file, **self.scores())  # type: ignore[arg-type]
        write_bytes(folder / "scores.npz", file.getvalue())
        for name, figure in self.figures().items():
            viz.save(figure, folder / name)


def settings_text(settings: Mapping[str, Any]) -> str:
    """Returns the content of `settings.json`."""
    return json.dumps(settings, indent=2)


def check_folder(folder: Path, settings: Mapping[str, Any]) -> None:
    """Creates the folder of an evaluation, unless it holds one with other settings.

    Raises:
        UserError: If it does.
    """
    path = folder / SETTINGS
    if path.exists() and path.read_text() != settings_text(settings):
        raise UserError(
            f"{folder} holds an evaluation with other settings (see {path.name}): "
            "name another --out, or remove it"
        )
    folder.mkdir(parents=True, exist_ok=True)


def _names(rows: Sequence[Row]) -> str:
    return "; ".join(f"{METHODS[row.method].title} on {row.question}" for row in rows)
