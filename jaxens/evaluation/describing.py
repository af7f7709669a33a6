"""The choices behind an evaluation's scores: from a command's flags, and in words."""

from collections.abc import Sequence
from typing import Any

from jaxens.attribution import METHODS, VARIANTS
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.evaluation.questions import Explained
from jaxens.evaluation.settings import MethodSettings, reduction
from jaxens.metrics import METRICS, Protocol

REDUCTION_NAMES = {"max_abs": "largest magnitude", "sum": "sum", "sum_abs": "sum of magnitudes"}


def make_protocol(metrics: Sequence[str], **choices: float | str | None) -> Protocol:
    """Returns a protocol.

    Args:
        metrics: Names in `metrics.METRICS`; "all" stands for all of them.
        **choices: Other fields of `metrics.Protocol`; None stands for its default.

    Raises:
        UserError: As `metrics.Protocol` raises `ValueError`.
    """
    try:
        names = METRICS if "all" in metrics else metrics
        changed: dict[str, Any] = {k: v for k, v in choices.items() if v is not None}
        return Protocol(metrics=tuple(names), **changed)
    except ValueError as error:
        raise UserError(str(error)) from None


def describe(
    methods: Sequence[str],
    protocol: Protocol,
    settings: MethodSettings,
    ensemble: Ensemble,
    explained: Explained,
    background: int,
) -> str:
    """Describes every choice behind the scores, one per line.

    Args:
        methods: Names in `attribution.METHODS`.
        protocol: How maps are scored.
        settings: How the methods are run.
        ensemble: The members that are explained.
        explained: The label, or the prediction.
        background: Number of images that GradientSHAP starts from.
    """
    reduced = ", ".join(
        f"{METHODS[method].title} {REDUCTION_NAMES[name]}"
        for method in methods
        if (name := reduction(method, settings.reduce))
    )
    individual = (
        f"the mean over the {ensemble.members} members of each one's score"
        if ensemble.baseline is None
        else "the score of the one member trained on all data"
    )
    target = {"label": "the label", "prediction": "the ensemble's prediction"}[explained]
    others = "".join(
        f" (by {METHODS[method].title} its {VARIANTS[settings.lime_variant].explains})"
        for method in methods
        if "variant" in METHODS[method].settings
    )
    lines = [f"Explained: the raw logit of {target}{others}."]
    if ensemble.divergence:
        lines.append(f"Members that {ensemble.divergence}.")
    if reduced:
        lines.append(f"Channels of each member's map: {reduced}.")
    lines += [
        f"Ind-Avg: {individual}. Ens-Avg: the score of the mean of the {ensemble.members} "
        "members' raw maps.",
        protocol.describe(),
    ]
    lines += settings.describe(methods, background)
    return "\n".join(
        [
            *lines,
            "Stars mark p < 0.01 (**) and p < 0.0001 (****) by the paired t-test: bold, where the "
            "ensemble is the better one, with the word (worse), where it is not. d_z: the mean "
            "difference over its standard deviation. p (members too): by a bootstrap over images "
            "and members, as the result would vary with other members too.",
            "Chance: the scores of maps that depend on neither network nor image, a Gaussian in "
            "the center and noise.",
        ]
    )
