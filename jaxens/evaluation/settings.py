"""How methods are run: what their settings are, and how much goes through the model at once."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from jaxens.attribution import FORMS, METHODS, REDUCTIONS
from jaxens.cli.parser import Parser, above_zero, natural, positive
from jaxens.ensemble.ensemble import Ensemble
from jaxens.models.memory import images_at_once

SUPERPIXELS = ("slic", "quickshift", "felzenszwalb", "grid")
FORWARD_ONLY = 2  # times as many images go through at once where no gradient is taken


@dataclass(frozen=True)
class Settings:
    """`images_at_once` bounds members times images in one call of the model; no map depends on
    it. The others decide what the maps are."""

    images_at_once: int
    steps: int = 50
    shap_samples: int = 5
    noise_samples: int = 25
    noise: float = 0.5
    lime_form: str = "marcotcr"
    lime_samples: int | None = None
    superpixels: str = "slic"
    reduce: str | None = None
    seed: int = 0

    @classmethod
    def from_flags(cls, asked: argparse.Namespace, ensemble: Ensemble, image_size: int) -> Self:
        given = {field.name: getattr(asked, field.name) for field in fields(cls)}
        given["images_at_once"] = asked.images_at_once or images_at_once(
            ensemble.model, image_size, ensemble.members
        )
        return cls(**given)

    def of(self, method: str) -> dict[str, Any]:
        """A method's own settings, but for those that pictures decide."""
        noise = {"samples": self.noise_samples, "stdev": self.noise}
        by_method: dict[str, dict[str, Any]] = {
            "integrated_gradients": {"steps": self.steps},
            "gradient_shap": {"samples": self.shap_samples},
            "smooth_grad": noise,
            "var_grad": noise,
            "lime": {
                "samples": self.lime_samples or FORMS[self.lime_form].samples,
                "form": self.lime_form,
            },
        }
        return by_method.get(method, {})

    def passes(self, method: str) -> int:
        """Calls of the model per picture and member."""
        own = self.of(method)
        return own.get("steps") or own.get("samples") or 1

    def chunks(self, methods: Sequence[str], members: int) -> tuple[int, int]:
        """Pictures at once, and steps or samples of each at once, for methods that go together.

        A few pictures with some of their steps keep a CPU busier than one with all of them.
        """
        each = max(1, self.images_at_once // members)
        if "lime" in methods:
            return 1, each * FORWARD_ONLY
        passes = max(map(self.passes, methods))
        pictures = min(each, max(4, each // passes))
        return pictures, max(1, each // pictures)

    def describe(self, background: int) -> dict[str, str]:
        """What there is to say of a method's settings, by method."""
        noise = (
            f"the mean of {self.noise_samples} saliency maps of the picture with noise of "
            f"standard deviation {self.noise:g} (of normalised pictures)."
        )
        form = FORMS[self.lime_form]
        return {
            "integrated_gradients": f"{self.steps} Gauss-Legendre steps from the mean colour.",
            "gradient_shap": f"{self.shap_samples} samples, from {background} training pictures, "
            "the same for all members.",
            "lime": f"{self.of('lime')['samples']} samples of {self.superpixels} superpixels, the "
            f"same for all members; as {form.source}; explains the {form.explains}.",
            "smooth_grad": noise,
            "var_grad": noise.replace("the mean", "the variance"),
        }


def add_flags(parser: Parser) -> None:
    """A flag for every setting."""
    add = parser.add_argument
    add("--steps", type=positive, default=50, help="of integrated gradients (default 50)")
    add("--shap-samples", type=positive, default=5, help="of GradientSHAP (default 5)")
    add("--noise-samples", type=positive, default=25, help="of SmoothGrad, VarGrad (default 25)")
    add(
        "--noise",
        type=above_zero,
        default=0.5,
        help="their standard deviation, of normalised pictures, whose values spread over some 4 "
        "(default 0.5)",
    )
    add(
        "--lime-form",
        choices=tuple(FORMS),
        default="marcotcr",
        help="whose LIME (default: marcotcr, the original authors')",
    )
    add("--lime-samples", type=positive, help="of LIME (default: the form's own)")
    add(
        "--superpixels",
        choices=SUPERPIXELS,
        default="slic",
        help="what LIME hides: about 49 pieces by SLIC, others of scikit-image, or a grid of 7 x 7",
    )
    add(
        "--reduce",
        choices=tuple(REDUCTIONS),
        help="how channels become one map (default: the method's usual way, which is printed)",
    )
    add("--seed", type=natural, default=0, help="of all that is drawn (default 0)")
    add(
        "--images-at-once",
        type=positive,
        help="members times images in one model call: lower it to save memory "
        "(default: by the model's activations and the device's memory, or a CPU's caches)",
    )


def together(methods: Sequence[str]) -> list[list[str]]:
    """The methods in groups that run as one program: those by gradients, then LIME."""
    by_gradients = [method for method in methods if method != "lime"]
    return [group for group in (by_gradients, ["lime"] * ("lime" in methods)) if group]


def reduction(method: str, reduce: str | None) -> str | None:
    """The name of the reduction that a method's channels undergo; None if it has none."""
    usual = METHODS[method].reduce
    return usual and (reduce or usual)
