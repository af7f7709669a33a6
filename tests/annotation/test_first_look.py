"""The picture that training leaves: what is in it for which tasks and members."""

import dataclasses

import numpy as np
import pytest

from jaxens.annotation.first_look import ANNOTATED, first_look
from jaxens.errors import UserError
from tests.evaluation.known import SIZE, WING, KnownEnsemble, known_split
from tests.viz.helpers import all_texts

pytestmark = pytest.mark.slow

IMAGES = 8
PAIR = ("saliency", "guided_grad_cam")


def case(task=WING, members=3, labeled=True):
    rng = np.random.default_rng(0)
    maps = rng.random((members, IMAGES, 3, SIZE, SIZE))
    labels = np.arange(IMAGES, dtype=np.int32) % 3 if labeled else np.full(IMAGES, -1, np.int32)
    logits = np.tile(5 * np.eye(3, dtype=np.float32)[labels], (members, 1, 1))
    ensemble = KnownEnsemble(
        (task,), dict.fromkeys((*PAIR, "integrated_gradients"), maps), {"wing": logits}
    )
    masks = rng.random((IMAGES, SIZE, SIZE)) < 0.5
    split = known_split(masks, rng.random((IMAGES, 2)), {"wing": labels}, tasks=(task,))
    return ensemble, split


def test_arrows_on_six_images_and_maps_of_one_member_and_the_ensemble():
    found = all_texts(first_look(*case()))
    assert sum(text.endswith("wing") for text in found) == ANNOTATED  # labels of arrows
    for method in ("Saliency", "Guided Grad-CAM"):
        for by in ("one member", "ensemble"):
            assert found.count(f"{method} {by}") == 1


def test_without_a_predicted_class_images_are_named():
    ensemble, split = case()
    found = all_texts(first_look(ensemble, split))
    assert sum(id in found for id in split.ids) == ANNOTATED


def test_one_member_has_no_second_map():
    found = all_texts(first_look(*case(members=1)))
    assert found.count("Guided Grad-CAM one member") == 1
    assert not any("ensemble" in text for text in found)


def test_without_parts_there_are_maps_alone():
    task = dataclasses.replace(WING, parts=((), (), ()))
    found = all_texts(first_look(*case(task)))
    assert found.count("Guided Grad-CAM ensemble") == 1
    assert not any(text.endswith("wing") for text in found)


def test_without_labels_there_is_nothing_to_explain():
    with pytest.raises(UserError, match="no held-out image has a label"):
        first_look(*case(labeled=False))
