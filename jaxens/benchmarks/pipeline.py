"""Photos decoded per second and core, next to Pillow and OpenCV."""

import io
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from jaxens.benchmarks import photos
from jaxens.benchmarks.options import Input
from jaxens.benchmarks.results import Results, Row
from jaxens.benchmarks.rounds import in_turn
from jaxens.benchmarks.steps import together
from jaxens.benchmarks.subject import Subject
from jaxens.data.preparing import cores
from jaxens.data.source import Source, load
from jaxens.data.stream import batches
from jaxens.training.plan import InOrder

PILLOW, OPENCV = "Pillow", "OpenCV"
THREADS = "Pillow, one thread per core"
ONE, LOADED, STREAMED = "jaxens, one by one", "jaxens, loaded", "jaxens, streamed"
STEP = "training step"


def pipeline(options: Input) -> list[Results]:
    """Measures decoding of 500 x 375 pixel photos, and how many a training step needs."""
    members, image_size, batch_size = options.members, options.image_size, options.batch_size
    count = max(1, options.photos // batch_size) * batch_size
    subject = Subject.make(options.model, members, image_size, batch_size, "auto")
    with tempfile.TemporaryDirectory() as folder:
        source = Source(photos.prepare(Path(folder), count), "train", image_size)
        encoded = [source.example(i).image for i in range(count)]
        plan, training = InOrder(np.arange(count, dtype=np.int32), batch_size), together(subject)
        all_cores: dict[str, Callable[[], object]] = {
            LOADED: lambda: load(source),
            STREAMED: lambda: list(batches(source, plan, 0, count // batch_size)),
            THREADS: partial(_in_threads, encoded, image_size),
        }
        one_core: dict[str, Callable[[], object]] = {
            ONE: lambda: [source[i] for i in range(count)],
            PILLOW: partial(_decode_all, by_pillow, encoded, image_size),
        }
        if options.against:
            one_core[OPENCV] = partial(_decode_all, by_opencv, encoded, image_size)
        timed = in_turn(one_core | all_cores | {STEP: training.call}, options.rounds)
    step = timed.pop(STEP).part(training.steps).median
    streamed = count / timed[STREAMED].median

    def row(by: str) -> Row:
        used = cores() if by in all_cores else 1
        pillow = timed[THREADS if by in all_cores else PILLOW].median
        ratio = pillow / timed[by].median if by.startswith("jaxens") else None
        return Row("decode, cut, resize", by, timed[by], items=count / used, ratio=ratio)

    return [
        Results(
            f"Decoding {count} photos of {photos.WIDTH} x {photos.HEIGHT} px to {image_size}",
            "photos per core",
            "how many times as fast as Pillow on as many cores",
            [row(by) for by in timed],
            (
                f"Loading, streaming and threads use {cores()} cores, the others one",
                f"A training step of {subject.describe()} takes {step:.3g} s and needs "
                f"{batch_size / step:,.0f} images/s; streaming gives {streamed:,.0f}",
                f"Members share their images: for each core that decodes, "
                f"{streamed / cores():,.0f} images/s are enough for "
                f"{members * streamed / cores():,.0f} member-images/s of {members} members",
            ),
        )
    ]


def _decode_all(
    decode: Callable[[bytes, int], np.ndarray], encoded: Sequence[bytes], size: int
) -> list[np.ndarray]:
    return [decode(photo, size) for photo in encoded]


def _in_threads(encoded: Sequence[bytes], size: int) -> list[np.ndarray]:
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(by_pillow, encoded, [size] * len(encoded)))


def by_pillow(encoded: bytes, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Crops the central square and resizes it, as `jaxens.data.geometry.square`."""
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box=box))


def by_opencv(encoded: bytes, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Crops the central square and averages areas, OpenCV's way to shrink an image."""
    import cv2

    cv2.setNumThreads(1)
    image: Any = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = image[top : top + side, left : left + side]
    small = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)  # OpenCV before 4.10 can't decode to RGB
