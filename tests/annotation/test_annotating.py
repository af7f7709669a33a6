"""What is annotated, of an ensemble whose maps and logits are known."""

import json

import jsonschema
import numpy as np
import pytest

from jaxens import viz
from jaxens.annotation import SCHEMA, STYLES, Rules, annotate, draw, to_json
from jaxens.attribution import Contrast
from jaxens.data.schema import Task
from jaxens.errors import UserError
from tests.evaluation.known import SIZE, WING, KnownEnsemble
from tests.viz.helpers import all_texts

SPECIES = Task.multiclass("species", ("<b>finch</b>", "jay", "[red]owl"))
MARKS = Task.multilabel("marks", {"crest": ("crest",), "eye_ring": ("eye",), "any": ()})
TYPICAL = {1: {"wing": (2,), "marks": (0, 1)}}
RULES = Rules(method="input_x_gradient", tip="center_of_mass", confidence=0.6)


def spot(x, y):
    """A map of one pixel."""
    map = np.zeros((SIZE, SIZE))
    map[y, x] = 1
    return map


def tip(x, y):
    return ((x + 0.5) / SIZE, (y + 0.5) / SIZE)


@pytest.fixture(scope="module")
def ensemble():
    """Three members, two images; the wing is at (2, 3), and one member looks at (7, 7)."""
    maps = np.zeros((3, 2, 3, SIZE, SIZE))
    maps[:] = spot(2, 3)
    maps[2] = spot(7, 7) * 1e-3
    logits = {
        "species": np.tile([[3.0, 2.0, -1.0], [0.0, 4.0, -1.0]], (3, 1, 1)),
        "wing": np.tile([[0.0, 5.0, 0.0], [0.1, 0.0, 0.0]], (3, 1, 1)),
        "marks": np.tile([[4.0, -4.0, 4.0], [2.0, 3.0, 4.0]], (3, 1, 1)),
    }
    return KnownEnsemble((SPECIES, WING, MARKS), {"input_x_gradient": maps}, logits)


@pytest.fixture(scope="module")
def images():
    images = np.zeros((2, SIZE, SIZE, 3), np.uint8)
    images[:, 0, 0, 0] = [0, 1]
    return images


@pytest.fixture(scope="module")
def annotations(ensemble, images):
    return annotate(ensemble, images, rules=RULES, names=["a.jpg", "b.jpg"], typical=TYPICAL)


def test_probable_classes_with_parts_are_marked_the_most_probable_first(annotations):
    first, second = ([sighting.label for sighting in each.sightings] for each in annotations)
    assert first == ["barred wing", "crest"]  # "any" has no part, and an eye ring is improbable
    assert second == ["eye ring", "crest"]  # no wing is probable enough
    assert annotations[0].sightings[1].probability == pytest.approx(1 / (1 + np.exp(-4)))


def test_the_prediction_and_its_look_alike_are_named(annotations):
    assert [each.prediction for each in annotations] == ["<b>finch</b>", "jay"]
    assert annotations[0].look_alike == "jay"
    p = np.exp([3.0, 2, -1])
    assert annotations[0].probability == pytest.approx(p[0] / p.sum())
    assert annotations[0].sentence == (
        "barred wing and crest; unlike the jay, which has a spotted wing and an eye ring"
    )


def test_a_tip_is_that_of_the_mean_map_and_its_certainty_the_share_of_members_near(annotations):
    sighting = annotations[0].sightings[0]
    np.testing.assert_allclose(sighting.tip, tip(2, 3), atol=0.01)
    np.testing.assert_allclose(sighting.member_tips, [tip(2, 3), tip(2, 3), tip(7, 7)], atol=1e-6)
    assert sighting.certainty == pytest.approx(2 / 3)
    assert not sighting.uncertain


@pytest.mark.parametrize(
    ("rules", "sightings", "uncertain"),
    [({"solid": 0.7}, 2, True), ({"solid": 0.6}, 2, False), ({"drawn": 0.7}, 0, None)],
)
def test_arrows_that_members_disagree_about_are_dashed_or_left_out(
    ensemble, images, rules, sightings, uncertain
):
    rules = Rules(method="input_x_gradient", **rules)
    annotation = annotate(ensemble, images[:1], rules=rules)[0]
    assert len(annotation.sightings) == sightings
    assert all(sighting.uncertain == uncertain for sighting in annotation.sightings)


def test_at_most_so_many_sightings(ensemble, images):
    rules = Rules(method="input_x_gradient", sightings=1)
    assert [
        sighting.label for sighting in annotate(ensemble, images, rules=rules)[0].sightings
    ] == ["barred wing"]


def test_a_look_alike_may_be_named(ensemble, images):
    annotation = annotate(ensemble, images[:1], rules=RULES, against="[red]owl")[0]
    assert annotation.look_alike == "[red]owl"
    with pytest.raises(UserError, match="`against` lark: species has no such class"):
        annotate(ensemble, images[:1], rules=RULES, against="lark")


def test_without_a_task_without_parts_there_is_no_prediction(ensemble, images):
    described = KnownEnsemble((WING,), ensemble.maps, {"wing": ensemble.known_logits["wing"]})
    annotation = annotate(described, images[:1], rules=RULES)[0]
    assert (annotation.prediction, annotation.look_alike) == ("", "")
    np.testing.assert_allclose(
        annotation.heatmap, ensemble.maps["input_x_gradient"][:, 0, 1].mean(0)
    )
    with pytest.raises(UserError, match="no task has parts to point at"):
        annotate(
            KnownEnsemble((SPECIES,), {}, {"species": ensemble.known_logits["species"]}),
            images,
            rules=RULES,
        )


def test_without_a_prediction_the_heatmap_is_that_of_the_most_probable_sighting(ensemble, images):
    maps = ensemble.maps["input_x_gradient"].copy()
    maps[:, 1, 1] = spot(5, 1)  # the eye ring, which is more probable than the crest
    marks = {"marks": ensemble.known_logits["marks"]}
    described = KnownEnsemble((MARKS,), {"input_x_gradient": maps}, marks)
    annotation = annotate(described, images, rules=RULES)[1]
    assert len(annotation.sightings) == 2
    np.testing.assert_allclose(annotation.heatmap, spot(5, 1))


def test_the_json_fits_its_schema_and_holds_every_number(annotations):
    content = json.loads(to_json(annotations, RULES, {"run": "birds"}))
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    assert content["rules"]["confidence"] == 0.6
    image, annotation = content["images"][0], annotations[0]
    assert (image["name"], image["prediction"]) == ("a.jpg", "<b>finch</b>")
    for found, sighting in zip(image["sightings"], annotation.sightings, strict=True):
        np.testing.assert_allclose(found["tip"], sighting.tip, atol=1e-5)
        np.testing.assert_allclose(found["member_tips"], sighting.member_tips, atol=1e-5)
        assert (found["class"], found["label"]) == (sighting.target, sighting.label)
    # One of three members points 6.4 pixels away.
    away = np.hypot(5, 4) / SIZE / 2**0.5
    assert image["sightings"][0]["spread"] == pytest.approx(away / 3**0.5, rel=0.02)


def test_what_has_no_arrow_is_in_the_json_with_its_reason(ensemble, images):
    for change, reason in (
        ({"drawn": 0.7}, "fewer than 70% of the members point near its tip"),
        ({"sightings": 1}, "there are more than 1 sightings"),
    ):
        rules = Rules(method="input_x_gradient", **change)
        found = annotate(ensemble, images, rules=rules)
        content = json.loads(to_json(found, rules))
        jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
        first = content["images"][0]
        labels = [each["label"] for each in (*first["sightings"], *first["left_out"])]
        assert labels == ["barred wing", "crest"]
        assert first["left_out"][-1]["reason"] == reason


@pytest.mark.parametrize("change", [{"drawn": 0.7}, {"sightings": 1}, {"confidence": 0.95}])
def test_no_sentence_denies_what_the_ensemble_sees(ensemble, images, change):
    """A crest without an arrow is a crest, and the jay has one too."""
    rules = Rules(method="input_x_gradient", **change)
    annotation = annotate(ensemble, images[:1], rules=rules, typical=TYPICAL)[0]
    assert annotation.look_alike == "jay"
    assert annotation.sentence.endswith("unlike the jay, which has a spotted wing and an eye ring")


def test_against_a_look_alike_arrows_point_at_what_tells_them_apart(ensemble, images):
    """The jay has a crest too; the bar of the wing is located by its contrast with spots."""
    calls = []

    class Recording(KnownEnsemble):
        def explain(self, images, targets, methods, task=None, **chunks):
            calls.append((task, targets))
            return super().explain(images, targets, methods, task, **chunks)

    maps = ensemble.maps["input_x_gradient"].copy()
    maps[:, :, 2] = 0  # nothing speaks for spots
    known = Recording(ensemble.tasks, {"input_x_gradient": maps}, ensemble.known_logits)
    annotation = annotate(known, images[:1], rules=RULES, typical=TYPICAL, against="jay")[0]
    assert [sighting.label for sighting in annotation.sightings] == ["barred wing"]
    contrasts = {task: targets for task, targets in calls if isinstance(targets, Contrast)}
    assert set(contrasts) == {"wing", "species"}
    assert (contrasts["wing"].target, contrasts["wing"].against) == ([1], [2])
    same = annotate(known, images[:1], rules=RULES, against="jay")[0]
    assert len(same.sightings) == 2  # nothing is known of the jay


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_all_styles_are_drawn_in_every_format(annotations, tmp_path, suffix):
    figure = draw(annotations, tuple(STYLES), title="$ <b> [red]")
    assert {"barred wing", "crest", "<b>finch</b> (72%)"} <= set(all_texts(figure))
    assert viz.save(figure, tmp_path / f"all.{suffix}").stat().st_size > 1000


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"confidence": 1.5}, "`confidence` must be at most 1"),
        ({"sightings": 0}, "`sightings` must be at least 1"),
    ],
)
def test_rules_out_of_range_are_refused(setting, message):
    with pytest.raises(UserError, match=message):
        Rules(**setting)
