"""The code of the guide and the README runs."""

import re
import runpy
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.conftest import TinyRun
from tests.docs.network import IMAGES, NETWORK
from tests.docs.pages import CONTRIBUTING, GUIDE_PAGES, README, Block, blocks

# These run on a small run; other commands train for minutes or need data.
RUN = ("jaxens.explain", "jaxens.evaluate runs/fieldmarks ")
QUICK = ["--member-images-at-once", "2"]  # small programs, which compile fast
COMMAND = re.compile(r"python -m (jaxens\S*) ?(.*)")


def execute(page: Path, block: Block, names: dict[str, object]) -> None:
    """Runs Python in the namespace of the page; a traceback shows the page's own lines."""
    exec(compile("\n" * block.line + block.code, str(page), "exec"), names)


def run_command(module: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [module, *arguments])
    runpy.run_module(module, run_name="__main__")


@pytest.fixture(autouse=True)
def _as_for_readers() -> Iterator[None]:
    """Lets the networks of the pages mix types and ranks, as JAX does by default."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture
def trained(run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with a trained run in it, as the readers of the pages have one."""
    shutil.copytree(run.folder, tmp_path / "runs" / "fieldmarks")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")  # commands leave the allocator of pytest alone


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.usefixtures("trained", "capfd")
def test_the_code_of_the_guide_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, object] = {}
    for page in GUIDE_PAGES:
        for block in blocks(page):
            if block.language == "python":
                execute(page, block, names)
            elif block.language == "sh":
                for module, arguments in COMMAND.findall(block.code):
                    if f"{module} {arguments}".startswith(RUN):
                        run_command(module, [*shlex.split(arguments), *QUICK], monkeypatch)
    assert Path("methods.png").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("trained")
def test_the_python_of_the_readme_runs() -> None:
    """The README's Python assumes a model and images."""
    names: dict[str, object] = {
        "logits_fn": NETWORK.logits_fn,
        "images": jnp.asarray(IMAGES),
        "targets": np.array([2, 0, 1]),
        "masks": np.broadcast_to(np.arange(14) < 5, IMAGES.shape[:3]),
        "points": np.full((3, 2), 0.3),
    }
    python = blocks(README, "python")
    assert python
    for block in python:
        execute(README, block, names)


def commands() -> list[str]:
    """Every jaxens command that a page shows, once."""
    code = "\n".join(
        block.code for page in (README, CONTRIBUTING, *GUIDE_PAGES) for block in blocks(page, "sh")
    )
    return sorted({" ".join(found) for found in COMMAND.findall(code)})


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("command", commands())
def test_a_command_takes_the_flags_that_a_page_shows(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    module, *arguments = shlex.split(command, comments=True)
    subcommands = []
    for word in arguments if module in ("jaxens", "jaxens.bench", "jaxens.data") else ():
        if word.startswith("-"):
            break
        subcommands.append(word)
    run_command(module, [*subcommands, "--help"], monkeypatch)
    known = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
    assert {word for word in arguments if word.startswith("--")} <= known
