"""The images with the worst, the median and the best score are chosen, with their own maps."""

import numpy as np
import pytest

from jaxens.attribution import METHODS
from jaxens.evaluation import evaluate
from jaxens.evaluation.examples import rank, ranking_metric
from tests.evaluation.known import PAIR, PROTOCOL, SETTINGS

NAN = np.nan


def test_images_are_ranked_by_their_mean_over_methods():
    scores = [np.array([0.1, 0.9, 0.5, 0.4, 0.6]), np.array([0.3, 0.1, 0.9, 0.4, 0.8])]
    cases, mean = rank(scores, "iou")
    np.testing.assert_allclose(mean, [0.2, 0.5, 0.7, 0.4, 0.7])
    assert cases == [0, 1, 4]


def test_the_best_distance_is_the_smallest():
    cases, _ = rank([np.array([0.1, 0.5, 0.3])], "distance")
    assert cases == [1, 2, 0]


def test_images_without_a_score_by_every_method_are_no_examples():
    scores = [np.array([0.1, 0.2, 0.3, NAN]), np.array([0.1, 0.2, 0.3, 0.4])]
    assert rank(scores, "iou")[0] == [0, 1, 2]
    assert rank([each[1:] for each in scores], "iou")[0] == []


def test_parts_of_the_iou_rank_nothing():
    assert ranking_metric(["distance", "intersection"]) == "distance"
    assert ranking_metric(["union", "intersection"]) is None


@pytest.mark.slow
def test_examples_have_the_maps_and_the_marks_of_their_images(ensemble, split):
    result = evaluate(
        ensemble, split, methods=PAIR, protocol=PROTOCOL, settings=SETTINGS, examples=True
    )
    (examples,) = result.examples.values()
    numbers = [split.ids.index(name) for name in examples.names]
    scores = result.scores()
    mean = np.mean([scores[f"wing/{method}/iou/ensemble"] for method in PAIR], axis=0)
    np.testing.assert_allclose(examples.scores, mean[numbers])
    assert mean[numbers].tolist() == [mean.min(), np.sort(mean)[len(mean) // 2], mean.max()]
    labels = split.labels["wing"][numbers]
    for method in PAIR:
        maps = ensemble.maps[method][:, numbers, labels]
        np.testing.assert_allclose(examples.means[method], maps.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(examples.members[method], maps[:, 1], atol=1e-6)
    np.testing.assert_array_equal(examples.masks, split.mask(("wing",))[numbers])
    assert set(dict(result.figures())) == {
        f"{kind}/wing.png" for kind in ("sizes", "thresholds", "ranked", "members")
    }
    titles = {text.get_text() for text in examples.ranked_figure().axes[0].texts}
    assert {METHODS[method].title for method in PAIR} <= titles
