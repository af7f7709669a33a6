import numpy as np
import pytest

from jaxens.annotation.wording import describe, enumeration, label_of, typical
from jaxens.data.schema import Task

BILL = Task.multiclass("bill_length", ("short", "long"), ("bill",))
MARKS = Task.multilabel("marks", {"eye_ring": ("eye_ring",), "crest": ("crest",), "tail": ()})
SPECIES = Task.multiclass("species", ("finch", "jay"))
BREED = Task.multiclass("breed", ("Bengal", "boxer"), ("animal", "head"), separate=True)


@pytest.mark.parametrize(
    ("task", "k", "label"),
    [
        (BILL, 1, "long bill"),
        (MARKS, 0, "eye ring"),
        (MARKS, 2, "tail"),
        (SPECIES, 1, "jay"),
        (BREED, 0, "Bengal"),
    ],
)
def test_a_label_names_the_part_once_if_it_is_one(task, k, label):
    assert label_of(task, k) == label


def test_words_are_enumerated():
    assert [enumeration(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_a_description_says_what_is_seen_and_what_a_look_alike_has_instead():
    assert describe([]) == "nothing that the network is sure of"
    assert describe(["crest"], "jay", []) == "crest"
    assert (
        describe(["short bill", "crest"], "jay", ["long bill", "eye ring"])
        == "short bill and crest; unlike the jay, which has a long bill and an eye ring"
    )


def test_a_description_with_long_or_hostile_names_is_one_short_line():
    long = "w" * 20_000 + "\x1b[2J\n"
    sentence = describe([long, "crest"], long, [long])
    assert sentence.isprintable()
    assert len(sentence) < 300


def test_what_is_typical_is_what_most_images_of_a_class_have():
    labels = {
        "species": np.array([0, 0, 0, 1, 1]),
        "bill_length": np.array([0, 0, 1, 0, 1]),
        "marks": np.array([[1, 0, -1], [1, 1, -1], [0, 0, 1], [0, 1, 0], [0, 1, -1]]),
    }
    assert typical(labels, [BILL, SPECIES, MARKS]) == {
        0: {"bill_length": (0,), "marks": (0, 2)},
        1: {"bill_length": (), "marks": (1,)},
    }
    assert typical(labels, [BILL, MARKS]) == {}
