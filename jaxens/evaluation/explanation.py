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
from jaxens.ensemble.ensemble import Ensemble
from jaxens.evaluation import captions
from jaxens.evaluation.checksums import checksum, weights_checksum
from jaxens.evaluation.predictions import Subject
from jaxens.evaluation.settings import Display, MethodSettings, reduction
from jaxens.files import write_bytes, write_text
from jaxens.tables import Table
from jaxens.untrusted import check_same

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROVENANCE = "explanation.json"
PER_PAGE = 12  # images in one figure
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
        """Draws a method's maps, in pages of 12 images.

        Args:
            method: A key of `maps`.
            display: How maps are drawn.

        Yields:
            The name of a figure (members, centers, and of several members single-vs-ensemble),
            and the figure. Where there are several pages, names end in -1, -2, ...
        """
        from jaxens import metrics, viz

        maps, colors = self.maps[method], display.colors
        style: dict[str, Any] = {
            "signed": METHODS[method].signed if colors is None else colors == "signed",
            "scale": display.scale,
            "percentile": display.percentile,
        }
        centers = np.asarray(metrics.center_of_mass(maps))
        mean_centers = np.asarray(metrics.center_of_mass(metrics.mean_of_finite(maps)))
        title = captions.title(method, self.subject, self.settings)
        masks, points = self.subject.marks
        marked = "" if masks is None and points is None else "; yellow: the marked part"
        several = len(maps) > 1
        by = f"\nby each of {len(maps)} members, their mean, and their spread" if several else ""
        dots = "black of each member, red of the mean map" if several else "red"
        if len(maps) > 2:
            dots += "; ellipse: two standard deviations"
        lines, images = captions.captions(self.subject), self.subject.photos.images
        for page, start in enumerate(range(0, len(lines), PER_PAGE), start=1):
            part = slice(start, start + PER_PAGE)
            end = "" if len(lines) <= PER_PAGE else f"-{page}"
            marks: dict[str, Any] = {
                "captions": lines[part],
                "masks": None if masks is None else masks[part],
                "points": None if points is None else points[part],
            }
            figure = viz.show_members(
                images[part], maps[:, part], **style, title=f"{title}{by}{marked}", **marks
            )
            yield f"members{end}", figure
            figure = viz.show_centers(
                images[part],
                centers[:, part],
                mean_centers[part],
                title=f"{title}\ncenters of mass: {dots}{marked}",
                **marks,
            )
            yield f"centers{end}", figure
            if several:
                figure = viz.show_comparison(
                    images[part],
                    maps[:, part],
                    **style,
                    title=f"{title}\nby a single network (left) and by the ensemble (right)",
                    captions=lines[part],
                )
                yield f"single-vs-ensemble{end}", figure

    def save(
        self,
        folder: Path,
        provenance: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        save_maps: bool = False,
        display: Display = Display(),
    ) -> None:
        """Writes a folder per method with its figures and, optionally, its maps.

        Args:
            folder: The parent of these folders.
            provenance: By method, from `provenance`; written as `explanation.json`.
            save_maps: Whether to write `maps.npz`: raw `maps` as float32, `images` (names),
                `task`, `targets` and, for a contrast, `against` (classes by number).
            display: How maps are drawn.
        """
        from jaxens import viz

        for method in self.maps:
            (folder / method).mkdir(parents=True, exist_ok=True)
            if provenance:
                text = json.dumps(provenance[method], indent=2, allow_nan=False)
                write_text(folder / method / PROVENANCE, text)
            if save_maps:
                write_bytes(folder / method / "maps.npz", self._npz(method))
            for name, figure in self.figures(method, display):
                viz.save(figure, folder / method / f"{name}.png")

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
        check_same(
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
