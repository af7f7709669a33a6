import jax
import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from jaxens import metrics


def plain_auc(scores, labels):
    """The Mann-Whitney statistic over the number of pairs."""
    yes, no = scores[labels == 1], scores[labels == 0]
    return mannwhitneyu(yes, no).statistic / (len(yes) * len(no))


def draw(*shape, seed=0, levels=None):
    """Scores, tied where they have `levels`, and labels 1, 0 or missing (-1)."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=shape) if levels is None else rng.integers(levels, size=shape)
    labels = rng.choice([-1, 0, 1], p=[0.2, 0.5, 0.3], size=shape)
    return scores.astype(np.float32), labels.astype(np.int8)


def test_accuracy_is_the_fraction_of_labeled_images_that_are_correct():
    logits = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 3]]
    assert float(metrics.accuracy(logits, np.array([0, 1, 3, -1, 3]))) == 0.75


def test_accuracy_has_a_value_per_member():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 50, 4)).astype(np.float32)
    labels = rng.integers(-1, 4, size=50).astype(np.int8)
    known = labels >= 0
    expected = [(member.argmax(1) == labels)[known].mean() for member in logits]
    np.testing.assert_allclose(metrics.accuracy(logits, labels), expected, rtol=1e-6)
    vmapped = jax.vmap(metrics.accuracy, in_axes=(0, None))(logits, labels)
    np.testing.assert_allclose(vmapped, expected, rtol=1e-6)


def test_accuracy_without_a_label_is_nan():
    assert np.isnan(metrics.accuracy(np.ones((2, 3), np.float32), np.array([-1, -1])))


def test_a_member_that_diverged_has_no_accuracy():
    logits = np.zeros((3, 2, 2), np.float32)
    logits[1, 0] = np.nan
    logits[2, 1] = np.nan  # an image without a label
    assert list(np.isnan(metrics.accuracy(logits, np.array([0, -1])))) == [False, True, False]


@pytest.mark.parametrize("levels", [None, 2, 5])
@pytest.mark.parametrize("n", [20, 501])
def test_auc_equals_scipys_mann_whitney_statistic_with_and_without_ties(n, levels):
    for seed in range(5):
        scores, labels = draw(n, seed=seed, levels=levels)
        np.testing.assert_allclose(
            metrics.auc(scores, labels), plain_auc(scores, labels), rtol=1e-5
        )


def test_auc_ranks_infinite_scores():
    scores = np.array([-np.inf, 1.0, np.inf, np.inf, 0.0, np.inf], np.float32)
    labels = np.array([0, 1, 1, 0, 0, -1])
    # Of six pairs the 1 wins two, the infinity wins two and ties one.
    assert float(metrics.auc(scores, labels)) == pytest.approx(4.5 / 6)


def test_auc_of_a_perfect_a_reversed_and_a_constant_score():
    labels = np.array([0, 0, 1, 1, 1])
    scores = np.arange(5, dtype=np.float32)
    assert float(metrics.auc(scores, labels)) == 1
    assert float(metrics.auc(-scores, labels)) == 0
    assert float(metrics.auc(np.zeros(5, np.float32), labels)) == 0.5


@pytest.mark.parametrize("labels", [[1, 1, -1], [0, 0, -1], [-1, -1, -1]])
def test_auc_with_one_class_absent_is_nan(labels):
    assert np.isnan(metrics.auc(np.arange(3, dtype=np.float32), np.array(labels)))


def test_auc_with_a_nan_score_is_nan_if_its_image_is_labeled():
    scores = np.array([0.0, 1.0, np.nan], np.float32)
    assert np.isnan(metrics.auc(scores, np.array([0, 1, 1])))
    assert float(metrics.auc(scores, np.array([0, 1, -1]))) == 1


def test_auc_has_a_value_per_member():
    scores, _ = draw(3, 60)
    _, labels = draw(60, seed=1)
    expected = [plain_auc(member, labels) for member in scores]
    np.testing.assert_allclose(metrics.auc(scores, labels), expected, rtol=1e-5)


def test_mean_auc_leaves_out_labels_without_both_classes():
    scores, _ = draw(2, 80, 4)
    _, labels = draw(80, 4, seed=1)
    labels[:, 2] = 1
    curves = [0, 1, 3]
    expected = [np.mean([plain_auc(m[:, k], labels[:, k]) for k in curves]) for m in scores]
    np.testing.assert_allclose(metrics.mean_auc(scores, labels), expected, rtol=1e-5)


def test_mean_auc_is_nan_for_a_diverged_member_and_without_both_classes():
    scores, _ = draw(2, 80, 4)
    _, labels = draw(80, 4, seed=1)
    scores[1, labels[:, 0] == 1, 0] = np.nan
    assert list(np.isnan(metrics.mean_auc(scores, labels))) == [False, True]
    assert np.isnan(metrics.mean_auc(scores, np.ones_like(labels))).all()
