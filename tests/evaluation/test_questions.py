"""Questions: which images are explained, for which class, and which are left out."""

from dataclasses import replace

import numpy as np
import pytest

from jaxens.data import masks, schema
from jaxens.data.schema import MISSING, Info, Task
from jaxens.data.split import Split
from jaxens.evaluation.questions import Question, count_images, questions, with_same_maps

SPECIES = Task.multiclass("species", ("wren", "tit"))
WING = Task.multiclass("wing", ("plain", "barred"), ("wing",))
MARKS = Task.multilabel("marks", {"ring": ("eye",), "stripe": ("eye", "bill")})
# Classes of a multiclass task may have different parts.
HEAD = Task("head", "multiclass", ("eye mark", "bill mark", "none"), (("eye",), ("bill",), ()))
NAN = np.nan


@pytest.fixture
def split():
    """Four images; masks of wing and bill, key points of wing and eye."""
    bits = np.zeros((4, 2, 2, 2), bool)
    bits[[0, 1], 0, 0, 0] = True  # wings
    bits[[1, 3], 1, 1, 1] = True  # bills
    points = np.full((4, 2, 2), NAN, np.float32)
    points[[0, 2], 0] = 0.25  # wings
    points[[0, 1], 1] = 0.75  # eyes
    return Split(
        info=Info("birds", (SPECIES, WING, MARKS, HEAD), ("wing", "eye"), ("wing", "bill")),
        ids=list("abcd"),
        images=np.zeros((4, 2, 2, 3), np.uint8),
        masks=masks.pack(bits),
        points=points,
        boxes=np.full((4, 4), NAN, np.float32),
        labels={
            "species": np.array([0, 1, 0, 1], np.int32),
            "wing": np.array([0, 1, 1, MISSING], np.int32),
            "marks": np.array([[1, 1], [0, 1], [1, MISSING], [1, 1]], np.int8),
            "head": np.array([0, 1, 2, 1], np.int32),
        },
        places=np.arange(4),
    )


def by_label(split, task):
    return questions((task,), split, "label", {})


def test_a_multiclass_task_is_one_question_with_its_labels(split):
    (question,) = by_label(split, WING)
    assert (question.name, question.part, len(question)) == ("wing", "wing", 3)
    assert question.images.tolist() == [0, 1, 2]  # the last has no label
    assert question.targets.tolist() == [0, 1, 1]
    assert question.left_out == {"no label": 1, "no wing marked": 0}
    assert question.masks.any(axis=(1, 2)).tolist() == [True, True, False]
    assert np.isnan(question.points).any(axis=1).tolist() == [False, True, False]


def test_each_label_of_a_multilabel_task_is_a_question_of_the_images_that_have_it(split):
    ring, stripe = by_label(split, MARKS)
    assert (ring.name, ring.part) == ("marks: ring", "eye")
    assert ring.images.tolist() == [0]  # of 0, 2 and 3, the only one with a visible eye
    assert ring.left_out == {"no label": 0, "no eye marked": 2}
    assert ring.masks is None
    assert (stripe.name, stripe.part) == ("marks: stripe", "eye and bill")
    assert stripe.images.tolist() == [0, 1, 3]
    assert stripe.targets.tolist() == [1, 1, 1]
    assert stripe.left_out == {"no label": 1, "no eye and bill marked": 0}


def test_classes_with_different_parts_are_different_questions(split):
    eye, bill = by_label(split, HEAD)  # the class without parts is none
    assert (eye.name, bill.name) == ("head: eye", "head: bill")
    assert (eye.part, eye.images.tolist(), eye.targets.tolist()) == ("eye", [0], [0])
    assert (bill.part, bill.images.tolist(), bill.targets.tolist()) == ("bill", [1, 3], [1, 1])


def test_a_task_without_marked_parts_is_no_question(split):
    assert by_label(split, SPECIES) == []


def test_predictions_take_the_place_of_labels(split):
    predicted = {
        "wing": np.array([[0.4, 0.6], [0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]),
        "marks": np.array([[0.6, 0.2], [0.1, 0.7], [0.5, 0.5], [0.2, 0.9]]),
    }
    wing, ring, stripe = questions((WING, MARKS), split, "prediction", predicted)
    assert wing.images.tolist() == [0, 1, 2]
    assert wing.targets.tolist() == [1, 0, 1]
    assert wing.left_out == {"no label": 0, "no wing marked": 1}
    assert ring.images.tolist() == [0]  # above one half
    assert stripe.images.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("metric", "reasons"),
    [
        ("distance", {"no key point": 1}),
        ("iou", {"no mask": 1}),
        ("correlation", {"no mask": 1, "a mask that fills the image": 1}),
    ],
)
def test_truth_that_gives_no_score_is_counted_by_reason(split, metric, reasons):
    (question,) = by_label(split, WING)
    question.masks[0] = True
    assert question.without_truth(metric) == reasons


def test_without_masks_or_points_nothing_is_counted_as_missing(split):
    (question,) = by_label(split, WING)
    empty = Question("wing", WING, "wing", question.images, question.targets, None, None)
    for metric in ("correlation", "distance"):
        assert not any(empty.without_truth(metric).values())


def test_each_of_separate_parts_is_a_question_of_its_own_and_ignored_pixels_are_of_no_part(split):
    names = ("wing", schema.ignored("wing"))
    info = replace(split.info, masks=names)
    split = replace(split, info=info)  # what was the bill is unknown now
    both = Task.multiclass("wing", ("plain", "barred"), ("wing", "eye"), separate=True)
    wing, eye = by_label(split, both)
    assert (wing.name, wing.part, eye.name, eye.part) == ("wing: wing", "wing", "wing: eye", "eye")
    assert wing.images.tolist() == [0, 1, 2]
    assert wing.ignored[:, 1, 1].tolist() == [False, True, False]
    assert not (wing.ignored & wing.masks).any()
    assert eye.ignored is None
    marks = Task("marks", "multilabel", ("ring", "bar"), (("wing", "eye"),) * 2, separate=True)
    names = [question.name for question in by_label(split, marks)]
    assert names == ["marks: wing: ring", "marks: wing: bar", "marks: eye: ring", "marks: eye: bar"]


def test_questions_about_the_same_class_of_an_image_share_its_maps(split):
    both = Task.multiclass("wing", ("plain", "barred"), ("wing", "eye"), separate=True)
    wing, eye = by_label(split, both)
    (group,) = with_same_maps([wing, eye])
    assert group == [wing, eye]
    assert eye.images.tolist() == [0, 1]  # both also have a wing
    assert count_images(group) == 3
    marks = Task("marks", "multilabel", ("ring", "bar"), (("wing", "eye"),) * 2, separate=True)
    names = [[q.name for q in group] for group in with_same_maps([wing, *by_label(split, marks)])]
    assert names == [
        ["wing: wing"],
        ["marks: wing: ring", "marks: eye: ring"],
        ["marks: wing: bar", "marks: eye: bar"],
    ]


def test_questions_about_different_images_share_nothing(split):
    eye, bill = by_label(split, HEAD)
    assert with_same_maps([eye, bill]) == [[eye], [bill]]
