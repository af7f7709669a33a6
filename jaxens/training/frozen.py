"""The features of the training images by frozen stages, computed once for a whole run."""

from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array
from jaxtyping import Int32

from jaxens.chunks import in_chunks_to_host
from jaxens.data.progress import Progress, no_progress
from jaxens.data.schema import Task
from jaxens.data.source import Source
from jaxens.data.stream import batches
from jaxens.models import Classifier, normalized
from jaxens.models.classifier import HEADS
from jaxens.models.memory import member_images_at_once
from jaxens.models.trunk import frozen_features
from jaxens.training.plan import InOrder
from jaxens.training.residency import fits_on_device
from jaxens.training.settings import Config
from jaxens.training.shares import gathered
from jaxens.training.step import Batch

_DECODED_AT_ONCE = 256  # images; one thread decodes a batch, so small batches use more threads


def kept_features(
    config: Config, model: Classifier, trunk: Any, count: int, device: jax.Device
) -> jax.ShapeDtypeStruct | None:
    """Returns the shape of the features of `count` training images, if a device keeps them.

    Args:
        config: The config of the run.
        model: The model of one member.
        trunk: Variables of the frozen stages, or their shapes; None if members train all.
        count: The number of training images.
        device: One of the devices that train.

    Returns:
        [image, ...]; None if features differ from step to step (all stages are trained, or images
        are augmented) or if they don't fit.
    """
    stage, size = config.frozen_below, config.data.image_size
    if stage is None or not config.augment.is_off:
        return None
    images = jax.ShapeDtypeStruct((1, size, size, 3), np.uint8)
    one = jax.eval_shape(partial(_features, model, stage), trunk, images)
    if not fits_on_device(config.data.resident, one.size * one.dtype.itemsize * count, device):
        return None
    return jax.ShapeDtypeStruct((count, *one.shape[1:]), one.dtype)


def _features(model: Classifier, stage: str | None, trunk: Any, images: Array) -> Array:
    return frozen_features(model, trunk, normalized(images / 255), stage or HEADS)


def features_of_training_images(
    config: Config,
    model: Classifier,
    trunk: Any,
    source: Source,
    tasks: tuple[Task, ...],
    device: jax.Device,
    progress: Progress = no_progress,
) -> Batch | None:
    """Computes the features of all training images, if they can be kept on the device.

    Args:
        config: The config of the run.
        model: The model of one member.
        trunk: Variables of the frozen stages; None if members train all.
        source: The training images.
        tasks: The tasks whose labels are returned too.
        device: One of the devices that train.
        progress: Called after each chunk of images.

    Returns:
        `features` [image, ...] and `labels` by task. None if features differ
        from step to step (all stages are trained, or images are augmented) or if they don't fit:
        each step computes its own then.
    """
    count, size = len(source), source.size
    if kept_features(config, model, trunk, count, device) is None:
        return None
    at_once = min(member_images_at_once(model, size, members=1), _DECODED_AT_ONCE)
    features = jax.jit(partial(_features, model, config.frozen_below))

    def of_rows(rows: Int32[np.ndarray, "row"]) -> Batch:
        chunk, done = min(at_once, len(rows)), 0
        stream = batches(
            source, InOrder(rows, chunk), 0, -(-len(rows) // chunk), config.data.workers
        )

        def next_batch(places: np.ndarray) -> Batch:
            batch = next(stream)
            labels = {task.name: batch["labels"][task.name] for task in tasks}
            return {"features": features(trunk, batch["images"]), "labels": labels}

        def advance(images: int) -> None:
            nonlocal done
            done += images
            progress("computing features of the training images", done, len(rows))

        return in_chunks_to_host(next_batch, chunk, len(rows), advance)

    return gathered(of_rows, count)
