"""Maps of pictures by any method, with what the method needs beside the pictures."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, UInt8

from jaxens import attribution
from jaxens.attribution import METHODS
from jaxens.ensemble.ensemble import Ensemble
from jaxens.ensemble.inputs import Classes
from jaxens.evaluation.settings import Settings

GRID = 7  # cells a side: as many as imageLIME has superpixels


class Explainer:
    """An ensemble, and the settings that its pictures are explained with.

    `background` are pictures that GradientSHAP starts from. Draws depend on the settings'
    seed and a picture's place alone, so that neither the chunks nor a limit changes a map.
    LIME's surrogates are kept by place: one pass over the perturbed pictures serves every
    class of every task.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        background: UInt8[np.ndarray, "baseline height width 3"] | None,
        settings: Settings,
    ):
        self.ensemble = ensemble
        self.background = None if background is None else jnp.asarray(background)
        self.settings = settings
        self._surrogates: dict[int, tuple[np.ndarray, dict[str, np.ndarray]]] = {}

    def maps(
        self,
        method: str,
        pictures: UInt8[np.ndarray, "image height width 3"],
        places: Int[np.ndarray, "image"],
        targets: Classes,
        task: str,
    ) -> Float[Array, "member image height width"]:
        """One map per member and picture; `places` tell one picture from another."""
        linear = self.settings.lime_form == "marcotcr"
        contrast = isinstance(targets, attribution.Contrast)
        if method == "lime" and not callable(targets) and (linear or not contrast):
            return self._painted(pictures, places, targets, task)
        settings = self.settings.of(method)
        if method == "lime":
            settings |= {"segments": self._segments(pictures)}
        if method == "gradient_shap":
            settings |= {"baselines": self.background}
        if "key" in METHODS[method].settings:
            settings |= {"key": self._keys(places)}
        at_once, chunk = self.settings.chunks(method, self.ensemble.members)
        if "chunk" in METHODS[method].settings:
            settings |= {"chunk": chunk}
        return self.ensemble.attribute(
            pictures,
            targets,
            method,
            task,
            reduce=self.settings.reduce if METHODS[method].reduce else None,
            images_at_once=at_once,
            **settings,
        )

    def _painted(
        self, pictures: np.ndarray, places: np.ndarray, targets: Classes, task: str
    ) -> Float[Array, "member image height width"]:
        """LIME's maps; a ridge regression is linear in what it explains, so a contrast is a
        difference of two."""
        if isinstance(targets, attribution.Contrast):
            this, other = (self._painted(pictures, places, np.asarray(t), task) for t in targets)
            return this - other
        maps = []
        each = np.broadcast_to(np.asarray(targets), len(pictures))
        for picture, place, target in zip(pictures, places.tolist(), each, strict=True):
            segments, weights = self._surrogate(picture, place)
            maps.append(weights[task][:, segments, target])
        return jnp.asarray(np.stack(maps, axis=1))

    def _surrogate(
        self, picture: np.ndarray, place: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        if place not in self._surrogates:
            segments = self._segments(picture[None])
            _, chunk = self.settings.chunks("lime", self.ensemble.members)
            weights = self.ensemble.surrogates(
                picture[None],
                segments=segments,
                key=self._keys(np.array([place])),
                chunk=chunk,
                **self.settings.of("lime"),
            )
            by_task = {name: np.asarray(w[:, 0]) for name, w in weights.items()}
            self._surrogates[place] = segments[0], by_task
        return self._surrogates[place]

    def _segments(self, pictures: np.ndarray) -> Int[np.ndarray, "image height width"]:
        if self.settings.superpixels == "grid":
            height, width = pictures.shape[1:3]
            cells = attribution.grid(height, width, GRID)
            return np.broadcast_to(cells, pictures.shape[:3])
        return attribution.superpixels(pictures, self.settings.superpixels)

    def _keys(self, places: np.ndarray) -> Array:
        key = jax.random.key(self.settings.seed)
        return jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.asarray(places))
