"""An `Evaluation` gives its scores as tables, figures and files."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from jaxens.attribution import METHODS
from jaxens.evaluation import evaluate
from jaxens.evaluation.scoring import GAUSSIAN, RANDOM
from tests.evaluation.known import IMAGES, PAIR, PROTOCOL, SCORED, SETTINGS, THRESHOLD, known_split

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
    assert text.count("chance: centered Gaussian") == len(SCORED)


def test_an_evaluation_saves_its_tables_figures_and_scores(evaluation, tmp_path):
    evaluation.save(tmp_path / "out", "Scores of birds")
    files = {str(f.relative_to(tmp_path / "out")) for f in tmp_path.rglob("*") if f.is_file()}
    tables = {f"{name}.csv" for name in ("tables", "chance", "sizes", "thresholds")}
    figures = {"sizes/wing.png", "thresholds/wing.png"}
    assert set(dict(evaluation.figures())) == figures
    assert files == {"settings.json", "tables.md", "scores.npz", *tables, *figures}
    assert (tmp_path / "out" / "tables.csv").read_text() == evaluation.to_csv()
    assert (tmp_path / "out" / "tables.md").read_text().startswith("# Scores of birds\n")
    kept = np.load(tmp_path / "out" / "scores.npz")
    assert list(kept["wing/images"]) == [f"bird {i}" for i in range(IMAGES)]
    for name, scores in evaluation.scores().items():
        np.testing.assert_array_equal(kept[name], scores)


def test_figures_show_the_numbers_of_the_tables(evaluation):
    figures = dict(evaluation.figures())
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


def test_figures_show_chance_bands_and_the_threshold_of_the_tables(evaluation):
    figures = dict(evaluation.figures())
    (gaussian,) = (
        row["mean"]
        for row in evaluation.chance.to_dicts()
        if (row["metric"], row["map"]) == ("iou", GAUSSIAN)
    )
    panel = figures["sizes/wing.png"].axes[0]
    lines = {line.get_label(): line.get_ydata() for line in panel.lines}
    np.testing.assert_allclose(lines[f"chance: {GAUSSIAN}"], gaussian)
    assert f"chance: {RANDOM}" in lines
    assert panel.get_xticks().tolist() == [1, 2, 3]
    points = [
        p
        for p in evaluation.thresholds.to_dicts()
        if (p["metric"], p["method"]) == ("iou", "saliency")
    ]
    panel = figures["thresholds/wing.png"].axes[0]
    lines = {line.get_label(): line for line in panel.lines}
    for name in (GAUSSIAN, RANDOM):
        shown = lines[f"chance: {name}"].get_ydata()
        np.testing.assert_allclose(shown, [p[name] for p in points])
    at = [p[GAUSSIAN] for p in points if p["threshold"] == f"{THRESHOLD:.2f}"]
    assert at == pytest.approx([gaussian])
    assert any(set(line.get_xdata()) == {THRESHOLD} for line in panel.lines)
    (band,) = panel.collections
    corners = {tuple(np.round(point, 6)) for point in band.get_paths()[0].vertices}
    for p in points:
        assert (round(float(p["threshold"]), 6), round(p["low"], 6)) in corners
        assert p["low"] < p["ensemble"] < p["high"]


@pytest.mark.slow
def test_a_question_of_one_member_or_without_curves_has_no_figure_of_them(ensemble, split):
    alone = replace(
        ensemble,
        maps={method: maps[:1] for method, maps in ensemble.maps.items()},
        known_logits={"wing": ensemble.known_logits["wing"][:1]},
    )
    one = evaluate(alone, split, methods=PAIR, protocol=PROTOCOL, settings=SETTINGS)
    assert set(dict(one.figures())) == {"thresholds/wing.png"}
    protocol = replace(PROTOCOL, metrics=("pointing_game",))
    other = evaluate(ensemble, split, methods=PAIR, protocol=protocol, settings=SETTINGS)
    assert set(dict(other.figures())) == {"thresholds/wing.png"}


@pytest.mark.slow
def test_questions_whose_names_are_paths_are_files_of_their_own(evaluation, tmp_path):
    def named(name):
        (result,) = evaluation.results
        return replace(result, question=replace(result.question, name=name))

    names = ["../../../escaped", "a/b", "a-b", "\udcff$_$" + "x" * 10_000]
    replace(evaluation, results=tuple(map(named, names))).save(tmp_path / "a" / "out", "\udcff")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]
    assert list((tmp_path / "a").iterdir()) == [tmp_path / "a" / "out"]
    for kind in ("sizes", "thresholds"):
        assert len(list((tmp_path / "a" / "out" / kind).glob("*.png"))) == len(names)
    kept = np.load(tmp_path / "a" / "out" / "scores.npz")
    assert len({name.split("/")[0] for name in kept}) == len(names)
    assert (tmp_path / "a" / "out" / "tables.md").read_text().startswith("# \\")


def test_a_question_that_no_metric_can_score_says_so(ensemble, split):
    masks = split.mask(("wing",))
    unmarked = known_split(masks, np.full((IMAGES, 2), np.nan), split.labels)
    unmarked = replace(unmarked, info=replace(unmarked.info, points=()), points=np.ones((20, 0, 2)))
    protocol = replace(PROTOCOL, metrics=("distance",))
    result = evaluate(ensemble, unmarked, methods=PAIR, protocol=protocol, settings=SETTINGS)
    assert "not scored: distance, because wing has no key points" in result.to_markdown()
    assert set(dict(result.figures())) == {"thresholds/wing.png"}
