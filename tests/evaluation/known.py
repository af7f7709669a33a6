"""An ensemble whose maps and logits are known, a split for it, and its scores in NumPy."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from jaxens.attribution import METHODS, Contrast
from jaxens.data import masks
from jaxens.data.schema import Info, Task
from jaxens.data.split import Split
from jaxens.evaluation import MethodSettings
from jaxens.metrics import Protocol
from jaxens.models import build

SIZE = 8
WING = Task.multiclass("wing", ("plain", "barred", "spotted"), ("wing",))
IMAGES, MEMBERS, THRESHOLD = 20, 3, 0.3  # more images than are scored at once
PAIR = ("saliency", "input_x_gradient")  # unsigned, signed
SCORED = ("iou", "correlation", "distance")
PROTOCOL = Protocol(threshold=THRESHOLD, correlation_size=4, metrics=SCORED)
SETTINGS = MethodSettings(member_images_at_once=6)  # the last chunk is filled up


@dataclass(frozen=True)
class KnownEnsemble:
    """Maps of an image are looked up by its first pixel, which is the number of the image.

    `maps` has [member, image, class, height, width] by method, `known_logits` [member, image,
    class] by task.
    """

    tasks: tuple
    maps: dict
    known_logits: dict
    baseline: "KnownEnsemble | None" = None
    variables: object = None
    trunk: object = None
    devices: int = 1
    divergence: str = ""

    @property
    def members(self):
        return len(next(iter(self.known_logits.values())))

    @property
    def model(self):
        return build("small", [(task.name, len(task.classes)) for task in self.tasks])

    def baseline_ensemble(self):
        return self.baseline

    def check(self, images, methods, member):
        pass

    def all_logits(self, images):
        numbers = np.asarray(images)[:, 0, 0, 0]
        return {name: jnp.asarray(of[:, numbers]) for name, of in self.known_logits.items()}

    def logits(self, images, task):
        return self.all_logits(images)[task]

    def explain(self, images, targets, methods, task, *, images_at_once=None):
        numbers = np.asarray(images)[:, 0, 0, 0]

        def chosen(method, classes):
            return self.maps[method][:, numbers, np.broadcast_to(classes, numbers.shape)]

        def map_of(method):
            if isinstance(targets, Contrast):
                return chosen(method, targets.target) - chosen(method, targets.against)
            return chosen(method, targets)

        return {method: jnp.asarray(map_of(method), jnp.float32) for method in methods}


def known_split(wing_masks, wing_points, labels, tasks=(WING,)):
    """Images of one part, the wing; `labels` by task."""
    count = len(wing_points)
    images = np.zeros((count, SIZE, SIZE, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    packed = None if wing_masks is None else masks.pack(np.asarray(wing_masks, bool)[..., None])
    return Split(
        info=Info(
            "birds", tuple(tasks), points=("wing",), masks=() if packed is None else ("wing",)
        ),
        ids=[f"bird {i}" for i in range(count)],
        images=images,
        masks=packed,
        points=np.asarray(wing_points, np.float32).reshape(count, 1, 2),
        boxes=np.full((count, 4), np.nan, np.float32),
        labels={name: np.asarray(of_task) for name, of_task in labels.items()},
        places=np.arange(count),
    )


def region(map, threshold, signed):
    """Where a map is at least the threshold of its normalized range."""
    map = np.asarray(map, np.float64)
    low, high = map.min(), map.max()
    return (map / np.abs(map).max() if signed else (map - low) / (high - low)) >= threshold


def iou(map, mask, threshold, signed):
    inside = region(map, threshold, signed)
    return (inside & mask).sum() / (inside | mask).sum()


def correlation(map, mask, cells):
    """Pearson's, of averages over square blocks."""

    def blocks(array):
        side = SIZE // cells
        return np.asarray(array, np.float64).reshape(cells, side, cells, side).mean(axis=(1, 3))

    return np.corrcoef(blocks(map).ravel(), blocks(mask).ravel())[0, 1]


def distance(map, point):
    """From the center of mass of the positive values to the point."""
    weights = np.maximum(np.asarray(map, np.float64), 0)
    at = (np.arange(SIZE) + 0.5) / SIZE
    center = weights.sum(axis=0) @ at, weights.sum(axis=1) @ at
    return np.linalg.norm(np.array(center) / weights.sum() - np.asarray(point, np.float64))


def draw(members, seed):
    """Random maps by method [member, image, class, height, width]."""
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=(len(PAIR), members, IMAGES, 3, SIZE, SIZE))
    return {
        m: (each if METHODS[m].signed else np.abs(each))
        for m, each in zip(PAIR, normal, strict=True)
    }


def draw_logits(members, seed=5):
    return {
        "wing": np.random.default_rng(seed).normal(size=(members, IMAGES, 3)).astype(np.float32)
    }
