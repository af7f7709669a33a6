"""An `Evaluation` gives its scores as tables, figures and files."""

import csv
import io

import numpy as np
import pytest

from jaxens.attribution import METHODS
from tests.evaluation.known import IMAGES, PAIR, SCORED

pytestmark = pytest.mark.slow


def test_to_csv_keeps_all_digits_of_the_table(evaluation):
    rows = list(csv.DictReader(io.StringIO(evaluation.to_csv())))
    for row, kept in zip(evaluation.table.to_dicts(), rows, strict=True):
        assert kept.keys() == row.keys()
        assert kept["question"] == row["question"]
        for name in ("mean_individual", "mean_ensemble", "p", "p_holm"):
            assert float(kept[name]) == row[name]


def test_to_markdown_has_the_protocol_and_a_table_for_each_metric(evaluation):
    text = evaluation.to_markdown()
    assert "Average" not in text  # a metric that is not in the protocol
    for title in ("**IoU** (higher is better)", "**correlation** (higher is better)",
                  "**distance** (lower is better)", "## wing, truth: wing, 20 images"):  # fmt: skip
        assert text.count(title) == 1
    for line in evaluation.protocol.split("\n"):
        assert f"- {line}" in text
    for row in evaluation.table.to_dicts():
        title = METHODS[row["method"]].title
        numbers = f"| {title} | {row['mean_individual']:.3f} |"
        assert numbers in text
    assert text.count("chance: center Gaussian") == len(SCORED)


def test_an_evaluation_saves_its_tables_figures_and_scores(evaluation, tmp_path):
    evaluation.save(tmp_path / "out", "Scores of birds")
    files = {str(f.relative_to(tmp_path / "out")) for f in tmp_path.rglob("*") if f.is_file()}
    tables = {f"{name}.csv" for name in ("tables", "chance", "sizes", "thresholds")}
    figures = {"sizes/wing.png", "thresholds/wing.png"}
    assert set(evaluation.figures()) == figures
    assert files == {"settings.json", "tables.md", "scores.npz", *tables, *figures}
    assert (tmp_path / "out" / "tables.csv").read_text() == evaluation.to_csv()
    assert (tmp_path / "out" / "tables.md").read_text().startswith("# Scores of birds\n")
    kept = np.load(tmp_path / "out" / "scores.npz")
    assert list(kept["wing/images"]) == [f"bird {i}" for i in range(IMAGES)]
    for name, scores in evaluation.scores().items():
        np.testing.assert_array_equal(kept[name], scores)


def test_figures_show_the_numbers_of_the_tables(evaluation):
    figures = evaluation.figures()
    sizes = evaluation.sizes.to_dicts()
    panels = [axes for axes in figures["sizes/wing.png"].axes if axes.lines]
    titles = [METHODS[method].title for method in PAIR]
    assert [axes.get_title() for axes in panels[: len(PAIR)]] == titles
    first = [p["mean"] for p in sizes if (p["metric"], p["method"]) == ("iou", "saliency")]
    np.testing.assert_allclose(panels[0].lines[0].get_ydata(), first)
    points = evaluation.thresholds.to_dicts()
    panel = figures["thresholds/wing.png"].axes[0]
    curve = [p["ensemble"] for p in points if (p["metric"], p["method"]) == ("iou", "saliency")]
    np.testing.assert_allclose(panel.lines[0].get_ydata(), curve)
