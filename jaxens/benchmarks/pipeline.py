"""Pictures decoded per second and core, beside Pillow's own decoding, and OpenCV's."""

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
from jaxens.benchmarks.results import Results, Row
from jaxens.benchmarks.rounds import in_turn
from jaxens.benchmarks.steps import together
from jaxens.benchmarks.subject import Subject
from jaxens.data.preparing import cores
from jaxens.data.source import Source, load
from jaxens.data.stream import batches
from jaxens.training.plan import InOrder
from jaxens.training.settings import ModelName

PILLOW, OPENCV = "Pillow", "OpenCV"
THREADS = "Pillow, a thread a core"
ONE, LOADED, STREAMED = "jaxens, one by one", "jaxens, loaded", "jaxens, streamed"
STEP = "training step"


def pipeline(
    image_size: int = 224,
    pictures: int = 128,
    model: ModelName = "small",
    members: int = 11,
    batch_size: int = 16,
    rounds: int = 5,
    against: str | None = None,
) -> list[Results]:
    """Photographs of 500 x 375 pixels, decoded; and how many a training step asks for."""
    count = max(1, pictures // batch_size) * batch_size
    subject = Subject.make(model, members, image_size, batch_size, "auto")
    with tempfile.TemporaryDirectory() as folder:
        source = Source(photos.prepare(Path(folder), count), "train", image_size)
        encoded = [source.example(i).image for i in range(count)]
        plan, training = InOrder(count, batch_size), together(subject)
        all_cores: dict[str, Callable[[], object]] = {
            LOADED: lambda: load(source),
            STREAMED: lambda: list(batches(source, plan, 0, count // batch_size)),
            THREADS: partial(_in_threads, encoded, image_size),
        }
        one_core: dict[str, Callable[[], object]] = {
            ONE: lambda: [source[i] for i in range(count)],
            PILLOW: partial(_each, by_pillow, encoded, image_size),
        }
        if against:
            one_core[OPENCV] = partial(_each, by_opencv, encoded, image_size)
        timed = in_turn(one_core | all_cores | {STEP: training.call}, rounds)
    step = timed.pop(STEP).part(training.steps).median
    given = count / timed[STREAMED].median

    def row(by: str) -> Row:
        used = cores() if by in all_cores else 1
        pillow = timed[THREADS if by in all_cores else PILLOW].median
        ratio = pillow / timed[by].median if by.startswith("jaxens") else None
        return Row("decode, cut, resize", by, timed[by], items=count / used, ratio=ratio)

    return [
        Results(
            f"Decoding {count} photographs of {photos.WIDTH} x {photos.HEIGHT} px to {image_size}",
            "pictures a core",
            "how many times as fast as Pillow, on as many cores",
            [row(by) for by in timed],
            (
                f"Loading, streaming and threads use {cores()} cores, the others one",
                f"A training step of {subject.describe()} takes {step:.3g} s and asks for "
                f"{batch_size / step:,.0f} pictures/s; the stream gives {given:,.0f}",
                f"Members share their pictures: {given / cores():,.0f} pictures a core and second "
                f"keep up with {members * given / cores():,.0f} member-images/s of {members} "
                "members for each core that decodes",
            ),
        )
    ]


def _each(
    decode: Callable[[bytes, int], np.ndarray], encoded: Sequence[bytes], size: int
) -> list[np.ndarray]:
    return [decode(picture, size) for picture in encoded]


def _in_threads(encoded: Sequence[bytes], size: int) -> list[np.ndarray]:
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(by_pillow, encoded, [size] * len(encoded)))


def by_pillow(encoded: bytes, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """The central square, as `jaxens.data.geometry.square` cuts and resizes it."""
    picture = Image.open(io.BytesIO(encoded)).convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS, box=box))


def by_opencv(encoded: bytes, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """The central square, averaged over areas, OpenCV's way to shrink."""
    import cv2

    cv2.setNumThreads(1)
    picture: Any = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    square = picture[top : top + side, left : left + side]
    small = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)  # older ones can't decode to RGB
