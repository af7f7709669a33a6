"""How explanation methods are run, and how many images go through the model at once."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from jaxens.errors import UserError, check_number

# The names in `attribution.METHODS`, `metrics.METRICS`, `attribution.VARIANTS`, `metrics.SIGNS` and
# `attribution.REDUCTIONS`, which would load JAX: a test compares them.
MethodName = Literal[
    "saliency", "input_x_gradient", "integrated_gradients", "gradient_shap", "grad_cam",
    "guided_backprop", "guided_grad_cam", "lime", "smooth_grad", "var_grad",
]  # fmt: skip
MetricName = Literal[
    "iou", "intersection", "union", "correlation", "distance", "average_precision",
    "relevance_mass", "relevance_rank", "pointing_game",
]  # fmt: skip
# Those of the paper's tables (Pazzani et al. 2022).
PAPER_METHODS: tuple[MethodName, ...] = (
    "saliency", "input_x_gradient", "integrated_gradients", "gradient_shap", "grad_cam",
    "guided_grad_cam", "lime",
)  # fmt: skip
DEFAULT_METHODS: tuple[MethodName, ...] = ("grad_cam", "integrated_gradients")
PAPER_METRICS: tuple[MetricName, ...] = ("iou", "intersection", "union", "correlation", "distance")
Reduction = Literal["max_abs", "sum", "sum_abs"]

MOST_CALLS = 100_000  # steps or samples of an image; more would take hours
MOST_ORDERS = 10_000
ORDERS = 11  # random orders in which members join
# Images that are explained before they are drawn: enough for large calls of the model, and few for
# the memory. The maps of 11 members at 224 px are 106 MB for each method.
IMAGES_PER_PART = 48
FORWARD_ONLY = 2  # times as many images fit where no gradient is taken


@dataclass(frozen=True)
class MethodSettings:
    """settings of the explanation methods"""

    steps: int = 50
    """steps of integrated gradients"""
    shap_samples: int = 5
    """samples of GradientSHAP"""
    noise_samples: int = 25
    """samples of SmoothGrad and VarGrad"""
    noise: float = 0.5
    """standard deviation of the noise of SmoothGrad and VarGrad, for normalized images"""
    lime_variant: Literal["marcotcr", "captum"] = "marcotcr"
    """implementation of LIME that ours equals"""
    lime_samples: int | None = None
    """samples of LIME (default: as many as the variant's source takes)"""
    superpixels: Literal["slic", "quickshift", "felzenszwalb", "grid"] = "slic"
    """segments that LIME hides: about 49 by SLIC, others of scikit-image, or a grid of 7 x 7"""
    reduce: Reduction | None = None
    """how channels become one map (default: the method's usual reduction, which is printed)"""
    seed: int = 0
    """seed of everything random"""
    member_images_at_once: int | None = None
    """forward passes per call of the model: bounds memory, changes no map (default: what fits)"""

    def __post_init__(self) -> None:
        counts = ("steps", "shap_samples", "noise_samples", "lime_samples", "member_images_at_once")
        for name in counts:
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), least=1, most=MOST_CALLS)
        check_number("noise", self.noise, above=0, most=1000)
        check_number("seed", self.seed, least=0, below=2**32)

    def of(self, method: str) -> dict[str, Any]:
        """Returns the settings of a method, except those that depend on the images."""
        from jaxens.attribution import VARIANTS, method_named

        options = method_named(method).options
        settings = {name: getattr(self, option) for name, option in options.items()}
        if "variant" in settings:
            settings["samples"] = settings["samples"] or VARIANTS[settings["variant"]].samples
        return settings

    def choices(self) -> dict[str, Any]:
        """Returns what maps depend on: all settings but the number of images in one call."""
        chosen = asdict(self)
        del chosen["member_images_at_once"]
        return chosen

    def passes(self, method: str) -> int:
        """Returns how often a method calls the model for each image and member."""
        settings = self.of(method)
        return settings.get("steps") or settings.get("samples") or 1

    def describe(self, methods: Sequence[str], background: int) -> list[str]:
        """Describes how maps are made, in a line for each method that has a note.

        Args:
            methods: Names in `attribution.METHODS`.
            background: Number of training images that methods like GradientSHAP start from.
        """
        from jaxens.attribution import METHODS, VARIANTS

        shared = {"superpixels": self.superpixels, "background": background}
        return [
            f"{row.title}: "
            + row.note.format(
                **shared | self.of(row.name) | {"variant": VARIANTS[self.lime_variant]}
            )
            for row in (METHODS[method] for method in methods)
            if row.note
        ]


@dataclass(frozen=True)
class Display:
    """how maps are drawn"""

    colors: Literal["signed", "heat"] | None = None
    """warm for and cold against the target, or one color scale (default: by the method)"""
    scale: Literal["own", "shared"] = "own"
    """color scale: one for each panel, or one for all panels of an image"""
    percentile: float = 99.0
    """percentile of the magnitudes at which colors saturate"""
    images_per_figure: int = 12
    """images in one figure"""

    def __post_init__(self) -> None:
        check_number("percentile", self.percentile, above=0, most=100)
        check_number("images_per_figure", self.images_per_figure, least=1, most=1000)

    @property
    def images_per_part(self) -> int:
        """Images that are explained at a time: those of as many figures as have 48, or of one."""
        return self.images_per_figure * max(1, IMAGES_PER_PART // self.images_per_figure)


def group_methods(methods: Sequence[str]) -> list[list[str]]:
    """Groups methods that run as one program: those that take gradients, then the others."""
    from jaxens.attribution import METHODS

    groups = ([m for m in methods if METHODS[m].gradients == taken] for taken in (True, False))
    return [group for group in groups if group]


def needs_background(methods: Sequence[str]) -> bool:
    """Returns whether one of the methods starts from training images."""
    from jaxens.attribution import METHODS

    return any(METHODS[method].needs_background for method in methods)


def check_methods(methods: Sequence[str], background: object) -> None:
    """Checks the names of methods, and that those that start from other images have some.

    Args:
        methods: Names in `attribution.METHODS`.
        background: Images to start from, or None.

    Raises:
        UserError: If a method is unknown, or lacks the images.
    """
    from jaxens.attribution import method_named

    for method in methods:
        try:
            row = method_named(method)
        except ValueError as error:
            raise UserError(str(error)) from None
        if background is None and row.needs_background:
            raise UserError(f"{method} needs background images: give some training images")


def reduction(method: str, reduce: str | None) -> str | None:
    """Returns the name of the reduction of a method's channels; None if it has no channels."""
    from jaxens.attribution import METHODS

    usual = METHODS[method].reduce
    return usual and (reduce or usual)
