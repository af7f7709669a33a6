"""Scores of some images after others are those of all at once."""

import jax
import numpy as np
import pytest

from jaxens import metrics
from jaxens.metrics import loops

RNG = np.random.default_rng(0)
MEMBERS, IMAGES, SIZE = 3, 7, 28
MAPS = RNG.normal(0, 1, (MEMBERS, IMAGES, SIZE, SIZE)).astype(np.float32)
MASKS = RNG.uniform(size=(IMAGES, SIZE, SIZE)) < 0.2
POINTS = RNG.uniform(size=(IMAGES, 2)).astype(np.float32)
OF_ONE_IMAGE = 4 * MEMBERS * SIZE * SIZE  # bytes


def score(maps: np.ndarray, masks: np.ndarray | None, points: np.ndarray | None) -> dict:
    return metrics.score(maps, masks, points, metrics.Protocol(), signed=True)


@pytest.mark.parametrize("at_once", [2, 3])
@pytest.mark.parametrize(
    ("maps", "masks", "points"),
    [
        pytest.param(MAPS, MASKS, POINTS, id="members"),
        pytest.param(MAPS[:1], MASKS, None, id="one member, masks alone"),
        pytest.param(MAPS, MASKS[:1], POINTS[:1], id="one truth for all images"),
        pytest.param(MAPS, MASKS[0], POINTS[0], id="truth without an image axis"),
        pytest.param(MAPS, np.stack([MASKS] * MEMBERS), POINTS, id="a truth for each member"),
    ],
)
def test_scores_do_not_depend_on_how_many_images_fit(
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
    maps: np.ndarray,
    masks: np.ndarray,
    points: np.ndarray | None,
) -> None:
    expected = score(maps, masks, points)
    jax.clear_caches()
    monkeypatch.setattr(loops, "CACHED", at_once * OF_ONE_IMAGE * len(maps) // MEMBERS)
    found = score(maps, masks, points)
    assert found.keys() == expected.keys()
    for name, values in found.items():
        assert values.shape == maps.shape[:2]
        np.testing.assert_allclose(values, expected[name], atol=1e-6)
    jax.clear_caches()


@pytest.mark.parametrize("cached", [loops.CACHED, 2 * OF_ONE_IMAGE], ids=["at once", "by two"])
def test_members_and_their_mean_are_scored_together_as_by_themselves(
    monkeypatch: pytest.MonkeyPatch, cached: int
) -> None:
    monkeypatch.setattr(loops, "CACHED", cached)
    jax.clear_caches()
    found = metrics.score_members(MAPS, MASKS, POINTS, metrics.Protocol(), signed=True)
    expected = score(MAPS, MASKS, POINTS), score(metrics.mean_map(MAPS), MASKS, POINTS)
    assert [scores.keys() for scores in found] == [scores.keys() for scores in expected]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, expected)
    jax.clear_caches()


def test_members_of_one_image_are_not_taken_for_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "CACHED", OF_ONE_IMAGE // 2)
    jax.clear_caches()
    one = metrics.score_members(MAPS[:, 0], MASKS[0], POINTS[0], metrics.Protocol(), signed=True)
    of_all = metrics.score_members(MAPS, MASKS, POINTS, metrics.Protocol(), signed=True)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[..., 0], atol=1e-6), one, of_all)
    jax.clear_caches()


def test_no_more_images_are_scored_at_once_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def sums(maps: jax.Array, mask: jax.Array, point: None) -> dict:
        seen.append((maps.shape, mask.shape))
        return {"sum": (maps * mask).sum((-2, -1))}

    monkeypatch.setattr(loops, "CACHED", 2 * OF_ONE_IMAGE)
    found = loops.image_by_image(sums, MAPS, MASKS, None)["sum"]
    assert set(seen) == {((MEMBERS, 2, SIZE, SIZE), (2, SIZE, SIZE))}
    np.testing.assert_allclose(found, (MAPS * MASKS).sum((-2, -1)), rtol=1e-5, atol=1e-5)
