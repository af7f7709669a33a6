"""Every test runs with the compilation cache on: most of their time is XLA's."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

# Before JAX starts: small programs run once, so what XLA saves by not optimizing them is more
# than what they lose. Numbers are compared with references, not with optimized ones.
# The older way to compile fusions takes half of the time; later versions lack it.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0"
    + " --xla_cpu_use_fusion_emitters=false" * version("jaxlib").startswith("0.10."),
)

import jax
import jaxtyping
import pytest

jax.config.update("jax_num_cpu_devices", 2)  # for `shard_map`
# jaxens has to work for a user who turns these on.
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_configure(config: pytest.Config) -> None:
    jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("xla")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.hookimpl(tryfirst=True)  # before tests are left out by their markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long and TPU tests are slow too. Files of slow tests begin, so that no worker waits."""
    for item in items:
        if item.get_closest_marker("long") or item.get_closest_marker("tpu"):
            item.add_marker("slow")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True, scope="module")
def _programs_of_one_module_at_a_time() -> Iterator[None]:
    """A thousand compiled programs take gigabytes, and Python's collector minutes to walk them."""
    yield
    jax.clear_caches()


@contextlib.contextmanager
def smaller_model() -> Iterator[None]:
    """Within it, the model `small` has three narrow convolutions in place of five."""
    from jaxens.models.build import MODELS
    from jaxens.models.small import SmallResNet

    with pytest.MonkeyPatch.context() as patch:
        smaller = functools.partial(SmallResNet, widths=(4, 8, 8), blocks=(0, 0, 0))
        patch.setitem(MODELS, "small", smaller)
        yield


@pytest.fixture(autouse=True, scope="module")
def _smaller_model(request: pytest.FixtureRequest) -> Iterator[None]:
    """A third of the time of the tests is that of XLA's compiler, most of it for convolutions.

    Tests of the model itself have it as it is.
    """
    whole = {Path(__file__).parent / name for name in ("models", "benchmarks", "reference")}
    with contextlib.nullcontext() if whole & {*request.path.parents} else smaller_model():
        yield


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Without runtime type checks, as for a user, so that our own error is raised."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Returns a function that gives this process the cache folder of a machine, by its name.

    Files at a URL memory://... are removed at the end.
    """
    from fsspec.implementations.memory import MemoryFileSystem

    def use(name: str) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))

    use("one")
    yield use
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


class TinyRun(NamedTuple):
    """A finished run of a tiny ensemble on a tiny data set, trained once."""

    folder: Path
    flags: list[str]
    printed: str


@pytest.fixture(scope="session")
def flags(tmp_path_factory) -> list[str]:
    """Flags of a run that takes seconds."""
    cache = tmp_path_factory.mktemp("cache")
    images = ["--train-images", "24", "--val-images", "6", "--test-images", "12"]
    run = ["--members", "2", "--epochs", "2", "--batch-size", "8", "--image-size", "16"]
    return [*images, *run, "--cache-dir", str(cache)]


@pytest.fixture(scope="session")
def run(flags, tmp_path_factory) -> TinyRun:
    from jaxens.cli.console import console
    from jaxens.train import main as train

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    with smaller_model(), console.capture() as capture:
        train([*flags, "--out", str(folder)])
    return TinyRun(folder, flags, capture.get())


@pytest.fixture(scope="module")
def without_look(run: TinyRun) -> Iterator[None]:
    """From here on, `train` draws an empty first look: of a tiny run it is half of the time."""
    from matplotlib.figure import Figure

    with pytest.MonkeyPatch.context() as patch:
        name = "jaxens.annotation.first_look.first_look"
        patch.setattr(name, lambda ensemble, held_out, **_: Figure())
        yield
