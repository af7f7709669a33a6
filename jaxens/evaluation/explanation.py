"""The result of an explanation: maps, predictions, figures, and how they were made."""

import importlib.metadata
import io
import json
import platform
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal

import jax
import numpy as np
from jaxtyping import Float

from jaxens.attribution import METHODS
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.evaluation.predictions import Subject
from jaxens.evaluation.settings import MethodSettings, reduction
from jaxens.files import write_bytes, write_text
from jaxens.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROVENANCE = "explanation.json"
PER_PAGE = 12  # images in one figure
_PACKAGES = ("jaxens", "jax", "jaxlib", "flax", "numpy", "pillow", "scikit-image", "scipy")


@dataclass(frozen=True)
class Explanation:
    """What `explain` returns.

    Attributes:
        subject: images, predictions, and targets.
        maps: of each method, [member, image, height, width]; NaN where a member gives NaN.
        settings: of the methods.
    """

    subject: Subject
    maps: Mapping[str, Float[np.ndarray, "member image height width"]]
    settings: MethodSettings

    @property
    def table(self) -> Table:
        """One row per image: prediction, probability, agreement, and what is explained."""
        return self.subject.table

    def figures(
        self,
        method: str,
        *,
        colors: Literal["signed", "heat"] | None = None,
        scale: Literal["own", "shared"] = "own",
        percentile: float = 99.0,
    ) -> Iterator[tuple[str, "Figure"]]:
        """Draws a method's maps, in pages of 12 images.

        Args:
            method: one of `maps`.
            colors: `"signed"` or `"heat"` (default: as the method's maps are).
            scale: of the colors: a panel's `"own"`, or one `"shared"` by the panels of an image.
            percentile: of magnitudes, from which on colors are full.

        Yields:
            The name of a figure (members, centers, single-vs-ensemble), and the figure.
        """
        from jaxens import metrics, viz
        from jaxens.viz.members import mean_and_spread

        signed = METHODS[method].signed if colors is None else colors == "signed"
        maps = self.maps[method]
        centers = np.asarray(metrics.center_of_mass(maps))
        mean_centers = np.asarray(metrics.center_of_mass(mean_and_spread(maps)[0]))
        title = f"{METHODS[method].title} of {self.subject.task.name.replace('_', ' ')}"
        lines, images = captions(self.subject), self.subject.photos.images
        for page, start in enumerate(range(0, len(lines), PER_PAGE), start=1):
            part = slice(start, start + PER_PAGE)
            end = "" if len(lines) <= PER_PAGE else f"-{page}"
            figure = viz.show_members(
                images[part],
                maps[:, part],
                signed=signed,
                scale=scale,
                percentile=percentile,
                title=f"{title}\nby each of {len(maps)} members, their mean, and their spread",
                captions=lines[part],
            )
            yield f"members{end}", figure
            figure = viz.show_centers(
                images[part],
                centers[:, part],
                mean_centers[part],
                title=f"{title}\ncenters of mass: black of each member, red of the ensemble",
                captions=lines[part],
            )
            yield f"centers{end}", figure
            figure = viz.show_comparison(
                images[part],
                maps[:, part],
                signed=signed,
                scale=scale,
                percentile=percentile,
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
        **display: Any,
    ) -> None:
        """Writes a folder per method with its figures, and its maps if asked.

        Args:
            folder: of all methods.
            provenance: of each method (see `provenance`), written as `explanation.json`.
            save_maps: write `maps.npz`: raw `maps` as float32, `images` (names), `task`,
                `targets` and, for a contrast, `against` (classes by number).
            display: arguments of `figures`.
        """
        from jaxens import viz

        for method in self.maps:
            (folder / method).mkdir(parents=True, exist_ok=True)
            if provenance:
                text = json.dumps(provenance[method], indent=2, allow_nan=False)
                write_text(folder / method / PROVENANCE, text)
            if save_maps:
                write_bytes(folder / method / "maps.npz", self._npz(method))
            for name, figure in self.figures(method, **display):
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


def captions(subject: Subject) -> list[str]:
    """A few short lines per image: its name, what is explained, and how many members agree."""
    lines = []
    for row in subject.table.to_dicts():
        words = [PurePath(row["image"]).name, f"{row['target']}, {row['target_probability']:.2f}"]
        if row["against"] is not None:
            words.append(f"rather than {row['against']}")
        if row["prediction"] == row["target"]:
            words.append(f"{row['agreeing']} of {row['members']} members agree")
        else:
            words.append(f"predicted: {row['prediction']}, {row['probability']:.2f}")
        lines.append("\n".join(map(_shortened, words)))
    return lines


def _shortened(line: str, letters: int = 30) -> str:
    """A long line without its middle."""
    half = (letters - 1) // 2
    return line if len(line) <= letters else f"{line[:half]}…{line[-half:]}"


def provenance(
    ensemble: Ensemble,
    subject: Subject,
    methods: Mapping[str, Any] | list[str],
    settings: MethodSettings,
    background: np.ndarray | None,
    run: str,
) -> dict[str, dict[str, Any]]:
    """Describes how each method's maps are made.

    `explained` holds everything that decides the maps. The rest tells what came of it, and with
    which software.
    """
    predictions, classes = subject.predictions, subject.task.classes
    photos = subject.photos
    shared = {
        "run": run,
        "checkpoint": "best",
        "weights_crc32": _crc32((ensemble.variables, ensemble.trunk)),
        "members": ensemble.members,
        "task": subject.task.name,
        "against": None if subject.against is None else classes[subject.against],
        "seed": settings.seed,
        "images": [
            {"name": name, "sha256": sum, "target": classes[target]}
            for name, sum, target in zip(photos.names, photos.sha256, subject.targets, strict=True)
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
            }
            for name, k, p, n, finite in zip(
                photos.names,
                predictions.classes,
                predictions.mean,
                predictions.agreeing,
                predictions.finite.T,
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
                | ({"superpixels": settings.superpixels} if method == "lime" else {}),
                "baseline": _baseline(method, background),
            },
            **rest,
        }
        for method in methods
    }


def check_folder(folder: Path, provenance: Mapping[str, Any]) -> None:
    """Raises `UserError` if the folder of a method holds an explanation of something else."""
    path = folder / PROVENANCE
    try:
        before = json.loads(path.read_text())["explained"]
    except FileNotFoundError:
        return
    except (ValueError, KeyError):
        raise UserError(f"{path} can't be read: name another --out, or remove {folder}") from None
    if before != provenance["explained"]:
        raise UserError(
            f"{folder} explains other images, or with other settings (see {path.name}): name "
            "another --out, or remove it"
        )


def _baseline(method: str, background: np.ndarray | None) -> str | dict[str, int] | None:
    """What a method compares an image with; None if with nothing."""
    if method == "integrated_gradients":
        return "mean color"
    if method == "gradient_shap" and background is not None:
        return {"training_images": len(background), "crc32": _crc32(background)}
    return None


def _crc32(arrays: Any) -> int:
    """A checksum of a tree of arrays."""
    sum = 0
    for leaf in jax.tree.leaves(arrays):
        sum = zlib.crc32(np.asarray(leaf).tobytes(), sum)
    return sum
