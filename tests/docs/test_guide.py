"""The guide and the README: their code runs, and the guide's tables say what the code says."""

import inspect
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import Jaxpr, jaxprs_in_params

from jaxens import attribution as attr
from jaxens.cli.console import console
from jaxens.evaluate import main as evaluate
from jaxens.explain import main as explain
from tests.attribution import cases
from tests.conftest import TinyRun
from tests.reference import twins

ROOT = Path(__file__).parents[2]
GUIDE, README = ROOT / "docs" / "guide.md", ROOT / "README.md"
COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "jaxens.explain": explain,
    "jaxens.evaluate": evaluate,
}
QUICK = ["--images-at-once", "2"]  # small programs, which compile fast


class Block(NamedTuple):
    """Code between fences, and the line of its page that it begins at."""

    language: str
    code: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(found[1], found[2], text.count("\n", 0, found.start(2)))


def execute(page: Path, block: Block, names: dict[str, object]) -> None:
    """Runs Python in the page's namespace; a traceback shows the page's own lines."""
    if block.language == "python":
        exec(compile("\n" * block.line + block.code, str(page), "exec"), names)
        return
    for command in block.code.splitlines():
        python, dash_m, module, *arguments = shlex.split(command)
        assert (python, dash_m) == ("python", "-m")
        COMMANDS[module]([*arguments, *QUICK])


@pytest.fixture
def trained(run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a trained run in it, as the pages' readers have one."""
    shutil.copytree(run.folder, tmp_path / "runs" / "fieldmarks")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("trained")
def test_the_guide_runs() -> None:
    names: dict[str, object] = {}
    with console.capture():
        for block in blocks(GUIDE):
            execute(GUIDE, block, names)
    for image in pictures(GUIDE):
        assert Path(image.name).exists(), f"no code draws {image}"


@pytest.mark.usefixtures("trained")
def test_the_readme_runs() -> None:
    """Its commands train for minutes; its Python takes a model and images for granted."""
    network = cases.network(twins.params_of(twins.TorchNet()))
    names: dict[str, object] = {
        "logits_fn": network.logits_fn,
        "images": twins.sample_images(2),
        "targets": np.array([2, 0]),
        "masks": np.broadcast_to(np.arange(14) < 5, (2, 10, 14)),
        "points": np.full((2, 2), 0.3),
    }
    python = [block for block in blocks(README) if block.language == "python"]
    assert python
    for block in python:
        execute(README, block, names)


def pictures(page: Path) -> list[Path]:
    return [page.parent / path for path in re.findall(r"!\[[^]]+\]\(([^)]+)\)", page.read_text())]


@pytest.mark.parametrize("page", [GUIDE, README])
def test_a_page_shows_and_links_what_there_is(page: Path) -> None:
    assert pictures(page)
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if target.startswith("#"):
            assert target[1:] in anchors
        elif "://" not in target:
            assert (page.parent / target.partition("#")[0]).exists(), target


def table(first: str, second: str) -> dict[str, list[str]]:
    """A table of the guide, told by the heads of its first two columns: cells by first cell."""
    lines = GUIDE.read_text().splitlines()
    (head,) = [n for n, line in enumerate(lines) if line.startswith(f"| {first} | {second} |")]
    rows = {}
    for line in lines[head + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows[name.strip("`")] = cells
    return rows


def test_the_table_of_methods_says_what_methods_says() -> None:
    says = {name: cells[:5] for name, cells in table("method", "title").items()}
    assert says == {
        name: [
            method.title,
            method.source,
            "yes" if method.signed else "no",
            "yes" if method.regions else "no",
            f"`{method.reduce}`" if method.reduce else "none",
        ]
        for name, method in attr.METHODS.items()
    }
    assert list(says) == list(attr.METHODS)


def test_the_table_of_settings_says_what_methods_says() -> None:
    def default(value: object) -> str:
        if value is inspect.Parameter.empty:
            return ""
        return f"={value.__name__ if callable(value) else repr(value)}"

    def quoted(words: list[str]) -> str:
        return f"`{', '.join(words)}`" if words else ""

    assert table("method", "needs of the model") == {
        name: [
            quoted(list(method.needs)),
            quoted([f"{key}{default(value)}" for key, value in method.settings.items()]),
        ]
        for name, method in attr.METHODS.items()
    }


def test_the_table_of_forms_says_what_forms_says() -> None:
    says = {name: cells[:4] for name, cells in table("form", "samples").items()}
    assert says == {
        name: [str(form.samples), form.explains, f"`{form.hidden}`", f"{form.kernel_width:g}"]
        for name, form in attr.FORMS.items()
    }


def marked(function: Callable[[jax.Array], jax.Array], name: str) -> Callable[..., jax.Array]:
    """The function, its jaxpr marked where images go in, and where their gradient comes out."""

    def forwards(images: jax.Array) -> tuple[jax.Array, None]:
        return checkpoint_name(images, f"{name} forwards"), None

    def backwards(_: None, gradient: jax.Array) -> tuple[jax.Array]:
        return (checkpoint_name(gradient, f"{name} backwards"),)

    mark = jax.custom_vjp(lambda images: forwards(images)[0])
    mark.defvjp(forwards, backwards)
    return lambda images: function(mark(images))


def marks(jaxpr: Jaxpr) -> Counter[str]:
    """How many numbers pass each mark."""
    found: Counter[str] = Counter()
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "name" and eqn.params["name"] != "guided_relu":
            found[eqn.params["name"]] += eqn.outvars[0].aval.size
        for inner in jaxprs_in_params(eqn.params):
            found += marks(inner)
    return found


@pytest.mark.parametrize("method", attr.METHODS)
def test_a_method_costs_what_its_row_says(method: str) -> None:
    images = twins.sample_images(3)
    network = cases.network(twins.params_of(twins.TorchNet()))
    counted = attr.Network(
        logits_fn=marked(network.logits_fn, "model"),
        features_fn=marked(network.features_fn, "model"),
        head_fn=marked(network.head_fn, "head"),
        guided_logits_fn=marked(network.guided_logits_fn, "model"),
    )
    settings = cases.settings(method, jax.random.key(0), 3)
    traced = jax.make_jaxpr(lambda: attr.attribute(method, counted, images, 2, **settings))()
    passes = marks(traced.jaxpr)

    def cost(cell: str) -> int:
        word = cell.partition(",")[0].strip("`")
        return images.size * int(settings.get(word, word))

    *_, forward, backward = table("method", "title")[method]
    assert passes["model forwards"] == cost(forward)
    assert passes["model backwards"] == cost(backward)
    assert (passes["head backwards"] > 0) == backward.endswith(", and the head's")
