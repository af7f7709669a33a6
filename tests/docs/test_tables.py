"""The tables of the guide say what the code says."""

import inspect
from collections import Counter
from collections.abc import Callable

import jax
import pytest
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import Jaxpr, jaxprs_in_params

from jaxens import attribution as attr
from tests.docs.network import IMAGES, NETWORK, settings
from tests.docs.pages import GUIDE, table

METHODS_PAGE = GUIDE / "methods.md"


def test_the_table_of_methods() -> None:
    rows = {name: cells[:5] for name, cells in table(METHODS_PAGE, "method", "title").items()}
    assert rows == {
        name: [
            method.title,
            method.source,
            "yes" if method.signed else "no",
            "yes" if method.regions else "no",
            f"`{method.reduce}`" if method.reduce else "none",
        ]
        for name, method in attr.METHODS.items()
    }
    assert list(rows) == list(attr.METHODS)


def test_the_table_of_settings() -> None:
    def default(value: object) -> str:
        if value is inspect.Parameter.empty:
            return ""
        return f"={value.__name__ if callable(value) else repr(value)}"

    def quoted(words: list[str]) -> str:
        return f"`{', '.join(words)}`" if words else ""

    assert table(METHODS_PAGE, "method", "needs of the model") == {
        name: [
            quoted(list(method.needs)),
            quoted([f"{key}{default(value)}" for key, value in method.settings.items()]),
        ]
        for name, method in attr.METHODS.items()
    }


def test_the_table_of_lime_variants() -> None:
    rows = {name: cells[:4] for name, cells in table(METHODS_PAGE, "variant", "samples").items()}
    assert rows == {
        name: [
            str(variant.samples),
            variant.explains,
            f"`{variant.fill}`",
            f"{variant.kernel_width:g}",
        ]
        for name, variant in attr.VARIANTS.items()
    }


SIZES = {
    "image": len(IMAGES),
    "height": IMAGES.shape[1],
    "width": IMAGES.shape[2],
    "channel": IMAGES.shape[3],
    "feature height": 5,
    "feature width": 7,
}


def sizes_in_table(method: str) -> tuple[int, ...]:
    for calls, cells in table(METHODS_PAGE, "call", "returns").items():
        if method in (call.strip("`") for call in calls.split(", ")):
            return tuple(SIZES[axis] for axis in cells[0].strip("`[]").split(", "))
    raise AssertionError(f"the table of what calls return lacks {method}")


@pytest.mark.parametrize("method", attr.METHODS)
def test_a_method_returns_the_axes_of_its_row(method: str) -> None:
    row = attr.METHODS[method]
    model = [getattr(NETWORK, need) for need in row.needs]
    maps = jax.eval_shape(lambda: row.function(*model, IMAGES, 2, **settings(method)))
    assert maps.shape == sizes_in_table(method)
    of_any = jax.eval_shape(lambda: attr.attribute(method, NETWORK, IMAGES, 2, **settings(method)))
    assert of_any.shape == sizes_in_table("attribute")


def marked(function: Callable[[jax.Array], jax.Array], name: str) -> Callable[..., jax.Array]:
    """The function, its jaxpr marked where images go in, and where their gradient comes out."""

    def forward(images: jax.Array) -> tuple[jax.Array, None]:
        return checkpoint_name(images, f"{name} forward"), None

    def backward(_: None, gradient: jax.Array) -> tuple[jax.Array]:
        return (checkpoint_name(gradient, f"{name} backward"),)

    mark = jax.custom_vjp(lambda images: forward(images)[0])
    mark.defvjp(forward, backward)
    return lambda images: function(mark(images))


def count_marks(jaxpr: Jaxpr) -> Counter[str]:
    """How many numbers pass each mark."""
    counts: Counter[str] = Counter()
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "name" and eqn.params["name"] != "guided_relu":
            counts[eqn.params["name"]] += eqn.outvars[0].aval.size
        for inner in jaxprs_in_params(eqn.params):
            counts += count_marks(inner)
    return counts


@pytest.mark.parametrize("method", attr.METHODS)
def test_a_method_costs_what_its_row_says(method: str) -> None:
    network = attr.Network(
        logits_fn=marked(NETWORK.logits_fn, "model"),
        features_fn=marked(NETWORK.features_fn, "model"),
        head_fn=marked(NETWORK.head_fn, "head"),
        guided_logits_fn=marked(NETWORK.guided_logits_fn, "model"),
    )
    values = settings(method)
    traced = jax.make_jaxpr(lambda: attr.attribute(method, network, IMAGES, 2, **values))()
    passes = count_marks(traced.jaxpr)

    def cost(cell: str) -> int:
        word = cell.partition(",")[0].strip("`")
        return IMAGES.size * int(values.get(word, word))

    *_, forward, backward = table(METHODS_PAGE, "method", "title")[method]
    assert passes["model forward"] == cost(forward)
    assert passes["model backward"] == cost(backward)
    assert (passes["head backward"] > 0) == backward.endswith(", and the head's")
