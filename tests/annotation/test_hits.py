"""Hits of tips whose places are known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from jaxens.annotation import Rules, hits_table, measure_hits
from jaxens.annotation.hits import reliability, reliability_figure
from jaxens.errors import UserError
from tests.evaluation.known import SETTINGS, SIZE, WING, KnownEnsemble, known_split

IMAGES, MEMBERS = 30, 4
DIAGONAL = 2**0.5


@pytest.fixture(scope="module")
def case():
    """Each member's map of an image is one pixel; the last image is predicted wrongly."""
    rng = np.random.default_rng(0)
    places = rng.integers(0, SIZE, (MEMBERS, IMAGES, 2))
    places[1:, ::2] = places[0, ::2]  # of even images, all members point at one place
    maps = np.zeros((MEMBERS, IMAGES, 3, SIZE, SIZE))
    for (m, i, _), _ in np.ndenumerate(maps[..., 0, 0]):
        x, y = places[m, i]
        maps[m, i, :, y, x] = 1
    labels = rng.integers(0, 3, IMAGES).astype(np.int32)
    logits = 5.0 * np.eye(3)[labels]
    logits[-1] = np.roll(logits[-1], 1)
    points = (places[0] + 0.5) / SIZE + rng.choice([0, 0.3], (IMAGES, 1)) * [1, 0]
    points[4] = np.nan
    masks = rng.random((IMAGES, SIZE, SIZE)) < 0.4
    ensemble = KnownEnsemble(
        (WING,), {"saliency": maps}, {"wing": np.tile(logits.astype(np.float32), (MEMBERS, 1, 1))}
    )
    split = known_split(masks, points, {"wing": labels})
    return ensemble, split, (places + 0.5) / SIZE, points, masks


@pytest.fixture(scope="module")
def hits(case):
    ensemble, split, *_ = case
    return measure_hits(ensemble, split, ["saliency"], settings=SETTINGS)


def test_distances_are_those_of_the_tips_to_the_key_points_in_diagonals(case, hits):
    _, _, tips, points, _ = case
    right = slice(0, IMAGES - 1)
    of_mass = next(each for each in hits if each.tip == "center_of_mass")
    members = np.linalg.norm(tips - points, axis=-1)[:, right] / DIAGONAL
    np.testing.assert_allclose(of_mass.members, members, atol=1e-6)
    ensemble = np.linalg.norm(tips.mean(axis=0) - points, axis=-1)[right] / DIAGONAL
    np.testing.assert_allclose(of_mass.ensemble, ensemble, atol=1e-6)
    np.testing.assert_array_equal(np.isnan(of_mass.ensemble), np.arange(IMAGES - 1) == 4)
    near = np.linalg.norm(tips - tips.mean(axis=0), axis=-1) <= 0.1 * DIAGONAL
    np.testing.assert_allclose(of_mass.certainty, near.mean(axis=0)[right])


def test_tips_are_looked_up_in_the_masks(case, hits):
    _, _, tips, _, masks = case
    of_peak = next(each for each in hits if each.tip == "peak")
    for m in range(MEMBERS):
        x, y = (tips[m] * SIZE).astype(int).T
        expected = masks[np.arange(IMAGES), y, x][:-1]
        np.testing.assert_array_equal(of_peak.members_inside[m], expected)


def test_the_table_compares_the_hits_of_the_ensemble_with_those_of_the_members(hits):
    rows = {row["tip"]: row for row in hits_table(hits).to_dicts()}
    assert set(rows) == {"center_of_mass", "peak", "region"}
    row, found = rows["center_of_mass"], next(e for e in hits if e.tip == "center_of_mass")
    known = ~np.isnan(found.ensemble)
    ours = (found.ensemble <= 0.1)[known]
    theirs = (found.members <= 0.1).mean(axis=0)[known]
    assert row["images"] == IMAGES - 1
    assert row["ensemble within 10%"] == pytest.approx(ours.mean())
    assert row["member within 10%"] == pytest.approx(theirs.mean())
    assert row["p within 10%"] == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)


def test_reliability_pairs_the_certainty_with_the_hits(hits):
    certainty, hit = reliability(hits, "saliency", "center_of_mass")
    assert len(certainty) == len(hit) == IMAGES - 2
    assert set(hit) == {0, 1}
    figure = reliability_figure(hits)
    drawn = sum(int(text.get_text()) for text in figure.axes[0].texts)
    assert drawn == IMAGES - 2


def test_a_member_that_diverged_is_named(case):
    ensemble, split, *_ = case
    logits = ensemble.known_logits["wing"].copy()
    logits[2, 5] = np.nan
    diverged = KnownEnsemble(ensemble.tasks, ensemble.maps, {"wing": logits})
    with pytest.raises(UserError, match=r"member 2 .* gives NaN for 1 of 30 images"):
        measure_hits(diverged, split, ["saliency"], settings=SETTINGS)


def test_images_that_nobody_marked_are_refused(case):
    ensemble, split, *_ = case
    unmarked = replace(split, masks=None, points=np.full_like(split.points, np.nan))
    with pytest.raises(UserError, match="no held-out image has a mask or key point for wing"):
        measure_hits(ensemble, unmarked, ["saliency"], settings=SETTINGS)


def test_all_questions_together_are_a_row_of_their_own(hits):
    first = next(each for each in hits if each.tip == "peak")
    others = [replace(first, question="other", ensemble=first.ensemble + 1)]
    rows = {row["question"]: row for row in hits_table([first, *others]).to_dicts()}
    assert rows["all"]["images"] == 2 * len(first.ensemble)
    share = rows["wing"]["ensemble within 10%"]
    assert rows["all"]["ensemble within 10%"] == pytest.approx(share / 2)
    assert rows["all"]["member within 10%"] == pytest.approx(rows["wing"]["member within 10%"])


def test_arrows_to_parts_that_an_image_lacks_are_counted():
    """Of five images, two have no wing: the arrow to one of them is shown, right or wrong."""
    labels, predicted = np.array([0, 1, 2, 0, 1]), np.array([0, 1, 0, 0, 2])
    logits = 5.0 * np.eye(3, dtype=np.float32)[predicted]
    logits[1] /= 10  # its probability is 0.45
    lacks = np.array([False, False, True, False, True])
    places = np.full((MEMBERS, 5), 4)
    places[:, 3] = 0, 2, 5, 7  # no two members point at one place
    maps = np.zeros((MEMBERS, 5, 3, SIZE, SIZE))
    maps[np.arange(MEMBERS)[:, None], np.arange(5), :, 4, places] = 1
    masks = np.zeros((5, SIZE, SIZE), bool)
    masks[0] = True  # of the third image, only the key point is known
    unknown = lacks | masks.any(axis=(1, 2))
    points = np.where(unknown[:, None], np.nan, np.full((5, 2), 0.5))
    ensemble = KnownEnsemble(
        (WING,), {"saliency": maps}, {"wing": np.tile(logits, (MEMBERS, 1, 1))}
    )
    split = known_split(masks, points, {"wing": labels.astype(np.int32)})

    def shown(**rules):
        hits = measure_hits(
            ensemble, split, ["saliency"], rules=Rules(**rules), settings=SETTINGS,
            temperatures={"wing": 1.0},
        )  # fmt: skip
        row = next(row for row in hits_table(hits).to_dicts() if row["tip"] == "center_of_mass")
        assert row["images"] == 3  # those with a wing, all of which are predicted
        return row["arrows shown"], row["shown to a part that the image lacks"]

    assert shown(drawn=0) == (4, 0.5)
    assert shown(drawn=0.6) == (3, pytest.approx(2 / 3))  # without the one that members deny
    assert shown(drawn=0, confidence=0.4) == (5, 0.4)
    count, share = shown(confidence=1)
    assert count == 0
    assert np.isnan(share)
