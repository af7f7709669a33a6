"""The evaluation command: its tables, its scores, what it leaves out, how it refuses."""

import csv
import dataclasses
import io
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxens
from jaxens import metrics
from jaxens.attribution import METHODS
from jaxens.data.opening import open_data
from jaxens.data.source import load
from jaxens.errors import UserError
from jaxens.evaluate import main as evaluate
from jaxens.files import lock
from jaxens.names import file_name
from jaxens.report import main as report
from jaxens.runs.loading import best_ensemble
from jaxens.runs.run import Run
from tests.commands.evaluated import evaluated

pytestmark = pytest.mark.slow

# Unsigned and signed ones, of pixels and regions, with and without draws.
SCORED = ["iou", "correlation", "distance", "average_precision", "pointing_game"]
SOME = ["saliency", "gradient_shap", "grad_cam", "lime"]


@pytest.fixture(scope="module")
def printed(run):
    return evaluated(run.folder, "--methods", *SOME, "--metrics", *SCORED)


@pytest.fixture(scope="module")
def rows(run, printed):
    text = (run.folder / "evaluation" / "tables.csv").read_text()
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def scores(run, printed):
    return np.load(run.folder / "evaluation" / "scores.npz")


def test_every_task_with_truth_has_a_table_of_the_methods(rows):
    questions = {row["question"] for row in rows}
    assert {"bill_length", "wing_pattern"} <= questions
    assert any(name.startswith("marks: ") for name in questions)
    assert not questions & {"species", "family"}
    for question in questions:
        for metric in SCORED:
            methods = [
                r["method"] for r in rows if r["question"] == question and r["metric"] == metric
            ]
            assert methods == SOME


def test_terminal_and_markdown_show_the_protocol_and_the_same_numbers(run, printed, rows):
    markdown = (run.folder / "evaluation" / "tables.md").read_text()
    row = next(r for r in rows if r["question"] == "wing_pattern" and r["metric"] == "iou")
    for text in (printed, markdown):
        assert "Sign rule 'signed'" in text
        assert "Ind-Avg: the mean over the 2 members" in text
        assert f"{float(row['mean_individual']):.3f}" in text
        assert "…" not in text  # no number is cut, however narrow the terminal


def test_the_page_has_the_numbers_and_figures_of_the_evaluation(run, rows, tmp_path):
    report([str(run.folder), "--out", str(tmp_path / "page.html")])
    of_run = (tmp_path / "page.html").read_text()
    of_evaluation = (run.folder / "evaluation" / "report.html").read_text()
    for page in (of_run, of_evaluation):
        assert all(f'data-value="{row["mean_ensemble"]}"' in page for row in rows)
    for kind in ("sizes", "thresholds", "ranked", "members"):
        assert list((run.folder / "evaluation" / kind).glob("*.png"))


def test_statistics_are_those_of_the_scores_on_disk(rows, scores):
    for row in rows:
        name = f"{file_name(row['question'])}/{row['method']}/{row['metric']}"
        members = scores[f"{name}/individual"]
        scored = np.isfinite(members).sum(axis=0)
        total = np.nansum(members, axis=0)
        individual = np.divide(total, scored, out=np.full(len(total), np.nan), where=scored > 0)
        ensemble = scores[f"{name}/ensemble"]
        both = ~(np.isnan(individual) | np.isnan(ensemble))
        assert int(row["n"]) == both.sum()
        assert int(row["left_out"]) == (~both).sum()
        np.testing.assert_allclose(float(row["mean_ensemble"]), ensemble[both].mean(), rtol=1e-12)
        if both.sum() > 2 and np.ptp((ensemble - individual)[both]) > 1e-5:
            want = stats.ttest_rel(ensemble[both], individual[both]).pvalue
            np.testing.assert_allclose(float(row["p"]), want, rtol=1e-6)


def test_the_settings_name_the_checkpoint(run, scores):
    opened = Run.open(run.folder)
    best_ensemble(opened)
    settings = json.loads((run.folder / "evaluation" / "settings.json").read_text())
    assert settings["checkpoint"] == opened.checkpoints.chosen
    assert settings["checkpoint"] in ("epoch 1, the best", "epoch 2, the best")


def test_scores_are_those_of_maps_computed_one_by_one(run, scores):
    """The mean map's score, and each member's, without chunks, through the public names."""
    opened = Run.open(run.folder)
    test = load(open_data(opened.config.data).test)
    ensemble = jaxens.load(run.folder)
    ids = list(scores["wing_pattern/images"])
    for place in (0, len(ids) - 1):
        row = test.ids.index(ids[place])
        target = int(test.labels["wing_pattern"][row])
        assert scores["wing_pattern/targets"][place] == target
        image = jnp.asarray(test.images[row][None])
        mask = test.mask(("wing",))[row]
        for method in ("saliency", "grad_cam"):
            maps = ensemble.attribute(image, target, method, task="wing_pattern")[:, 0]
            signed = METHODS[method].signed
            want = [metrics.iou(m, mask, signed=signed) for m in (*maps, maps.mean(axis=0))]
            got = scores[f"wing_pattern/{method}/iou/individual"][:, place]
            np.testing.assert_allclose(got, want[:-1], atol=2e-3)
            got = scores[f"wing_pattern/{method}/iou/ensemble"][place]
            np.testing.assert_allclose(got, want[-1], atol=2e-3)


def test_the_curve_ends_in_the_tables_scores_and_starts_at_the_members_average(run, rows):
    text = (run.folder / "evaluation" / "sizes.csv").read_text()
    points = list(csv.DictReader(io.StringIO(text)))
    assert {point["metric"] for point in points} == {"iou", "correlation", "distance"}
    compared = 0
    for row in rows:
        mine = [p for p in points if all(p[k] == row[k] for k in ("question", "metric", "method"))]
        if mine and int(mine[-1]["n"]) == int(row["n"]):
            assert [int(p["members"]) for p in mine] == [1, 2]
            np.testing.assert_allclose(
                float(mine[-1]["mean"]), float(row["mean_ensemble"]), atol=1e-4
            )
            compared += 1
    assert compared


def test_chance_is_scored_next_to_every_table(run, printed, rows, scores):
    text = (run.folder / "evaluation" / "chance.csv").read_text()
    known = list(csv.DictReader(io.StringIO(text)))
    assert {(k["question"], k["metric"]) for k in known} == {
        (r["question"], r["metric"]) for r in rows
    }
    assert printed.count("chance: centered Gaussian") == len(known) / 2
    test = load(open_data(Run.open(run.folder).config.data).test)
    ids = list(scores["wing_pattern/images"])
    masks = test.mask(("wing",))[[test.ids.index(i) for i in ids]]
    want = np.nanmean(metrics.iou(metrics.centered_gaussian(16, 16), masks, signed=False))
    (row,) = (
        k
        for k in known
        if (k["question"], k["metric"], k["map"]) == ("wing_pattern", "iou", "centered Gaussian")
    )
    np.testing.assert_allclose(float(row["mean"]), want, atol=1e-6)


def test_the_thresholds_of_the_tables_are_on_the_curve(run, rows):
    text = (run.folder / "evaluation" / "thresholds.csv").read_text()
    points = list(csv.DictReader(io.StringIO(text)))
    assert {point["metric"] for point in points} == {"iou", "precision", "recall"}
    for row in rows:
        if row["metric"] == "iou":
            (mine,) = (
                p
                for p in points
                if p["threshold"] == "0.30"
                and all(p[k] == row[k] for k in ("question", "metric", "method"))
            )
            np.testing.assert_allclose(
                float(mine["ensemble"]), float(row["mean_ensemble"]), atol=1e-6
            )


def test_every_question_has_its_figures(run, rows):
    for figure in ("sizes", "thresholds"):
        files = list((run.folder / "evaluation" / figure).glob("*.png"))
        assert len(files) == len({row["question"] for row in rows})


def test_marks_are_scored_where_they_are(run, scores):
    test = load(open_data(Run.open(run.folder).config.data).test)
    marks = test.info.task("marks")
    for k, label in enumerate(marks.classes):
        present = [test.ids[i] for i in np.flatnonzero(test.labels["marks"][:, k] == 1)]
        if present:
            assert list(scores[f"marks-{label}/images"]) == present


@pytest.mark.long
def test_chunks_change_no_score(run, scores, tmp_path):
    words = ["--tasks", "wing_pattern", "--member-images-at-once", "2", "--out", str(tmp_path)]
    evaluated(run.folder, *words, "--methods", "gradient_shap", "lime")
    small = np.load(tmp_path / "scores.npz")
    compared = [name for name in small.files if "/correlation/" in name or "/distance/" in name]
    assert compared
    for name in compared:
        np.testing.assert_allclose(small[name], scores[name], atol=1e-4)


def test_a_limit_scores_a_sample_alike_in_another_folder(run, scores):
    words = ["--limit", "5", "--tasks", "wing_pattern", "--methods", "gradient_shap"]
    printed = evaluated(run.folder, *words)
    sentence = "a sample of 5 of the 12 test images, with the proportions of their labels, seed 0"
    assert f"Images: {sentence}." in printed
    folder = run.folder / "evaluation-sample-5"
    assert f"- Images: {sentence}." in (folder / "tables.md").read_text()
    sample = np.load(folder / "scores.npz")
    ids = list(sample["wing_pattern/images"])
    assert 0 < len(ids) <= 5
    # Draws depend on the image alone, so the sample has the scores of the whole.
    places = [list(scores["wing_pattern/images"]).index(id) for id in ids]
    for map in ("individual", "ensemble"):
        name = f"wing_pattern/gradient_shap/distance/{map}"
        np.testing.assert_allclose(sample[name], scores[name][..., places], atol=1e-5)


def test_the_prediction_is_explained_by_a_flag(run):
    words = ["--tasks", "wing_pattern", "--methods", "grad_cam"]
    evaluated(run.folder, "--explain", "prediction", *words)
    scores = np.load(run.folder / "evaluation-prediction" / "scores.npz")
    ensemble = jaxens.load(run.folder)
    test = load(open_data(Run.open(run.folder).config.data).test)
    logits = ensemble.logits(jnp.asarray(test.images), "wing_pattern")
    predicted = (
        np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)).mean(0).argmax(-1)
    )
    rows = [test.ids.index(i) for i in scores["wing_pattern/images"]]
    np.testing.assert_array_equal(scores["wing_pattern/targets"], predicted[rows])


def test_one_process_at_a_time_writes_into_the_folder_of_an_evaluation(run, tmp_path):
    message = f"another process writes into {tmp_path}: wait until it ends, or name another --out"
    with lock(tmp_path), pytest.raises(UserError, match=message):
        evaluated(run.folder, "--methods", "saliency", "--out", str(tmp_path))


def test_another_question_never_overwrites_an_evaluation(run, scores):
    before = (run.folder / "evaluation" / "tables.csv").read_text()
    for words in (["--methods", "grad_cam"], ["--sign", "positive"], ["--lime-variant", "captum"]):
        with pytest.raises(UserError, match="holds an evaluation with other settings"):
            evaluated(run.folder, *words)
    assert (run.folder / "evaluation" / "tables.csv").read_text() == before


def test_another_run_or_changed_images_never_overwrite_an_evaluation(run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "other", ignore=shutil.ignore_patterns("eval*"))
    words = ["--tasks", "wing_pattern", "--methods", "grad_cam", "--out", str(tmp_path / "out")]
    evaluated(run.folder, *words, "--augment")
    before = (tmp_path / "out" / "tables.md").read_text()
    assert "each changed at random once" in before
    for folder, more in ((run.folder, []), (tmp_path / "other", ["--augment"])):
        with pytest.raises(UserError, match="holds an evaluation with other settings"):
            evaluated(folder, *words, *more)
    assert (tmp_path / "out" / "tables.md").read_text() == before


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--methods", "gradcam"], "gradcam"),
        (["--tasks", "wing"], "there is no task 'wing'"),
        (["--tasks", "species"], "mask or key point"),
        (["--correlation-size", "100"], "choose a smaller one"),
        (["--limit", "0"], "must be at least 1"),
        (["--threshold", "2"], "threshold"),
        (["--metrics", "ssim"], "ssim"),
        (["--noise", "0"], "must be above 0"),
        (["--on", "cub"], "--data cub needs the folder that holds it: add --data-dir"),
    ],
)
def test_a_mistake_is_one_line(run, words, named):
    with pytest.raises(UserError, match=named) as caught:
        evaluated(run.folder, *words)
    assert "\n" not in str(caught.value)


def test_a_member_that_gives_nan_is_named_before_anything_is_explained(run, monkeypatch):
    def broken(opened):
        ensemble = best_ensemble(opened)
        broken_variables = jax.tree.map(lambda leaf: leaf.at[1].set(jnp.nan), ensemble.variables)
        return dataclasses.replace(ensemble, variables=broken_variables)

    monkeypatch.setattr("jaxens.runs.opened.best_ensemble", broken)
    with pytest.raises(UserError, match=r"member 1 \(0 to 1\).* gives NaN for 12 of 12 images"):
        evaluated(run.folder, "--methods", "saliency")


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(UserError, match="is not a run directory"):
        evaluate([str(tmp_path)])
