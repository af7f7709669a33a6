"""Mistakes are named before anything is explained, and a change makes another evaluation."""

import json
from dataclasses import replace

import numpy as np
import pytest

from jaxens.errors import UserError
from jaxens.evaluation import evaluate
from jaxens.evaluation.augmented import augmented
from jaxens.evaluation.checksums import weights_checksum
from jaxens.evaluation.evaluating import plan_evaluation
from jaxens.evaluation.results import check_folder
from jaxens.metrics import Protocol
from tests.evaluation.known import (
    IMAGES,
    PAIR,
    PROTOCOL,
    SETTINGS,
    known_split,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["gradcam"]}, "unknown method 'gradcam': did you mean grad_cam"),
        ({"methods": ["gradient_shap"]}, "gradient_shap needs background images"),
        ({"tasks": ["bill"]}, "there is no task 'bill': choose from wing"),
        (
            {"protocol": Protocol(correlation_size=9)},
            "`correlation_size` 9 is more than the images' 8 px",
        ),
    ],
)
def test_a_mistake_is_named_before_anything_is_explained(ensemble, split, changes, message):
    settings = {"methods": ["saliency"], "protocol": PROTOCOL, **changes}
    with pytest.raises(UserError, match=message):
        evaluate(replace(ensemble, maps={}), split, **settings)


def test_a_member_that_gives_nan_is_named(ensemble, split):
    logits = ensemble.known_logits["wing"].copy()
    logits[1, 3:5] = np.nan
    broken = replace(ensemble, known_logits={"wing": logits})
    with pytest.raises(UserError, match=r"member 1 \(0 to 2\) gives NaN for 2 of 20 images"):
        evaluate(broken, split, methods=["saliency"], protocol=PROTOCOL)


def test_a_split_without_masks_and_points_is_refused(ensemble, split):
    unmarked = known_split(None, np.full((IMAGES, 2), np.nan), split.labels)
    with pytest.raises(UserError, match="no held-out image has a mask or key point for wing"):
        evaluate(ensemble, unmarked, methods=["saliency"], protocol=PROTOCOL)


def test_an_evaluation_of_another_ensemble_or_of_changed_images_is_another(
    ensemble, split, tmp_path
):
    changed = augmented(split, 0, flip=True, zoom=0.1, color=0.2)
    changed = replace(changed, images=split.images)  # by whose first pixel maps are known
    other = replace(ensemble, variables={"weights": np.ones(3)})

    def plan(*of, name="a"):
        fixed = {"methods": PAIR, "protocol": PROTOCOL, "settings": SETTINGS}
        return plan_evaluation(*of, **fixed, run_name=name)

    first = plan(ensemble, split)
    check_folder(tmp_path, first.choices())
    (tmp_path / "settings.json").write_text(json.dumps(first.choices()))
    check_folder(tmp_path, plan(ensemble, split).choices())
    for each in (plan(ensemble, split, name="b"), plan(other, split), plan(ensemble, changed)):
        with pytest.raises(UserError, match="with other settings, or of another ensemble"):
            check_folder(tmp_path, each.choices())
    assert plan(other, split).choices()["weights_crc32"] == weights_checksum(other)
    described = plan(ensemble, changed).describe()
    assert (
        f"Images: all {IMAGES} images, each changed at random once (mirrored or not, zoom up to "
        "0.1, color up to 0.2, seed 0)." in described
    )
