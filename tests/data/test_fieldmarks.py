"""Drawings of FieldMarks: what they show, their truth, and what tells what."""

import hashlib
import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy.stats import chi2_contingency, chisquare

from jaxens.data import masks
from jaxens.data.fieldmarks import builder as fieldmarks
from jaxens.data.fieldmarks import redraw
from jaxens.data.fieldmarks.draw import Drawing, render, render_traits
from jaxens.data.fieldmarks.species import (
    BILL_LENGTHS,
    FAMILIES,
    MARKS,
    PARTS,
    SPECIES,
    WING_PATTERNS,
    independent_traits,
)
from tests.data.drawings import same


@pytest.fixture(scope="module")
def drawings() -> list[Drawing]:
    return [render(seed=5, index=i) for i in range(360)]


@pytest.fixture(scope="module")
def independent() -> list[Drawing]:
    return [render(seed=5, index=i, independent=True) for i in range(40)]


def part(drawing: Drawing, name: str) -> np.ndarray:
    return masks.union(drawing.mask, PARTS, (name,))


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """`mask` and all that is at most `pixels` away."""
    image = Image.fromarray((mask * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.MaxFilter(2 * pixels + 1))) > 0


# Drawings


@pytest.mark.slow
def test_a_drawing_depends_on_its_seed_and_index_alone(drawings: list[Drawing]) -> None:
    assert all(same(render(5, i), drawings[i]) for i in (17, 3, 250))


def test_the_images_of_a_seed_stay_as_they_are() -> None:
    """Runs and tables name images of FieldMarks by seed and index."""
    grays = render(0, 0).image.reshape(4, 16, 4, 16, 3).mean((1, 3, 4))
    expected = [
        [122.7, 112.9, 105.9, 110.3],
        [102.1, 108.0, 96.7, 98.1],
        [88.8, 95.4, 103.5, 109.1],
        [120.8, 119.7, 120.9, 119.1],
    ]
    np.testing.assert_allclose(grays, expected, atol=0.2)


@pytest.mark.slow
def test_another_process_draws_the_same_image(drawings: list[Drawing]) -> None:
    code = """
import hashlib, json, sys
from jaxens.data.fieldmarks.draw import render
assert not {"jax", "tensorflow_datasets"} & set(sys.modules), "a drawing process starts slowly"
print(json.dumps([hashlib.sha256(render(5, i).image).hexdigest() for i in (9, 2)]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    here = [hashlib.sha256(drawings[i].image).hexdigest() for i in (9, 2)]
    assert json.loads(run.stdout) == here


@pytest.mark.slow
def test_indices_and_seeds_give_different_images(drawings: list[Drawing]) -> None:
    assert len({p.image.tobytes() for p in drawings}) == len(drawings)
    assert not np.array_equal(render(6, 0).image, drawings[0].image)


@pytest.mark.parametrize("index", [0, 7, 31])
def test_an_image_shows_the_same_bird_at_any_size(index: int) -> None:
    small, large = render(5, index, 64), render(5, index, 224)
    assert large.image.shape == (224, 224, 3)
    assert large.mask.shape == (224, 224, 1)
    shrunk = Image.fromarray(large.image).resize((64, 64), Image.Resampling.BOX)
    assert np.corrcoef(np.asarray(shrunk).ravel(), small.image.ravel())[0, 1] > 0.97
    np.testing.assert_array_equal(small.points, large.points)
    np.testing.assert_allclose(small.box, large.box, atol=1 / 64)
    for name in ("bird", "wing"):
        cover = Image.fromarray(part(large, name).astype(np.float32))
        share = np.asarray(cover.resize((64, 64), Image.Resampling.BOX))
        differ = (share > 0.5) != part(small, name)
        assert differ.mean() < 0.01
    assert small.labels.keys() == large.labels.keys()
    assert all(np.array_equal(small.labels[t], large.labels[t]) for t in small.labels)


@pytest.mark.parametrize("size", [16, 33, 100])
def test_sizes_may_be_odd(size: int) -> None:
    drawing = render(0, 0, size)
    assert drawing.image.shape == (size, size, 3)
    assert part(drawing, "bill").any()


# Their truth


def test_labels_are_those_of_the_species(drawings: list[Drawing]) -> None:
    tasks = {task.name: task for task in fieldmarks.INFO.tasks}
    for drawing in drawings:
        labels = drawing.labels
        named = {t: tasks[t].classes[labels[t]] for t in tasks if tasks[t].kind == "multiclass"}
        species = next(s for s in SPECIES if s.name == named["species"])
        assert named["family"] == species.family
        assert named["bill_length"] == species.bill_length
        assert named["wing_pattern"] == species.wing_pattern
        assert {m for m, has in zip(MARKS, labels["marks"], strict=True) if has} == species.marks


def test_exactly_the_parts_that_are_present_have_a_mask_and_a_key_point(
    drawings: list[Drawing], independent: list[Drawing]
) -> None:
    for drawing in [*drawings, *independent]:
        there = np.concatenate([[1, 1, 1], drawing.labels["marks"]]).astype(bool)
        assert [part(drawing, name).any() for name in PARTS] == there.tolist()
        assert np.isfinite(drawing.points).all(-1).tolist() == there.tolist()


def test_key_points_lie_in_their_masks(drawings: list[Drawing], independent: list[Drawing]) -> None:
    for drawing in [*drawings, *independent]:
        for name, point in zip(PARTS, drawing.points, strict=True):
            if np.isfinite(point).all():
                x, y = (point * 64).astype(int)
                assert grown(part(drawing, name), 1)[y, x], name


def test_parts_are_on_the_bird_and_the_bird_is_in_the_box(drawings: list[Drawing]) -> None:
    for drawing in drawings:
        left, top, right, bottom = drawing.box * 64
        assert 0 <= left < right <= 64
        assert 0 <= top < bottom <= 64
        bird = part(drawing, "bird")
        for name in PARTS:
            rows, cols = np.nonzero(part(drawing, name))
            assert not (part(drawing, name) & ~grown(bird, 1)).any()
            if len(rows):
                assert left - 1 < cols.min()
                assert cols.max() < right
                assert top - 1 < rows.min()
                assert rows.max() < bottom


@pytest.mark.slow
def test_short_medium_and_long_bills_differ_in_length(drawings: list[Drawing]) -> None:
    lengths = {name: [] for name in BILL_LENGTHS}
    for i, drawing in enumerate(drawings[:40]):
        here = SPECIES[drawing.labels["species"]]
        for name, seen in lengths.items():
            other = render_traits(replace(here, bill_length=name), seed=5, index=i, size=64)
            rows, cols = np.nonzero(part(other, "bill"))
            seen.append(np.hypot(np.ptp(rows) + 1, np.ptp(cols) + 1))
    short, medium, long = (np.array(lengths[name]) for name in BILL_LENGTHS)
    assert (medium > 1.2 * short).all()
    assert (long > 1.25 * medium).all()
    assert short.min() >= 3


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_changes_the_image_inside_its_mask_only(mark: str) -> None:
    for index in range(6):
        species = SPECIES[render(5, index).labels["species"]]
        with_it = render_traits(replace(species, marks=species.marks | {mark}), 5, index, 64)
        without = render_traits(replace(species, marks=species.marks - {mark}), 5, index, 64)
        change = np.abs(with_it.image.astype(int) - without.image).max(-1)
        mask = part(with_it, mark)
        assert mask.sum() >= 6
        assert np.median(change[mask]) > 12  # of 255: one sees it
        # Light, antialiasing and the lens carry a change a little beyond.
        assert change[~grown(mask, 2)].max() <= 2
        rest = [name for name in PARTS if name not in ("bird", mark)]
        if mark != "crest":  # the others cover no part but the body and the wing
            assert all(np.array_equal(part(with_it, n), part(without, n)) for n in rest)


@pytest.mark.parametrize("independent", [False, True])
def test_a_bird_is_drawn_again_with_another_bill_and_nothing_else(independent: bool) -> None:
    before = render(0, 2_000_003, independent=independent)
    again = [redraw("test", 3, independent=independent, bill_length=k) for k in BILL_LENGTHS]
    assert sum(same(each, before) for each in again) == 1
    bills = grown(np.any([part(each, "bill") for each in again], axis=0), 4)
    for each in again:
        equal = (each.image == before.image).all(axis=-1)
        assert equal[~bills].mean() > 0.95  # light and shadow reach further
        assert each.labels["wing_pattern"] == before.labels["wing_pattern"]


@pytest.mark.parametrize("traits", [{"bill": "long"}, {"bill_length": "tiny"}, {"marks": {"x"}}])
def test_a_trait_that_there_is_not_is_refused(traits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="choose from"):
        redraw("test", 0, **traits)


def test_birds_fill_the_frame(drawings: list[Drawing]) -> None:
    boxes = np.stack([p.box for p in drawings])
    side = (boxes[:, 2:] - boxes[:, :2]).max(-1)
    assert side.min() > 0.5
    assert np.median(side) > 0.7
    assert {bool(p.points[1, 0] > p.points[2, 0]) for p in drawings} == {True, False}  # both ways


# The design of the species


def test_species_families_and_attributes_are_balanced() -> None:
    assert len({s.name for s in SPECIES}) == len(SPECIES) == 18
    for family, bill in itertools.product(FAMILIES, BILL_LENGTHS):
        assert sum(s.family == family and s.bill_length == bill for s in SPECIES) == 2
    for attribute in ("family", "bill_length"):
        crossed = {(getattr(s, attribute), s.wing_pattern) for s in SPECIES}
        assert len(crossed) == len(SPECIES)


def test_no_other_attribute_predicts_a_mark() -> None:
    marks = np.array([[mark in s.marks for mark in MARKS] for s in SPECIES])
    assert (marks.mean(0) == 0.5).all()
    assert np.abs(np.corrcoef(marks.T) - np.eye(len(MARKS))).max() < 0.12
    for attribute in ("family", "bill_length", "wing_pattern"):
        for value in {getattr(s, attribute) for s in SPECIES}:
            share = marks[[getattr(s, attribute) == value for s in SPECIES]].mean(0)
            assert ((share > 0.3) & (share < 0.7)).all()


def test_all_species_are_equally_frequent(drawings: list[Drawing]) -> None:
    counts = np.bincount([p.labels["species"] for p in drawings], minlength=18)
    expected = len(drawings) / 18
    # Chi-squared with 17 degrees of freedom exceeds 40.8 once in a thousand.
    assert ((counts - expected) ** 2 / expected).sum() < 40.8


@pytest.mark.parametrize("task", ["bill_length", "wing_pattern", "family"])
def test_color_predicts_no_attribute(drawings: list[Drawing], task: str) -> None:
    """A least-squares classifier of the mean colors of frame, bird and wing stays at chance."""
    colors = [
        np.concatenate(
            [p.image.mean((0, 1)), *(p.image[part(p, n)].mean(0) for n in ("bird", "wing")), [255]]
        )
        for p in drawings
    ]
    features = np.stack(colors) / 255
    labels = np.array([p.labels[task] for p in drawings])
    classes = labels.max() + 1
    train, test = slice(0, 240), slice(240, None)
    weights = np.linalg.lstsq(features[train], np.eye(classes)[labels[train]], rcond=None)[0]
    accuracy = ((features[test] @ weights).argmax(-1) == labels[test]).mean()
    chance = 1 / classes
    assert accuracy < chance + 3 * np.sqrt(chance * (1 - chance) / 120)


# Independent attributes


def test_independent_attributes_are_balanced_and_predict_nothing_of_each_other() -> None:
    traits = [independent_traits(0, i) for i in range(4000)]
    values: dict[str, np.ndarray] = {
        "family": np.array([FAMILIES.index(t.family) for t in traits]),
        "bill_length": np.array([BILL_LENGTHS.index(t.bill_length) for t in traits]),
        "wing_pattern": np.array([WING_PATTERNS.index(t.wing_pattern) for t in traits]),
        **{mark: np.array([mark in t.marks for t in traits], int) for mark in MARKS},
    }
    for name, column in values.items():
        assert chisquare(np.bincount(column)).pvalue > 0.001, name
    # The last: neighbors in the series are independent, too.
    pairs = [*itertools.combinations(values, 2), *((name, name) for name in values)]
    for a, b in pairs:
        other = values[b] if a != b else np.roll(values[b], 1)
        counts = np.zeros((values[a].max() + 1, other.max() + 1), int)
        np.add.at(counts, (values[a], other), 1)
        assert chi2_contingency(counts).pvalue > 0.001, (a, b)


def test_the_labels_of_independent_attributes_are_those_drawn(independent: list[Drawing]) -> None:
    for index, drawing in enumerate(independent):
        traits, labels = independent_traits(5, index), drawing.labels
        assert list(labels) == [task.name for task in fieldmarks.INDEPENDENT.tasks]
        assert FAMILIES[labels["family"]] == traits.family
        assert BILL_LENGTHS[labels["bill_length"]] == traits.bill_length
        assert WING_PATTERNS[labels["wing_pattern"]] == traits.wing_pattern
        assert {m for m, has in zip(MARKS, labels["marks"], strict=True) if has} == traits.marks


@pytest.mark.parametrize(
    ("trait", "values", "name"),
    [("bill_length", BILL_LENGTHS, "bill"), ("wing_pattern", WING_PATTERNS, "wing")],
)
def test_only_its_part_shows_an_independent_attribute(
    trait: str, values: Sequence[str], name: str
) -> None:
    for index in range(4):
        birds = [
            render_traits(replace(independent_traits(5, index), **{trait: value}), 5, index, 64)
            for value in values
        ]
        shown = np.logical_or.reduce([part(bird, name) for bird in birds])
        for bird in birds[1:]:
            change = np.abs(bird.image.astype(int) - birds[0].image).max(-1)
            # Light, antialiasing and the lens carry a change a little beyond.
            assert change[~grown(shown, 3)].max() <= 2
