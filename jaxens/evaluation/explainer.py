"""Maps of pictures by any methods, with what these need beside the pictures."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, UInt8

from jaxens import attribution
from jaxens.attribution import METHODS
from jaxens.ensemble.ensemble import Ensemble
from jaxens.ensemble.inputs import Classes
from jaxens.evaluation.settings import Settings, together

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
        self._surrogates: dict[int, tuple[np.ndarray, dict[str, np.ndarray | Array]]] = {}
        self._last: int | None = None  # whose surrogate may not be done yet

    def maps(
        self,
        methods: Sequence[str],
        pictures: UInt8[np.ndarray, "image height width 3"],
        places: Int[np.ndarray, "image"],
        targets: Classes,
        task: str,
    ) -> dict[str, Float[Array, "member image height width"]]:
        """One map per member and picture by each method; `places` tell one picture from another.

        Methods of a group (see `together`) are one program. Maps stay on the device, and are
        not waited for.
        """
        found: dict[str, Array] = {}
        for group in together(methods):
            if group == ["lime"] and self._paintable(targets):
                found["lime"] = self._painted(pictures, places, targets, task)
                continue
            at_once, chunk = self.settings.chunks(group, self.ensemble.members)
            given = {method: self._given(method, pictures, places, chunk) for method in group}
            found |= self.ensemble.explain(pictures, targets, given, task, images_at_once=at_once)
        return found

    def _given(
        self, method: str, pictures: np.ndarray, places: np.ndarray, chunk: int
    ) -> dict[str, Any]:
        """A method's settings, with those that pictures decide."""
        settings, takes = self.settings.of(method), METHODS[method].settings
        if "segments" in takes:
            settings |= {"segments": self._segments(pictures)}
        if method == "gradient_shap":
            settings |= {"baselines": self.background}
        if "key" in takes:
            settings |= {"key": self._keys(places)}
        if "chunk" in takes:
            settings |= {"chunk": chunk}
        if METHODS[method].reduce and self.settings.reduce:
            settings |= {"reduce": self.settings.reduce}
        return settings

    def _paintable(self, targets: Classes) -> bool:
        """Whether LIME's weights for single classes make these maps: a ridge regression is linear
        in what it explains, so a contrast is a difference of two."""
        contrast = isinstance(targets, attribution.Contrast)
        return not callable(targets) and (self.settings.lime_form == "marcotcr" or not contrast)

    def _painted(
        self, pictures: np.ndarray, places: np.ndarray, targets: Classes, task: str
    ) -> Float[Array, "member image height width"]:
        """LIME's maps from its surrogates."""
        if isinstance(targets, attribution.Contrast):
            this, other = (self._painted(pictures, places, np.asarray(t), task) for t in targets)
            return this - other
        each = np.broadcast_to(np.asarray(targets), len(pictures))
        # All under way before the first map, which waits for its surrogate.
        surrogates = list(map(self._surrogate, pictures, places.tolist()))
        maps = [
            weights[task][:, 0, segments, target]
            for (segments, weights), target in zip(surrogates, each, strict=True)
        ]
        return jnp.stack(maps, axis=1)

    def _surrogate(
        self, picture: np.ndarray, place: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray | Array]]:
        if place not in self._surrogates:
            segments = self._segments(picture[None])
            _, chunk = self.settings.chunks(["lime"], self.ensemble.members)
            weights = self.ensemble.surrogates(
                picture[None],
                segments=segments,
                key=self._keys(np.array([place])),
                chunk=chunk,
                **self.settings.of("lime"),
            )
            self._read_last()
            self._surrogates[place] = segments[0], dict(weights)
            self._last = place
        return self._surrogates[place]

    def _read_last(self) -> None:
        """Brings the surrogate before to the host, now that the device has the next one to do.

        It would else idle while superpixels are made; and what is kept needs no room there.
        """
        if self._last is not None:
            segments, weights = self._surrogates[self._last]
            self._surrogates[self._last] = segments, {n: np.asarray(w) for n, w in weights.items()}

    def _segments(self, pictures: np.ndarray) -> Int[np.ndarray, "image height width"]:
        if self.settings.superpixels == "grid":
            height, width = pictures.shape[1:3]
            cells = attribution.grid(height, width, GRID)
            return np.broadcast_to(cells, pictures.shape[:3])
        return attribution.superpixels(pictures, self.settings.superpixels)

    def _keys(self, places: np.ndarray) -> Array:
        key = jax.random.key(self.settings.seed)
        return jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.asarray(places))
