"""`evaluate` gives the scores of maps that are known, by hand and by NumPy and SciPy."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxens.attribution import METHODS
from jaxens.data.masks import pack
from jaxens.data.schema import MISSING, Task
from jaxens.evaluation import PAPER_METHODS, MethodSettings, evaluate
from jaxens.evaluation.evaluating import plan_evaluation
from jaxens.metrics import METRICS, Metric, Protocol, centered_gaussian, holm
from jaxens.metrics.inputs import map_and_mask
from tests.evaluation.known import (
    IMAGES,
    PAIR,
    PROTOCOL,
    SCORED,
    SETTINGS,
    SIZE,
    THRESHOLD,
    WING,
    KnownEnsemble,
    correlation,
    distance,
    draw,
    draw_logits,
    iou,
    known_split,
)

pytestmark = pytest.mark.slow


def expected(map, i, split, metric, method):
    mask, point = split.mask(("wing",))[i], split.points[i, 0]
    if metric == "iou":
        return iou(map, mask, THRESHOLD, METHODS[method].signed)
    return correlation(map, mask, 4) if metric == "correlation" else distance(map, point)


def expected_scores(individuals, ensemble, split, metric, method, targets):
    """Ind-Avg and Ens-Avg of each image in float64."""

    def scores_of(maps):
        return [
            expected(maps[i, target], i, split, metric, method) for i, target in enumerate(targets)
        ]

    individual = np.mean([scores_of(maps) for maps in individuals.maps[method]], axis=0)
    return individual, np.array(scores_of(ensemble.maps[method].mean(axis=0)))


def as_dicts(scores):
    """Scores and curves by part, method and name."""
    return {
        part: {
            method: {name: vars(each) for name, each in of_method.scores.items()}
            | {"thresholds": dict(of_method.thresholds)}
            for method, of_method in by_method.items()
        }
        for part, by_method in scores.items()
    }


def test_scores_of_two_overlapping_halves_are_those_by_hand():
    left, top = np.zeros((2, SIZE, SIZE), bool)
    left[:, : SIZE // 2] = True
    top[: SIZE // 2] = True
    maps = np.zeros((2, 3, 3, SIZE, SIZE))
    maps[0], maps[1] = left, top
    ensemble = KnownEnsemble((WING,), {"saliency": maps}, {"wing": np.zeros((2, 3, 3), np.float32)})
    # The key point is the center of the left half.
    split = known_split([left] * 3, [(0.25, 0.5)] * 3, {"wing": np.zeros(3, np.int32)})
    protocol = Protocol(0.6, 4, metrics=(*SCORED, "intersection", "union"))
    result = evaluate(ensemble, split, methods=["saliency"], protocol=protocol)
    rows = {row["metric"]: row for row in result.table.to_dicts()}
    # The mean map is 1 in the upper left quarter, the only one above 0.6, and 1/2 in two others.
    by_hand = {
        "iou": ((1 + 1 / 3) / 2, 1 / 2),
        "intersection": ((32 + 16) / 2, 16),
        "union": ((32 + 48) / 2, 32),
        "correlation": ((1 + 0) / 2, 0.5**0.5),
        "distance": ((0 + 0.125**0.5) / 2, (2 * 0.125**2) ** 0.5),
    }
    assert rows.keys() == by_hand.keys()
    for metric, (individual, mean) in by_hand.items():
        assert rows[metric]["mean_individual"] == pytest.approx(individual, abs=1e-6)
        assert rows[metric]["mean_ensemble"] == pytest.approx(mean, abs=1e-6)
        assert rows[metric]["difference"] == pytest.approx(mean - individual, abs=1e-6)
        assert rows[metric]["n"] == 3
        assert np.isnan(rows[metric]["p"])  # three equal images: nothing varies
    assert "nothing to test" in result.summary()


@pytest.mark.parametrize("metric", SCORED)
@pytest.mark.parametrize("method", PAIR)
def test_averages_and_tests_are_those_of_numpy_and_scipy(
    ensemble, split, evaluation, method, metric
):
    targets = split.labels["wing"]
    individual, mean = expected_scores(ensemble, ensemble, split, metric, method, targets)
    (row,) = (
        r for r in evaluation.table.to_dicts() if (r["method"], r["metric"]) == (method, metric)
    )
    assert (row["question"], row["n"], row["left_out"]) == ("wing", IMAGES, 0)
    assert row["mean_individual"] == pytest.approx(individual.mean(), abs=1e-5)
    assert row["mean_ensemble"] == pytest.approx(mean.mean(), abs=1e-5)
    difference = mean - individual
    assert row["d_z"] == pytest.approx(difference.mean() / difference.std(ddof=1), rel=1e-3)
    paired = stats.ttest_rel(mean, individual)
    assert row["t"] == pytest.approx(paired.statistic, rel=1e-3)
    assert row["p"] == pytest.approx(paired.pvalue, rel=1e-2)
    assert row["wilcoxon_p"] == pytest.approx(stats.wilcoxon(difference).pvalue, rel=1e-6)
    assert row["low"] < row["difference"] < row["high"]
    better = difference.mean() < 0 if metric == "distance" else difference.mean() > 0
    assert row["better"] == better


def test_p_values_are_corrected_over_the_methods_of_a_metric(evaluation):
    for metric in SCORED:
        rows = [r for r in evaluation.table.to_dicts() if r["metric"] == metric]
        assert [r["method"] for r in rows] == list(PAIR)
        small, large = sorted(rows, key=lambda row: row["p"])
        assert small["p_holm"] == pytest.approx(min(1, 2 * small["p"]))
        assert large["p_holm"] == pytest.approx(max(large["p"], min(1, 2 * small["p"])))
        np.testing.assert_allclose(
            [r["p_holm"] for r in rows], holm(np.array([r["p"] for r in rows]))
        )


def test_with_a_baseline_the_individual_is_the_member_trained_on_all_data(ensemble, split):
    baseline = KnownEnsemble((WING,), draw(1, 7), draw_logits(1))
    both = replace(ensemble, baseline=baseline)
    result = evaluate(both, split, methods=PAIR, protocol=PROTOCOL, settings=SETTINGS)
    for row in result.table.to_dicts():
        method, metric = row["method"], row["metric"]
        individual, mean = expected_scores(
            baseline, ensemble, split, metric, method, split.labels["wing"]
        )
        assert row["mean_individual"] == pytest.approx(individual.mean(), abs=1e-5)
        assert row["mean_ensemble"] == pytest.approx(mean.mean(), abs=1e-5)
    scores = result.scores()
    assert scores["wing/saliency/iou/individual"].shape == (1, IMAGES)
    assert "Ind-Avg: the score of the one member trained on all data" in result.protocol


def test_the_prediction_is_the_class_of_the_highest_mean_probability(ensemble, split):
    result = evaluate(
        ensemble, split, methods=["saliency"], protocol=PROTOCOL, explained="prediction"
    )
    logits = ensemble.known_logits["wing"].astype(np.float64)
    predicted = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).mean(0).argmax(-1)
    np.testing.assert_array_equal(result.scores()["wing/targets"], predicted)
    _, mean = expected_scores(ensemble, ensemble, split, "iou", "saliency", predicted)
    np.testing.assert_allclose(result.scores()["wing/saliency/iou/ensemble"], mean, atol=1e-6)
    assert "the ensemble's prediction" in result.protocol


def test_curves_by_size_go_from_single_members_to_the_mean_map(ensemble, evaluation):
    """Each of three rotations has another first member, so that size 1 is their average."""
    table = {(r["metric"], r["method"]): r for r in evaluation.table.to_dicts()}
    for (metric, method), row in table.items():
        points = [
            p for p in evaluation.sizes.to_dicts() if (p["metric"], p["method"]) == (metric, method)
        ]
        assert [p["members"] for p in points] == [1, 2, 3]
        assert points[0]["mean"] == pytest.approx(row["mean_individual"], abs=1e-6)
        assert points[-1]["mean"] == pytest.approx(row["mean_ensemble"], abs=1e-5)
        assert all(p["individual"] == pytest.approx(row["mean_individual"]) for p in points)


def test_threshold_curves_are_those_of_numpy(ensemble, split, evaluation):
    masks, targets = split.mask(("wing",)), split.labels["wing"]
    points = {
        (p["metric"], p["method"], p["threshold"]): p for p in evaluation.thresholds.to_dicts()
    }
    for method in PAIR:
        means = ensemble.maps[method].mean(axis=0)
        for threshold in ("0.30", "0.60"):
            want = np.mean(
                [
                    iou(means[i, k], masks[i], float(threshold), METHODS[method].signed)
                    for i, k in enumerate(targets)
                ]
            )
            assert points["iou", method, threshold]["ensemble"] == pytest.approx(want, abs=1e-6)


def test_chance_is_the_score_of_a_centered_gaussian(split, evaluation):
    gaussian = np.asarray(centered_gaussian(SIZE, SIZE))
    masks = split.mask(("wing",))
    want = np.mean([iou(gaussian, mask, THRESHOLD, signed=False) for mask in masks])
    (row,) = (
        r
        for r in evaluation.chance.to_dicts()
        if (r["metric"], r["map"]) == ("iou", "centered Gaussian")
    )
    assert row["mean"] == pytest.approx(want, abs=1e-6)
    assert row["n"] == IMAGES


def test_progress_counts_calls_of_the_model_up_to_their_total(ensemble, split):
    ensemble = replace(ensemble, maps=ensemble.maps | {"smooth_grad": ensemble.maps["saliency"]})
    calls = []
    evaluate(
        ensemble,
        split,
        methods=["saliency", "smooth_grad"],
        protocol=PROTOCOL,
        settings=MethodSettings(member_images_at_once=6, noise_samples=4),
        progress=lambda *call: calls.append(call),
    )
    descriptions, done, totals = zip(*calls, strict=True)
    assert set(descriptions) == {
        f"wing: {METHODS['saliency'].title}, {METHODS['smooth_grad'].title}"
    }
    assert set(totals) == {IMAGES * (1 + 4)}
    assert done[0] == 0
    assert list(done) == sorted(done)
    assert set(done[:-1]) > {0}  # not all at the end
    assert done[-1] == totals[-1]


def test_results_arrive_question_by_question(ensemble, split):
    marks = replace(WING, name="marks", kind="multilabel")
    labels = {"marks": (np.arange(IMAGES)[:, None] % 3 == np.arange(3)).astype(np.int8)}
    two = replace(split, info=replace(split.info, tasks=(marks,)), labels=labels)
    known = KnownEnsemble((marks,), ensemble.maps, {"marks": ensemble.known_logits["wing"]})
    plan = plan_evaluation(known, two, methods=PAIR, protocol=PROTOCOL, settings=SETTINGS)
    names = []
    result = plan.run(on_result=lambda each: names.append(each.question.name))
    assert names == ["marks: plain", "marks: barred", "marks: spotted"]
    assert names == [each.question.name for each in result.results]


def test_separate_parts_have_the_scores_of_two_evaluations_from_the_same_maps(ensemble, split):
    tails = np.zeros((IMAGES, SIZE, SIZE), bool)
    tails[:15, 5:, 1:6] = True  # not all images show one
    marked = pack(np.stack([split.mask(("wing",)), tails], axis=-1))
    info = replace(split.info, masks=("wing", "tail"))
    calls = []

    class Counting(KnownEnsemble):
        def explain(self, images, targets, methods, task, *, images_at_once):
            calls.append(len(images))
            return super().explain(images, targets, methods, task, images_at_once=images_at_once)

    def scores_of(parts):
        task = Task.multiclass("wing", WING.classes, parts, separate=True)
        known = Counting((task,), ensemble.maps, ensemble.known_logits)
        both = replace(split, info=replace(info, tasks=(task,)), masks=marked)
        result = evaluate(known, both, methods=PAIR, protocol=PROTOCOL, settings=SETTINGS, orders=3)
        count = sum(calls)
        calls.clear()
        return {each.question.part: each.scores for each in result.results}, count

    together, count = scores_of(("wing", "tail"))
    wing, count_of_wing = scores_of(("wing",))
    tail, _ = scores_of(("tail",))
    assert count == count_of_wing
    assert len(tail["tail"]["saliency"].scores["iou"].ensemble) == 15
    jax.tree.map(np.testing.assert_array_equal, as_dicts(together), as_dicts(wing | tail))


def test_images_without_a_score_are_left_out_and_counted(ensemble, split):
    maps = ensemble.maps["saliency"].copy()
    maps[:, 4] = 1.0  # constant maps of every member
    maps[0, 6] = 1.0  # ... and of one
    masks = split.mask(("wing",)).copy()
    masks[2] = False  # has a key point only
    known = KnownEnsemble((WING,), {"saliency": maps}, ensemble.known_logits)
    holed = known_split(masks, split.points, split.labels)
    result = evaluate(known, holed, methods=["saliency"], protocol=PROTOCOL)
    rows = {row["metric"]: row for row in result.table.to_dicts()}
    assert [rows["iou"][k] for k in ("n", "left_out", "no_truth")] == [IMAGES - 2, 2, 1]
    assert [rows["distance"][k] for k in ("n", "left_out", "no_truth")] == [IMAGES - 1, 1, 0]
    assert rows["iou"]["some_members"] == 1
    scores = result.scores()["wing/saliency/iou/individual"]
    assert np.isnan(scores[:, 4]).all()
    np.testing.assert_array_equal(np.isnan(scores[:, 6]), [True, False, False])


def test_images_without_a_label_change_no_other_score(ensemble, split, evaluation):
    labels = split.labels["wing"].copy()
    labels[[0, 5]] = MISSING
    some = replace(split, labels={"wing": labels})
    result = evaluate(ensemble, some, methods=PAIR, protocol=PROTOCOL, settings=SETTINGS, orders=3)
    assert "2 with no label" in result.to_markdown()
    whole = evaluation.scores()
    for name, scores in result.scores().items():
        kept = np.delete(whole[name], [0, 5], axis=-1)
        if scores.dtype.kind == "f":
            np.testing.assert_allclose(scores, kept, atol=1e-6)
        else:
            np.testing.assert_array_equal(scores, kept)


def test_by_default_the_methods_are_those_of_the_paper(ensemble, split):
    without = [method for method in PAPER_METHODS if method != "gradient_shap"]
    assert plan_evaluation(ensemble, split, protocol=PROTOCOL).methods == tuple(without)
    plan = plan_evaluation(ensemble, split, protocol=PROTOCOL, background=split.images)
    assert plan.methods == PAPER_METHODS


def test_a_metric_that_joins_the_table_is_in_all_tables(ensemble, split, monkeypatch):
    def inside(map, mask):
        map, mask, _ = map_and_mask(map, mask)
        return jnp.where(mask, map, 0).sum(axis=(-2, -1))

    monkeypatch.setitem(METRICS, "inside", Metric("inside", "sum", False, inside, unit="px"))
    protocol = replace(PROTOCOL, metrics=("iou", "inside"))
    result = evaluate(ensemble, split, methods=["saliency"], protocol=protocol, settings=SETTINGS)
    (row,) = (row for row in result.table.to_dicts() if row["metric"] == "inside")
    mean_maps = ensemble.maps["saliency"].mean(axis=0)[np.arange(IMAGES), split.labels["wing"]]
    expected = (mean_maps * split.mask(("wing",))).sum(axis=(1, 2)).mean()
    assert row["mean_ensemble"] == pytest.approx(expected, rel=1e-4)
    assert "**sum, px** (lower is better)" in result.to_markdown()
    assert {row["metric"] for row in result.chance.to_dicts()} == {"iou", "inside"}
