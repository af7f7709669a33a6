"""Writes annotated images into a folder: a figure of each, and all annotations as JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxens.annotation import files
from jaxens.annotation.rules import Rules
from jaxens.annotation.sightings import Annotation
from jaxens.annotation.styles import draw
from jaxens.data.progress import Progress, no_progress
from jaxens.files import lock, write_text
from jaxens.names import file_names
from jaxens.viz.files import save


def save_annotations(
    folder: Path,
    annotations: Sequence[Annotation],
    rules: Rules,
    *,
    styles: Sequence[str] = ("labeled_arrows",),
    formats: Sequence[str] = ("png",),
    origin: Mapping[str, Any] | None = None,
    full_image: Callable[[int], UInt8[np.ndarray, "height width 3"]] | None = None,
    progress: Progress = no_progress,
) -> None:
    """Writes `annotations.json`, and a figure of each image.

    Args:
        folder: The output folder. It is created if it doesn't exist.
        annotations: From `annotate`.
        rules: The rules that `annotate` used.
        styles: As for `draw`.
        formats: Endings of the figures: "png", "svg" or "pdf".
        origin: As for `to_json`.
        full_image: Returns an image by its number, of any size, to draw in place of the one that
            the ensemble has seen, such as `Photos.full_image`.
        progress: Called with a description, the number of images that are drawn, and of all.

    Raises:
        UserError: If the folder has annotations of other images or rules, or is being written.
    """
    names = [each.name for each in annotations]
    with lock(folder):
        files.check_folder(folder, names, rules, origin)
        write_text(folder / files.NAME, files.to_json(annotations, rules, origin))
        stems = file_names([Path(name).stem for name in names])
        for k, (stem, annotation) in enumerate(zip(stems, annotations, strict=True)):
            shown = annotation if full_image is None else replace(annotation, image=full_image(k))
            figure = draw([shown], styles)
            for suffix in formats:
                save(figure, folder / f"{stem}.{suffix}")
            progress("drawing", k + 1, len(stems))
