"""The result of an evaluation: tables, figures, and every score."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxens.evaluation import rows, verdicts
from jaxens.evaluation.curves import by_size, by_threshold, sizes_table, thresholds_table
from jaxens.evaluation.examples import Examples
from jaxens.evaluation.question_result import QuestionResult
from jaxens.files import write_bytes, write_text
from jaxens.names import file_names, shorten
from jaxens.tables import Table, plain
from jaxens.untrusted import check_same_results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETTINGS = "settings.json"


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` returns.

    Attributes:
        results: One per question.
        protocol: Every choice behind the scores, one per line.
        settings: Everything that the scores of an ensemble on a data set depend on.
        ids: One per image of the split.
        examples: Three images and their maps, by question, if `evaluate` was asked for them.
    """

    results: tuple[QuestionResult, ...]
    protocol: str
    settings: Mapping[str, Any]
    ids: Sequence[str]
    examples: Mapping[str, Examples] = field(default_factory=dict)

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
        return thresholds_table(
            {r.question.name: by_threshold(r.scores, r.chance_scores) for r in self.results}
        )

    def to_csv(self) -> str:
        """Returns `table` as CSV, with all digits."""
        return self.table.to_csv()

    def to_markdown(self) -> str:
        """Returns the protocol, a summary, and a table per question and metric."""
        parts = [
            "\n".join(f"- {line}" for line in self.protocol.split("\n")),
            "\n".join(f"- {plain(line.strip())}" for line in self.summary().split("\n")),
            *(rows.markdown(r.title(), r.rows, r.chance) for r in self.results),
        ]
        return "\n\n".join(parts)

    def summary(self) -> str:
        """Summarizes by metric where the ensemble wins; see `verdicts.summary`."""
        return verdicts.summary(
            [row for result in self.results for row in result.rows],
            [row for result in self.results for row in result.chance],
        )

    def figures(self) -> Iterator[tuple[str, "Figure"]]:
        """Draws scores by the ensemble's size and by the threshold, and the maps of the examples.

        There is none by the size of an ensemble of one member.

        Yields:
            The name of a file, and the figure.
        """
        from jaxens.evaluation.figures import size_figure, threshold_figure

        for name, result in zip(self._file_names(), self.results, strict=True):
            title = shorten(result.question.name)
            sizes = by_size(result.scores)
            if any(len(size.curve.mean) > 1 for size in sizes.values()):
                yield f"sizes/{name}.png", size_figure(sizes, result.chance, title)
            if thresholds := by_threshold(result.scores, result.chance_scores):
                figure = threshold_figure(thresholds, result.protocol.threshold, title)
                yield f"thresholds/{name}.png", figure
            if examples := self.examples.get(result.question.name):
                yield f"ranked/{name}.png", examples.ranked_figure()
                yield f"members/{name}.png", examples.members_figure()

    def _file_names(self) -> list[str]:
        return file_names([result.question.name for result in self.results])

    def scores(self) -> dict[str, np.ndarray]:
        """Returns every score of every image, by name.

        The names are QUESTION/images (ids), QUESTION/targets (classes),
        QUESTION/METHOD/METRIC/individual [member, image] and QUESTION/METHOD/METRIC/ensemble
        [image], where QUESTION is the name of the question's figures.
        """
        arrays: dict[str, np.ndarray] = {}
        for name, result in zip(self._file_names(), self.results, strict=True):
            question = result.question
            arrays[f"{name}/images"] = np.array([self.ids[i] for i in question.images])
            arrays[f"{name}/targets"] = question.targets
            for method, of_method in result.scores.items():
                for metric, scores in of_method.scores.items():
                    arrays[f"{name}/{method}/{metric}/individual"] = scores.individual
                    arrays[f"{name}/{method}/{metric}/ensemble"] = scores.ensemble
        return arrays

    def save(self, folder: Path, title: str) -> None:
        """Writes files into a folder, each whole or not at all.

        Tables are `tables.md`, `tables.csv`, `chance.csv`, `sizes.csv` and `thresholds.csv`,
        scores `scores.npz`, figures `sizes/QUESTION.png`, `thresholds/QUESTION.png` and, of the
        examples, `ranked/QUESTION.png` and `members/QUESTION.png`, and the settings
        `settings.json`.

        Args:
            folder: Created if it does not exist.
            title: Heading of `tables.md`.
        """
        from jaxens import viz

        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / SETTINGS, json.dumps(self.settings, indent=2))
        heading = plain(shorten(title))
        write_text(folder / "tables.md", f"# {heading}\n\n{self.to_markdown()}")
        write_text(folder / "tables.csv", self.to_csv())
        write_text(folder / "chance.csv", self.chance.to_csv())
        write_text(folder / "sizes.csv", self.sizes.to_csv())
        write_text(folder / "thresholds.csv", self.thresholds.to_csv())
        file = io.BytesIO()
        np.savez_compressed(file, **self.scores())  # type: ignore[arg-type]
        write_bytes(folder / "scores.npz", file.getvalue())
        for name, figure in self.figures():
            viz.save(figure, folder / name)


def check_folder(folder: Path, settings: Mapping[str, Any]) -> None:
    """Creates the folder of an evaluation, unless it holds one of something else.

    Args:
        folder: The folder.
        settings: `Evaluation.settings`.

    Raises:
        UserError: If it does.
    """
    what = "holds an evaluation with other settings, or of another ensemble"
    check_same_results(folder / SETTINGS, settings, what)
    folder.mkdir(parents=True, exist_ok=True)
