"""Settings: their names are the library's, each method gets those that it accepts."""

import inspect
from typing import get_args, get_type_hints

import pytest

from jaxens.attribution import METHODS, REDUCTIONS, VARIANTS
from jaxens.errors import UserError
from jaxens.evaluate import evaluate as evaluate_command
from jaxens.evaluation import settings
from jaxens.evaluation.describing import make_protocol
from jaxens.evaluation.settings import Display, MethodSettings, group_methods, reduction
from jaxens.metrics import METRICS, SIGNS, Protocol


def test_names_that_load_no_jax_are_those_of_the_library():
    """Commands show them in their help, which must not load JAX."""
    assert get_args(settings.MethodName) == tuple(METHODS)
    assert get_args(settings.MetricName) == tuple(METRICS)
    assert set(get_args(settings.Reduction)) == set(REDUCTIONS)
    variants = get_type_hints(MethodSettings)["lime_variant"]
    assert set(get_args(variants)) == set(VARIANTS)
    signs, none = get_args(get_type_hints(evaluate_command)["sign"])
    assert get_args(signs) == tuple(SIGNS)
    assert none is type(None)


def test_defaults_are_those_of_the_library():
    flags = inspect.signature(evaluate_command).parameters
    choices = {name: flags[name].default for name in ("threshold", "correlation_size", "sign")}
    assert make_protocol(flags["metrics"].default, **choices) == Protocol()


@pytest.mark.parametrize("method", METHODS)
def test_a_method_gets_settings_that_it_accepts(method):
    assert set(MethodSettings().of(method)) <= set(METHODS[method].settings)


def test_settings_reach_the_method_that_they_are_named_after():
    few = MethodSettings(steps=3, shap_samples=4, noise_samples=5, noise=0.1, lime_samples=6)
    assert few.of("integrated_gradients") == {"steps": 3}
    assert few.of("gradient_shap") == {"samples": 4}
    assert few.of("var_grad") == few.of("smooth_grad") == {"samples": 5, "stdev": 0.1}
    assert few.of("lime") == {"samples": 6, "variant": "marcotcr"}
    assert few.of("saliency") == {}
    names = ("saliency", "integrated_gradients", "gradient_shap", "smooth_grad", "lime")
    assert [few.passes(name) for name in names] == [1, 3, 4, 5, 6]


@pytest.mark.parametrize("variant", VARIANTS)
def test_limes_samples_are_the_variants_by_default(variant):
    assert MethodSettings(lime_variant=variant).passes("lime") == VARIANTS[variant].samples


def test_methods_by_gradients_are_one_group_and_lime_another():
    assert group_methods(["lime", "saliency", "grad_cam"]) == [["saliency", "grad_cam"], ["lime"]]
    assert group_methods(["lime"]) == [["lime"]]
    assert group_methods(["saliency"]) == [["saliency"]]


def test_a_reduction_replaces_the_usual_one_where_there_are_channels():
    assert reduction("saliency", None) == "max_abs"
    assert reduction("saliency", "sum") == "sum"
    assert reduction("grad_cam", "sum") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "`steps` must be at least 1, not 0"),
        ({"lime_samples": -1}, "`lime_samples` must be at least 1"),
        ({"member_images_at_once": 0}, "`member_images_at_once` must be at least 1"),
        ({"noise": 0.0}, "`noise` must be above 0"),
        ({"seed": 2**32}, "`seed` must be below"),
        ({"noise": float("nan")}, "`noise` must be a finite number"),
    ],
)
def test_a_number_out_of_range_is_named_by_its_flag(changes, message):
    with pytest.raises(UserError, match=message):
        MethodSettings(**changes)


@pytest.mark.parametrize("percentile", [0.0, 100.1])
def test_a_percentile_out_of_range_is_named_by_its_flag(percentile):
    with pytest.raises(UserError, match="`percentile` must be"):
        Display(percentile=percentile)


@pytest.mark.parametrize("name", ["threshold", "sign", "correlation_size"])
def test_the_help_says_the_defaults_of_the_protocol(name):
    (line,) = (
        line.strip()
        for line in (evaluate_command.__doc__ or "").splitlines()
        if line.strip().startswith(f"{name}: ")
    )
    assert f"(default: {getattr(Protocol(), name)}, " in line


def test_all_stands_for_every_metric():
    assert make_protocol(("all",)).metrics == tuple(METRICS)


@pytest.mark.parametrize(
    ("threshold", "size", "sign", "metrics", "message"),
    [
        (0.0, 14, "signed", ("iou",), "threshold is 0.0"),
        (0.3, 1, "signed", ("iou",), "correlation_size is 1"),
        (0.3, 14, "both", ("iou",), "unknown sign rule 'both'"),
        (0.3, 14, "signed", ("ssim",), "unknown metric ssim"),
    ],
)
def test_a_mistake_in_the_protocol_is_the_users(threshold, size, sign, metrics, message):
    with pytest.raises(UserError, match=message):
        make_protocol(metrics, threshold=threshold, correlation_size=size, sign=sign)
