"""What an ensemble's explanations are asked for, checked on the host and made ready for `jit`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, Key, Num

from jaxens import attribution
from jaxens.arrays import as_images
from jaxens.attribution import keys_of_images
from jaxens.attribution.integrated import as_baselines
from jaxens.attribution.segments import as_segments
from jaxens.data.schema import Task
from jaxens.models import normalized

SEGMENTS = 32  # labels are counted in these, so that pictures share a compiled program

Images = Num[Array | np.ndarray, "image height width 3"]
Classes = int | Int[np.ndarray, "image"] | attribution.Contrast | Callable[[Array], Array]


Static = tuple[tuple[str, Any], ...]  # settings that are compiled in


class Settings(NamedTuple):
    """The settings of some methods, by what becomes of them, then by method and name."""

    static: tuple[tuple[str, Static], ...]
    shared: dict[str, dict[str, Array]]  # by all images and members
    by_image: dict[str, dict[str, Array]]  # with an image axis first
    keys: dict[str, Key[Array, "member image"]]  # where each member draws for itself


def arrange(
    methods: Mapping[str, Mapping[str, Any]], images: Float[Array, "image ..."], members: int
) -> Settings:
    """Sorts settings; ValueError, by name, for one that does not fit the images."""
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
    """One method's, in the order of `Settings`."""
    by_image_names = attribution.method_named(method).per_image
    static: dict[str, Any] = {}
    shared, by_image = {}, {}
    keys = None
    for name, value in settings.items():
        if name == "key":
            key = as_key(value)
            if key.ndim == 2:
                keys = _keys_of_members(key, members, len(images))
            else:
                by_image[name] = keys_of_images(key, len(images))
        elif name == "segments":
            by_image[name], room = with_room(value, images)
            static.setdefault("segment_count", room)
        elif not isinstance(value, Array | np.ndarray | list | tuple):
            static[name] = value
        elif np.ndim(value) == 0:
            static[name] = np.asarray(value).item()
        elif name == "baselines" and name in by_image_names:
            by_image[name] = as_baselines(_finite(name, value), images)
        else:
            shared[name] = _finite(name, value)
    return static, shared, by_image, keys


def as_key(key: Any) -> Key[Array, "..."]:
    """A typed key, of a typed or a raw one (`jax.random.PRNGKey`)."""
    if not isinstance(key, Array | np.ndarray):
        raise ValueError(f"key is {key!r}: give jax.random.key(...), or one for each image")
    key = jnp.asarray(key)
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    return key if typed else jax.random.wrap_key_data(key)


def _keys_of_members(key: Key[Array, "..."], members: int, images: int) -> Key[Array, "..."]:
    if key.shape != (members, images):
        raise ValueError(
            f"key has shape {key.shape}: give one key, one for each of {images} images, or one "
            f"for each of {members} members too"
        )
    return key


def with_room(
    segments: Any, images: Float[Array, "image height width _"]
) -> tuple[Int[Array, "image height width"], int]:
    """Checked labels, and how many there is room for: some more than there are."""
    labels, count = as_segments(np.asarray(segments), images.shape[:3], None)
    return labels, -(-count // SEGMENTS) * SEGMENTS


def _finite(name: str, pictures: Any) -> Array:
    """Pictures as the model takes them; ValueError, by name, for NaN or infinity."""
    taken = floats(pictures)
    if not _of_bytes(pictures) and not np.isfinite(taken).all():
        raise ValueError(f"{name} holds NaN or infinity: give finite numbers")
    return taken


def floats(images: Any) -> Array:
    """Pictures as the model takes them; floats are normalised already."""
    images = jnp.asarray(images)
    return normalized(images / 255) if _of_bytes(images) else images


def checked(images: Images) -> Float[Array, "image height width 3"]:
    """The images as the model takes them; ValueError for a wrong shape, NaN or infinity."""
    taken = floats(images)
    if not _of_bytes(images):
        return as_images(taken)
    jax.eval_shape(as_images, taken)  # a look at the values would wait for the device
    return taken


def _of_bytes(images: Any) -> bool:
    """Whether they are uint8 pictures, which are finite."""
    return getattr(images, "dtype", None) == np.uint8


@dataclass(frozen=True)
class OfTask:
    """A function of one task's logits, as a function of all tasks' as one vector."""

    function: Callable[[Array], Array]
    first: int
    count: int

    def __call__(self, logits: Float[Array, "image label"]) -> Float[Array, "image"]:
        return self.function(logits[:, self.first : self.first + self.count])


def outputs(targets: Classes, task: Task, tasks: tuple[Task, ...]) -> Any:
    """Classes of a task, counted among the classes of all tasks one after another.

    Explanations see the tasks' logits as one vector, so that one compiled program serves
    every task.
    """
    before = sum(len(t.classes) for t in tasks[: tasks.index(task)])
    if isinstance(targets, attribution.Contrast):
        return attribution.Contrast(*(_output(t, task, before) for t in targets))
    if callable(targets):
        return OfTask(targets, before, len(task.classes))
    return _output(targets, task, before)


def _output(target: Any, task: Task, before: int) -> Int[np.ndarray, "..."]:
    target = np.asarray(target)
    if not np.issubdtype(target.dtype, np.integer):
        raise ValueError(f"targets have type {target.dtype}: give the numbers of classes, integers")
    if target.size and not (target.min() >= 0 and target.max() < len(task.classes)):
        raise ValueError(
            f"task {task.name} has classes 0 to {len(task.classes) - 1}, targets name "
            f"{target.min()} to {target.max()}: leave out images without a label"
        )
    return np.asarray(target + before, np.int32)
