"""Computes maps of images by several methods, with the settings that each method needs."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, UInt8

from jaxens import attribution
from jaxens.attribution import METHODS
from jaxens.data.source import Source, evenly_spaced
from jaxens.ensemble.ensemble import Ensemble
from jaxens.ensemble.inputs import Classes
from jaxens.errors import UserError
from jaxens.evaluation.settings import FORWARD_ONLY, MethodSettings, group_methods, needs_background
from jaxens.models.memory import member_images_at_once

GRID = 7  # cells per side, as many as there are SLIC superpixels
# Calls of the model, at most, into which one program splits the steps or samples of an image. Each
# is compiled: 150 calls took 2.7 GB of memory where 10 took 0.9, more than small calls save.
CALLS = 16
BACKGROUND = 16  # training images that some methods start from


def background_images(
    train: Source, methods: Sequence[str]
) -> UInt8[np.ndarray, "baseline height width 3"] | None:
    """Returns evenly spaced training images for the methods to start from; None if none does."""
    if not needs_background(methods):
        return None
    return np.stack([train[row].image for row in evenly_spaced(BACKGROUND, len(train)).tolist()])


def check_model(
    ensemble: Ensemble,
    images: UInt8[np.ndarray, "image height width 3"],
    methods: Sequence[str],
    member: int = 0,
) -> None:
    """Checks that maps of an ensemble's model make sense.

    Args:
        ensemble: The ensemble.
        images: RGB; a few are enough.
        methods: Names in `METHODS`.
        member: One that gives finite logits for them.

    Raises:
        UserError: If they do not.
    """
    try:
        ensemble.check(images, methods, member)
    except ValueError as error:
        name = type(ensemble.model).__name__
        raise UserError(f"the model {name} cannot be explained: {error}") from None


class Explainer:
    """Explains images by an ensemble.

    Random draws depend on the seed of the settings and the id of the image alone, so that neither
    the chunks nor a limit changes a map. LIME's weights are kept by id: one pass over the
    perturbed images serves every class of every task.

    Args:
        ensemble: The members that are explained.
        image_size: Side of the images, in pixels.
        settings: How the methods are run.
        background: Images that GradientSHAP starts from.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        image_size: int,
        settings: MethodSettings,
        background: UInt8[np.ndarray, "baseline height width 3"] | None = None,
    ):
        self.ensemble = ensemble
        self.settings = settings
        self.background = None if background is None else jnp.asarray(background)
        at_once = settings.member_images_at_once or member_images_at_once(
            ensemble.model, image_size, ensemble.members
        )
        self._images_per_call = max(1, at_once // ensemble.members)
        # A limit that the user sets holds for all methods alike.
        factor = 1 if settings.member_images_at_once else FORWARD_ONLY
        self._forward_images = self._images_per_call * factor
        self._lime_weights: dict[int, tuple[np.ndarray, dict[str, np.ndarray | Array]]] = {}
        self._last: list[int] = []  # whose weights may still be on the device

    def chunks(self, methods: Sequence[str]) -> tuple[int, int]:
        """Returns how many images, and how many steps or samples of each, one call computes.

        A few images with some of their steps keep a CPU busier than one image with all of them.
        There are at most `CALLS` calls per image, however few images fit. Each device of the
        ensemble gets as many images.

        Args:
            methods: One group of `group_methods`.
        """
        passes = max(map(self.settings.passes, methods))
        least = -(-passes // CALLS)
        if not METHODS[methods[0]].gradients:
            return self.ensemble.devices, max(least, self._forward_images)
        images = min(self._images_per_call, max(4, self._images_per_call // passes))
        images = max(1, min(images, self._images_per_call // least))
        steps = max(least, self._images_per_call // images)
        return images * self.ensemble.devices, steps

    def maps(
        self,
        methods: Sequence[str],
        images: UInt8[np.ndarray, "image height width 3"],
        ids: Int[np.ndarray, "image"],
        targets: Classes,
        task: str,
    ) -> dict[str, Float[Array, "member image height width"]]:
        """Computes one map per member and image by each method.

        The methods of a group (see `group_methods`) are one program. Maps stay on the device, and
        the call does not wait for them.

        Args:
            methods: Names in `METHODS`.
            images: RGB.
            ids: A number for each image, different for different images.
            targets: Classes of the task: one, one per image, or a contrast.
            task: Name of the task.

        Returns:
            Maps by method, with channels reduced.
        """
        maps: dict[str, Array] = {}
        by_weights = "lime" in methods and self._has_lime_weights(targets)
        for group in group_methods([m for m in methods if not (by_weights and m == "lime")]):
            at_once, chunk = self.chunks(group)
            settings = {method: self._settings(method, images, ids, chunk) for method in group}
            maps |= self.ensemble.explain(images, targets, settings, task, images_at_once=at_once)
        if by_weights:
            maps["lime"] = self._lime_maps(images, ids, targets, task)
        return maps

    def _settings(
        self, method: str, images: np.ndarray, ids: np.ndarray, chunk: int
    ) -> dict[str, Any]:
        """Returns a method's settings, including those that depend on the images."""
        settings, accepted = self.settings.of(method), METHODS[method].settings
        if "segments" in accepted:
            settings |= {"segments": self._segments(images)}
        if METHODS[method].needs_background:
            settings |= {"baselines": self.background}
        if "key" in accepted:
            settings |= {"key": self._keys(ids)}
        if "chunk" in accepted:
            settings |= {"chunk": chunk}
        if METHODS[method].reduce and self.settings.reduce:
            settings |= {"reduce": self.settings.reduce}
        return settings

    def _has_lime_weights(self, targets: Classes) -> bool:
        """Returns whether these maps follow from LIME's weights of single classes.

        Ridge regression is linear in the explained number, so the map of a contrast is the
        difference of two maps. A lasso is not linear.
        """
        contrast = isinstance(targets, attribution.Contrast)
        return not callable(targets) and (self.settings.lime_variant == "marcotcr" or not contrast)

    def _lime_maps(
        self, images: np.ndarray, ids: np.ndarray, targets: Classes, task: str
    ) -> Float[Array, "member image height width"]:
        if isinstance(targets, attribution.Contrast):
            this, other = (self._lime_maps(images, ids, np.asarray(t), task) for t in targets)
            return this - other
        classes = np.broadcast_to(np.asarray(targets), len(images))
        # Start all regressions before the first map, which waits for its weights.
        new = {id: i for i, id in enumerate(ids.tolist()) if id not in self._lime_weights}
        rows, at_once = list(new.values()), self.ensemble.devices
        for some in (rows[first : first + at_once] for first in range(0, len(rows), at_once)):
            self._start_lime(images[some], ids[some])
        maps = [
            weights[task][:, 0, segments, target]
            for (segments, weights), target in zip(
                map(self._lime_weights.__getitem__, ids.tolist()), classes, strict=True
            )
        ]
        return jnp.stack(maps, axis=1)

    def _start_lime(self, images: np.ndarray, ids: np.ndarray) -> None:
        """Starts to compute LIME's weights of a few images, one for each device."""
        segments = self._segments(images)
        _, chunk = self.chunks(["lime"])
        weights = self.ensemble.lime_weights(
            images,
            segments=segments,
            key=self._keys(ids),
            chunk=chunk,
            **self.settings.of("lime"),
        )
        self._read_last()
        for i, id in enumerate(ids.tolist()):
            of_image: dict[str, np.ndarray | Array] = {
                task: array[:, i : i + 1] for task, array in weights.items()
            }
            self._lime_weights[id] = segments[i], of_image
        self._last = ids.tolist()

    def _read_last(self) -> None:
        """Copies the previous images' weights to the host while the device works on the next."""
        for id in self._last:
            segments, weights = self._lime_weights[id]
            self._lime_weights[id] = (
                segments,
                {task: np.asarray(array) for task, array in weights.items()},
            )

    def _segments(self, images: np.ndarray) -> Int[np.ndarray, "image height width"]:
        if self.settings.superpixels == "grid":
            height, width = images.shape[1:3]
            cells = attribution.grid(height, width, GRID)
            return np.broadcast_to(cells, images.shape[:3])
        return attribution.superpixels(images, self.settings.superpixels)

    def _keys(self, ids: np.ndarray) -> Array:
        key = jax.random.key(self.settings.seed)
        return jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.asarray(ids))
