"""An ensemble meets another data set: which parts are its truth, which labels it knows."""

import numpy as np
import pytest

from jaxens.data.schema import MISSING, Info, Task
from jaxens.data.split import Split
from jaxens.errors import UserError
from jaxens.evaluation import evaluate, on_other
from jaxens.evaluation.images import Images
from tests.evaluation.known import (
    IMAGES,
    MEMBERS,
    PAIR,
    PROTOCOL,
    SETTINGS,
    SIZE,
    WING,
    KnownEnsemble,
    draw,
    draw_logits,
    known_split,
)

pytestmark = pytest.mark.slow

MARKS = Task.multilabel("marks", {"ring": ("eye",), "bar": ("wing",)})
COLORS = Task.multiclass("color", ("red", "blue"), ("bill",))
PATTERN = Task.multiclass("pattern", ("plain", "barred"))


def other_split(tasks: tuple[Task, ...], labels: dict) -> Split:
    """Three images with key points of wing and beak, and no masks."""
    return Split(
        info=Info("others", tasks, points=("wing", "beak")),
        ids=list("abc"),
        images=np.zeros((3, SIZE, SIZE, 3), np.uint8),
        masks=None,
        points=np.full((3, 2, 2), 0.5, np.float32),
        boxes=np.full((3, 4), np.nan, np.float32),
        labels=labels,
        places=np.arange(3),
    )


def ensemble_of(*tasks: Task) -> KnownEnsemble:
    return KnownEnsemble(tasks, {}, {})


def test_parts_are_found_by_their_names_or_by_those_given() -> None:
    split = other_split((), {})
    ensemble, _ = on_other(ensemble_of(WING, MARKS, COLORS), split)
    assert [task.parts[0] for task in ensemble.tasks] == [("wing",), (), ()]
    renamed = {"bill": ["beak", "wing"], "wing": ["beak"]}
    ensemble, _ = on_other(ensemble_of(WING, MARKS, COLORS), split, renamed)
    assert ensemble.tasks[0].parts == (("beak",),) * 3
    assert ensemble.tasks[1].parts == ((), ("beak",))
    assert ensemble.tasks[2].parts == (("beak", "wing"),) * 2


def test_a_task_without_parts_has_the_truth_that_is_given_by_its_name() -> None:
    given = {"pattern": ["wing", "beak"], "bill": ["beak"]}
    ensemble, _ = on_other(ensemble_of(PATTERN, COLORS), other_split((), {}), given)
    assert ensemble.tasks[0].parts == (("wing", "beak"),) * 2
    assert ensemble.tasks[1].parts == (("beak",),) * 2
    ensemble, _ = on_other(ensemble_of(PATTERN, WING), other_split((), {}))
    assert ensemble.tasks[0].parts == ((), ())


def test_labels_are_matched_by_the_names_of_tasks_and_classes() -> None:
    wing = Task.multiclass("wing", ("spotted", "striped", "plain"), ("wing",))
    marks = Task.multilabel("marks", {"bar": ("wing",), "cap": ()})
    given = {
        "wing": np.array([0, 1, MISSING], np.int32),
        "marks": np.array([[1, 0], [0, 1], [MISSING, 1]], np.int8),
    }
    _, split = on_other(ensemble_of(WING, MARKS, COLORS), other_split((wing, marks), given))
    # WING has "spotted" as its third class, and no "striped".
    np.testing.assert_array_equal(split.labels["wing"], [2, MISSING, MISSING])
    # MARKS has the ring, which is unknown here, and the bar.
    np.testing.assert_array_equal(split.labels["marks"], [[-1, 1], [-1, 0], [-1, -1]])
    np.testing.assert_array_equal(split.labels["color"], [MISSING] * 3)


def test_a_task_of_another_kind_gives_no_labels() -> None:
    wing = Task.multilabel("wing", dict.fromkeys(WING.classes, ("wing",)))
    _, split = on_other(ensemble_of(WING), other_split((wing,), {"wing": np.ones((3, 3), np.int8)}))
    np.testing.assert_array_equal(split.labels["wing"], [MISSING] * 3)


OF_PART = r"a part of the run \(bill\)"
OF_TASK = r"a task of it without parts \(pattern\)"


@pytest.mark.parametrize(
    ("tasks", "parts", "message"),
    [
        (
            (COLORS,),
            {"bil": ["beak"]},
            "neither a part of the run, nor a task .*: did you mean bill",
        ),
        ((COLORS,), {"color": ["beak"]}, "'color' is neither a part .*: choose from bill"),
        ((PATTERN,), {"wing": ["wing"]}, "'wing' is neither a part .*: choose from pattern"),
        ((COLORS,), {"bill": ["break"]}, "others has no part 'break': did you mean beak?"),
        ((PATTERN,), {"pattern": ["w"]}, "others has no part 'w': choose from wing, beak"),
        (
            (COLORS,),
            {},
            f"add `parts` NAME=OTHER, where NAME is {OF_PART}, and OTHER is one of wing",
        ),
        ((PATTERN,), {}, f"where NAME is {OF_TASK}, and OTHER"),
        ((COLORS, PATTERN), {}, f"where NAME is {OF_PART} or {OF_TASK}, and OTHER"),
    ],
)
def test_truth_that_can_not_be_found_is_named(tasks: tuple, parts: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        on_other(ensemble_of(*tasks), other_split((), {}), parts)
    assert "\n" not in str(caught.value)


def test_predictions_are_scored_where_no_image_has_a_label() -> None:
    points = np.random.default_rng(1).uniform(0.2, 0.8, (IMAGES, 2))
    labels = {"wing": np.arange(IMAGES, dtype=np.int32) % 3}
    known = KnownEnsemble((WING,), draw(MEMBERS, 2), draw_logits(MEMBERS))
    choices = {"methods": PAIR, "protocol": PROTOCOL, "settings": SETTINGS, "orders": 2}
    ours = known_split(None, points, labels)
    expected = evaluate(known, ours, explained="prediction", **choices)
    # The same images and points as those of a set without labels, under another name.
    theirs = known_split(None, points, {}, tasks=())
    info = Info("others", (), points=("folded wing",))
    theirs = Split(**(vars(theirs) | {"info": info}))
    ensemble, split = on_other(known, theirs, {"wing": ["folded wing"]})
    evaluation = evaluate(ensemble, split, explained="prediction", **choices)
    assert evaluation.results[0].question.part == "folded wing"
    assert evaluation.to_csv() == expected.to_csv()
    with pytest.raises(UserError, match="no held-out image has a label for wing: explain the"):
        evaluate(ensemble, split, explained="label", **choices)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"on": "cubs"}, "`on` cubs is not a data set: did you mean cub"),
        ({"parts": ("bill=beak",)}, "`parts` is for another data set: add `on`"),
        ({"attributes": "independent"}, "`attributes` is for another data set: add `on`"),
        ({"on": "cub", "parts": ("beak",)}, "`parts` beak should be PART=OTHER"),
        ({"on": "cub", "parts": ("=beak",)}, "`parts` =beak should be PART=OTHER"),
        ({"limit": 0}, "`limit` must be at least 1"),
    ],
)
def test_a_wrong_flag_is_named_with_its_remedy(flags: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Images(**flags)
