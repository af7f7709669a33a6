"""Four images, an ensemble of three members with known maps and logits, and photos with labels."""

import numpy as np

from jaxens.data.photos import Photos
from tests.evaluation.known import SIZE, WING, KnownEnsemble, known_split

IMAGES = np.zeros((4, SIZE, SIZE, 3), np.uint8)
IMAGES[:, 0, 0, 0] = np.arange(4)
PAIR = ("saliency", "input_x_gradient")
# Members by images by classes. All agree on image 0, two of three on image 1.
LOGITS = np.zeros((3, 4, 3), np.float32)
LOGITS[:, 0, 1] = 2
LOGITS[:2, 1, 2] = 3
LOGITS[2, 1, 0] = 1
LOGITS[:, 2:, 0] = 1


def known_ensemble():
    """The ensemble, whose maps are random."""
    rng = np.random.default_rng(0)
    maps = {method: rng.normal(size=(3, 4, 3, SIZE, SIZE)) for method in PAIR}
    return KnownEnsemble((WING,), maps, {"wing": LOGITS})


def known_photos(labels, task=WING):
    """The four images with labels, a mask each, and key points of all but the first."""
    masks = np.zeros((4, SIZE, SIZE), bool)
    masks[:, 2:5, 3:6] = True
    points = np.full((4, 2), 0.5)
    points[0] = np.nan
    truth = known_split(masks, points, {task.name: labels}, (task,))
    return Photos(list("abcd"), IMAGES, np.arange(4), ["0"] * 4, truth)
