"""The result of an explanation: maps, predictions, figures, and how the maps were computed."""

import importlib.metadata
import io
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Float

from jaxens.attribution import METHODS
from jaxens.data.prefetch import Workers, in_order
from jaxens.data.progress import Progress, no_progress
from jaxens.ensemble.ensemble import Ensemble
from jaxens.evaluation import captions
from jaxens.evaluation.checksums import checksum, weights_checksum
from jaxens.evaluation.predictions import Subject
from jaxens.evaluation.settings import Display, MethodSettings, reduction
from jaxens.files import write_bytes, write_text
from jaxens.names import file_name
from jaxens.tables import Table
from jaxens.untrusted import check_same_results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jaxens.viz.map_pages import MapPage

PROVENANCE = "explanation.json"
_PAGES_OF_PROCESS = 3  # a process takes seconds to start
_PACKAGES = ("jaxens", "jax", "jaxlib", "flax", "numpy", "pillow", "scikit-image", "scipy")


@dataclass(frozen=True)
class Explanation:
    """What `explain` returns.

    Attributes:
        subject: Images, predictions, and targets.
        maps: By method. NaN where a member gives NaN for the image.
        settings: How the methods were run.
    """

    subject: Subject
    maps: Mapping[str, Float[np.ndarray, "member image height width"]]
    settings: MethodSettings

    @property
    def table(self) -> Table:
        """One row per image: prediction, probability, agreement, and what is explained."""
        return self.subject.table

    def figures(self, method: str, display: Display = Display()) -> Iterator[tuple[str, "Figure"]]:
        """Draws a method's maps, page by page.

        Args:
            method: A key of `maps`.
            display: How maps are drawn.

        Yields:
            The name of a figure (members, centers, and of several members single-vs-ensemble),
            and the figure. Where there are several pages, names end in -1, -2, ..., and in the
            name of the image if there is one on each page.
        """
        for page in self._pages(method, display):
            yield from page.figures()

    def _pages(self, method: str, display: Display) -> Iterator["MapPage"]:
        from jaxens import metrics
        from jaxens.viz.map_pages import MapPage

        maps, photos = self.maps[method], self.subject.photos
        centers = np.asarray(metrics.center_of_mass(maps))
        mean_centers = np.asarray(metrics.center_of_mass(metrics.mean_of_finite(maps)))
        masks, points = self.subject.marks
        lines, size = captions.captions(self.subject), display.images_per_figure
        colors = display.colors
        for number, start in enumerate(range(0, len(lines), size), start=1):
            part = slice(start, start + size)
            name = f"-{file_name(Path(photos.names[start]).stem)}" if size == 1 else ""
            yield MapPage(
                images=photos.images[part],
                maps=maps[:, part],
                centers=centers[:, part],
                mean_centers=mean_centers[part],
                title=captions.title(method, self.subject, self.settings),
                captions=lines[part],
                signed=METHODS[method].signed if colors is None else colors == "signed",
                scale=display.scale,
                percentile=display.percentile,
                masks=None if masks is None else masks[part],
                points=None if points is None else points[part],
                end="" if len(lines) <= size else f"-{number}{name}",
            )

    def save(
        self,
        folder: Path,
        provenance: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        save_maps: bool = False,
        display: Display = Display(),
        processes: int = 1,
        progress: Progress = no_progress,
    ) -> None:
        """Writes a folder per method with its figures and, optionally, its maps.

        Args:
            folder: The parent of these folders.
            provenance: By method, from `provenance`; written as `explanation.json`.
            save_maps: Whether to write `maps.npz`: raw `maps` as float32, `images` (names),
                `task`, `targets` and, for a contrast, `against` (classes by number).
            display: How maps are drawn.
            processes: How many draw, if there are many pages. With more than one, a script needs
                `if __name__ == "__main__":`.
            progress: Called with a description, the number of pages that are drawn, and of all.
        """
        for method in self.maps:
            (folder / method).mkdir(parents=True, exist_ok=True)
            if provenance:
                text = json.dumps(provenance[method], indent=2, allow_nan=False)
                write_text(folder / method / PROVENANCE, text)
            if save_maps:
                write_bytes(folder / method / "maps.npz", self._npz(method))
        pages = [
            (page, folder / method) for method in self.maps for page in self._pages(method, display)
        ]
        for done, _ in enumerate(_drawn(pages, processes), start=1):
            progress("drawing", done, len(pages))

    def _npz(self, method: str) -> bytes:
        subject = self.subject
        arrays = {
            "maps": self.maps[method].astype(np.float32),
            "images": np.array(subject.photos.names),
            "task": np.array(subject.task.name),
            "targets": subject.targets,
        }
        if subject.against is not None:
            arrays["against"] = np.array(subject.against)
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        return file.getvalue()


def _drawn(pages: Sequence[tuple["MapPage", Path]], processes: int) -> Iterator[object]:
    """Draws pages into folders, in several processes if they are many. Yields once per page."""
    from jaxens.viz.map_pages import save_page

    count = min(processes, len(pages) // _PAGES_OF_PROCESS)
    if count < 2:
        yield from map(save_page, pages)
        return
    with Workers(save_page, count, "draws figures") as workers:
        yield from in_order(workers, pages, count, count)


def provenance(
    ensemble: Ensemble,
    subject: Subject,
    methods: Sequence[str],
    settings: MethodSettings,
    background: np.ndarray | None,
    run: str,
    checkpoint: str,
) -> dict[str, dict[str, Any]]:
    """Describes how each method's maps are computed.

    Args:
        ensemble: The members that are explained.
        subject: Images, predictions and targets.
        methods: Names in `attribution.METHODS`.
        settings: How the methods are run.
        background: Images that GradientSHAP starts from.
        run: Name of the run directory.
        checkpoint: Which of its checkpoints the ensemble is from.

    Returns:
        By method, an object for JSON. Its `explained` holds everything that the maps depend on;
        the rest is the predictions, the versions of the software, and JAX's backend.
    """
    predictions, classes = subject.predictions, subject.task.classes
    photos = subject.photos
    shared = {
        "run": run,
        "checkpoint": checkpoint,
        "weights_crc32": weights_checksum(ensemble),
        "members": ensemble.members,
        "task": subject.task.name,
        "against": None if subject.against is None else classes[subject.against],
        "seed": settings.seed,
        "images": [
            {"name": name, "sha256": sha256, "target": classes[target]}
            for name, sha256, target in zip(
                photos.names, photos.sha256, subject.targets, strict=True
            )
        ],
    }
    rest = {
        "predictions": [
            {
                "name": name,
                "class": classes[k],
                "probability": float(p[k]),
                "agreeing": int(n),
                "members": np.flatnonzero(finite).tolist(),  # whose mean it is
                "label": label,  # None if it is unknown
            }
            for name, k, p, n, finite, (label, _) in zip(
                photos.names,
                predictions.classes,
                predictions.mean,
                predictions.agreeing,
                predictions.finite.T,
                subject.labels,
                strict=True,
            )
        ],
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
        "backend": jax.default_backend(),
    }
    return {
        method: {
            "explained": {
                **shared,
                "method": method,
                "reduce": reduction(method, settings.reduce),
                "settings": settings.of(method)
                | ({"superpixels": settings.superpixels} if METHODS[method].needs_segments else {}),
                "baseline": _baseline(method, background),
            },
            **rest,
        }
        for method in methods
    }


def check_folders(folder: Path, provenance: Mapping[str, Mapping[str, Any]]) -> None:
    """Checks that results of each method can be written into its folder.

    Args:
        folder: The parent of the methods' folders.
        provenance: By method, from `provenance`.

    Raises:
        UserError: If the folder of a method holds an explanation of something else.
    """
    for method, of_method in provenance.items():
        check_same_results(
            folder / method / PROVENANCE,
            of_method["explained"],
            "explains other images, or with other settings",
            lambda content: content["explained"],
        )


def _baseline(method: str, background: np.ndarray | None) -> str | dict[str, int] | None:
    """Describes the baseline of a method; None if it has none."""
    if background is not None and METHODS[method].needs_background:
        return {"training_images": len(background), "crc32": checksum(background)}
    return "mean color" if "baselines" in METHODS[method].settings else None
