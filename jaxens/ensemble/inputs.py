"""Checks what `Ensemble` explains, on the host, and sorts it for the compiled program."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, Key, Num

from jaxens import attribution
from jaxens.arrays import as_images, check_finite
from jaxens.attribution.integrated import as_baselines
from jaxens.attribution.keys import as_typed_key, keys_of_images
from jaxens.attribution.segments import as_segments
from jaxens.data.schema import Task
from jaxens.models import normalized

SEGMENTS = 32  # the number of segments is rounded up to these, so that images share a program

Images = Num[Array | np.ndarray, "image height width 3"]
Classes = int | Int[np.ndarray, "image"] | attribution.Contrast | Callable[[Array], Array]


Static = tuple[tuple[str, Any], ...]  # settings that are compiled in


class Settings(NamedTuple):
    """The settings of some methods, sorted by how the compiled program takes them.

    Attributes:
        static: Names and values that are compiled in, by method.
        shared: Arrays that all images and members share, by method and name.
        by_image: Arrays with a leading image axis, by method and name.
        keys: Random keys for each member and image, by method, where members draw separately.
    """

    static: tuple[tuple[str, Static], ...]
    shared: dict[str, dict[str, Array]]
    by_image: dict[str, dict[str, Array]]
    keys: dict[str, Key[Array, "member image"]]


def arrange(
    methods: Mapping[str, Mapping[str, Any]], images: Float[Array, "image ..."], members: int
) -> Settings:
    """Returns the settings of some methods, checked and sorted.

    Args:
        methods: Settings by name, for each name in `attribution.METHODS`.
        images: The images to explain, as the model takes them.
        members: Number of members.

    Raises:
        ValueError: If a method is unknown, or a setting does not fit the images or the members.
    """
    static: list[tuple[str, Static]] = []
    shared: dict[str, dict[str, Array]] = {}
    by_image: dict[str, dict[str, Array]] = {}
    keys: dict[str, Array] = {}
    for method, settings in methods.items():
        compiled_in, shared[method], by_image[method], key = _arranged(
            method, settings, images, members
        )
        static.append((method, tuple(sorted(compiled_in.items()))))
        if key is not None:
            keys[method] = key
    return Settings(tuple(static), shared, by_image, keys)


def _arranged(
    method: str, settings: Mapping[str, Any], images: Float[Array, "image ..."], members: int
) -> tuple[dict[str, Any], dict[str, Array], dict[str, Array], Array | None]:
    """Returns one method's settings, in the order of the fields of `Settings`."""
    by_image_names = attribution.method_named(method).per_image
    static: dict[str, Any] = {}
    shared, by_image = {}, {}
    keys = None
    for name, value in settings.items():
        if name == "key":
            key = as_typed_key(value)
            if key.ndim == 2:
                keys = _keys_of_members(key, members, len(images))
            else:
                by_image[name] = keys_of_images(key, len(images))
        elif name == "segments":
            by_image[name], count = padded_segments(value, images)
            static.setdefault("segment_count", count)
        elif not isinstance(value, Array | np.ndarray | list | tuple):
            static[name] = value
        elif np.ndim(value) == 0:
            static[name] = np.asarray(value).item()
        elif name == "baselines" and name in by_image_names:
            by_image[name] = as_baselines(_finite(name, value), images)
        else:
            shared[name] = _finite(name, value)
    return static, shared, by_image, keys


def _keys_of_members(key: Key[Array, "..."], members: int, images: int) -> Key[Array, "..."]:
    if key.shape != (members, images):
        raise ValueError(
            f"key has shape {key.shape}: give one key, one for each of {images} images, or "
            f"{(members, images)} keys, one for each member and image"
        )
    return key


def padded_segments(
    segments: Any, images: Float[Array, "image height width _"]
) -> tuple[Int[Array, "image height width"], int]:
    """Returns the labels of segments, and their number rounded up to a multiple of `SEGMENTS`.

    Args:
        segments: Labels of the pixels [image, height, width]: 0, 1, 2, ...
        images: The images that the segments belong to.

    Raises:
        ValueError: If the labels are negative, no integers or of another shape.
    """
    labels, count = as_segments(np.asarray(segments), images.shape[:3], None)
    return labels, -(-count // SEGMENTS) * SEGMENTS


def _finite(name: str, values: Any) -> Array:
    """Returns a setting as the model takes images; ValueError for NaN or infinity."""
    array = normalized_images(values)
    if not _is_uint8(values):
        check_finite(array, name)
    return array


def normalized_images(images: Any) -> Array:
    """Returns images as the model takes them: uint8 normalized, floats as they are."""
    images = jnp.asarray(images)
    return normalized(images / 255) if _is_uint8(images) else images


def checked_images(images: Images) -> Float[Array, "image height width 3"]:
    """Returns images as the model takes them.

    Args:
        images: RGB: uint8, or floats that are already normalized.

    Raises:
        ValueError: If the shape does not fit, or there are NaN or infinities.
    """
    array = normalized_images(images)
    if not _is_uint8(images):
        return as_images(array)
    jax.eval_shape(as_images, array)  # checking the values would wait for the device
    return array


def _is_uint8(images: Any) -> bool:
    return getattr(images, "dtype", None) == np.uint8


@dataclass(frozen=True)
class TaskFunction:
    """A function of one task's logits as a function of the concatenated logits of all tasks.

    Attributes:
        function: From the task's logits [image, class] to one number per image.
        first: Position of the task's first logit among those of all tasks.
        count: Number of the task's logits.
    """

    function: Callable[[Array], Array]
    first: int
    count: int

    def __call__(self, logits: Float[Array, "image class"]) -> Float[Array, "image"]:
        """Returns the function's value for each image."""
        return self.function(logits[:, self.first : self.first + self.count])


def targets_of_all_tasks(targets: Classes, task: Task, tasks: tuple[Task, ...]) -> Any:
    """Returns targets that refer to the concatenated logits of all tasks.

    One compiled program then serves every task.

    Args:
        targets: Classes of `task`: one, one per image, a contrast, or a function of its logits.
        task: One of `tasks`.
        tasks: All tasks, in the order of the logits.

    Raises:
        ValueError: If a target is not an integer, or no class of the task.
    """
    offset = sum(len(t.classes) for t in tasks[: tasks.index(task)])
    if isinstance(targets, attribution.Contrast):
        return attribution.Contrast(*(_offset_classes(t, task, offset) for t in targets))
    if callable(targets):
        return TaskFunction(targets, offset, len(task.classes))
    return _offset_classes(targets, task, offset)


def _offset_classes(classes: Any, task: Task, offset: int) -> Int[np.ndarray, "..."]:
    classes = np.asarray(classes)
    if not np.issubdtype(classes.dtype, np.integer):
        raise ValueError(f"targets have type {classes.dtype}: give class numbers, integers")
    if classes.size and not (classes.min() >= 0 and classes.max() < len(task.classes)):
        raise ValueError(
            f"task {task.name} has classes 0 to {len(task.classes) - 1}, but targets range from "
            f"{classes.min()} to {classes.max()}: leave out images without a label"
        )
    return np.asarray(classes + offset, np.int32)
