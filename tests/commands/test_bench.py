"""Every benchmark runs; no time is asserted."""

import builtins
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jaxens.bench import BENCHMARKS
from jaxens.bench import main as bench
from jaxens.benchmarks import checks, vit
from jaxens.benchmarks.explain import METHODS
from jaxens.cli.console import console
from jaxens.errors import UserError
from tests.commands.benchmarks import NETWORKS, printed_and_kept, shorten

pytestmark = pytest.mark.slow

TINY: dict[str, list[str]] = {
    "train": [*NETWORKS, "--members", "2", "--batch-size", "4"],
    "explain": [
        *(*NETWORKS, "--members", "2", "--images", "2"),
        *("--methods", "saliency", "grad_cam"),
    ],
    "network": [
        *("--model", "small", "--image-size", "32", "--rounds", "1", "--images", "2"),
        *("--methods", "saliency", "grad_cam"),
    ],
    "convolutions": ["--only", "small network", "--images", "2", "--rounds", "1"],
    "lime": [*NETWORKS, "--members", "2", "--samples", "12"],
    "members": [*NETWORKS, "--sizes", "1", "2", "--batch-size", "4"],
    "scaling": [*NETWORKS, "--members", "2", "--batch-size", "4", "--devices", "1", "2"],
    "frozen": [*NETWORKS, "--members", "2", "--batch-size", "4"],
    "scores": ["--maps", "6", "--members", "2", "--image-size", "28", "--rounds", "1"],
    "input": [*NETWORKS, "--members", "2", "--batch-size", "2", "--photos", "4"],
    "compile": [*NETWORKS, "--members", "1", "--batch-size", "2"],
}
# What each row is, and by whom.
ROWS = {
    "train": {("training step", "jaxens")},
    "explain": {(what, "jaxens") for what in ("saliency", "grad_cam", "together")},
    "network": {
        (what, f"jaxens, {how}")
        for what in ("saliency", "grad_cam")
        for how in ("XLA's convolutions", "accelerated")
    },
    "convolutions": {
        ("small network: 3x3, 32 to 32, 32 px", part)
        for part in ("forward", "input gradient", "weight gradient")
    },
    "lime": {("LIME", "jaxens")},
    "members": {
        (what, by)
        for what in ("1 member", "2 members")
        for by in ("a step of all", "as many single steps")
    },
    "scaling": {
        ("training step", "1 device"),
        ("training step", "2 devices"),
        ("its collectives alone", "2 devices"),
    },
    "frozen": {
        ("training step", by)
        for by in ("full training", "trunk once per step", "trunk once per run")
    },
    "scores": {
        ("scores", by)
        for by in (
            *("jaxens", "NumPy and SciPy, map by map"),
            "NumPy, all maps at once",
        )
    },
    "input": {
        ("decode, cut, resize", by)
        for by in (
            *("jaxens, one by one", "jaxens, loaded", "jaxens, streamed"),
            *("Pillow", "Pillow, one thread per core"),
        )
    },
    "compile": {("step", "empty cache"), ("step", "cache of a previous run")},
}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


SHORT = "explain"  # the one that is not left out


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=[pytest.mark.long] * (what != SHORT)) for what in BENCHMARKS]
)
def test_a_benchmark_prints_its_rows_and_keeps_them(what: str, tmp_path: Path) -> None:
    rows = printed_and_kept([what, *TINY[what]], tmp_path / "out")
    assert {(row["what"], row["by"]) for row in rows} == ROWS[what]
    # A comparison with another library is in tests/reference.
    compared = what not in ("train", "explain", "lime")
    assert any(row["ratio"] for row in rows) == compared


def test_lime_is_measured_for_separate_networks_and_for_heads_on_one_trunk() -> None:
    with console.capture() as capture:
        bench(["lime", *TINY["lime"]])
    assert "separate networks" in capture.get()
    assert "heads on one trunk" in capture.get()


def test_a_vision_transformer_is_measured_with_the_methods_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vit, "ViT", partial(vit.ViT, width=12, depth=1))
    options = ["--model", "vit-s", "--image-size", "32", "--images", "2", "--rounds", "1"]
    rows = printed_and_kept(["network", *options], tmp_path / "out")
    methods = ("saliency", "smooth_grad", "integrated_gradients")
    bys = {by for _, by in ROWS["network"]}
    assert {(row["what"], row["by"]) for row in rows} == {(m, by) for m in methods for by in bys}


def test_without_a_comparison_no_other_library_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        assert not name.startswith(("torch", "captum", "lime"))
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for what in ("train", "explain", "lime"):
        with console.capture() as capture:
            bench([what, *TINY[what]])
        assert "ratio" not in capture.get()


def test_opencv_decodes_the_same_photos() -> None:
    with console.capture() as capture:
        bench(["input", *TINY["input"], "--against", "opencv"])
    assert "OpenCV" in capture.get()


@pytest.mark.long
@pytest.mark.parametrize("what", ["train", "explain"])
def test_a_benchmark_computes_in_bfloat16(what: str, tmp_path: Path) -> None:
    methods = ["--methods", *METHODS] if what == "explain" else []
    with console.capture() as capture:
        bench([what, *TINY[what], *methods, "--dtype", "bfloat16", "--out", str(tmp_path)])
    assert "bfloat16" in capture.get()
    (results,) = json.loads((tmp_path / "bench.json").read_text())["results"]
    measured = {row["what"] for row in results["rows"]}
    assert measured >= set(METHODS if what == "explain" else ())


@pytest.mark.parametrize("what", ["train", "explain"])
def test_a_profile_follows_what_was_measured(what: str, tmp_path: Path) -> None:
    with console.capture() as capture:
        bench([what, *TINY[what], "--profile", "--out", str(tmp_path)])
    _, profile = json.loads((tmp_path / "bench.json").read_text())["results"]
    assert 1 <= len(profile["rows"]) <= 10
    table = (tmp_path / "bench.md").read_text()
    for row in profile["rows"]:
        assert row["kind"] in capture.get()
        assert f"| {row['kind']} | {row['longest']} |" in table


def test_a_size_that_is_named_twice_is_measured_once(tmp_path: Path) -> None:
    twice = ["--sizes", "2", "1", "2"]
    with console.capture():
        bench(["members", *NETWORKS, "--batch-size", "4", *twice, "--out", str(tmp_path)])
    (results,) = json.loads((tmp_path / "bench.json").read_text())["results"]
    sizes = ["2 members", "2 members", "1 member", "1 member"]  # together, and one by one
    assert [row["what"] for row in results["rows"]] == sizes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--model", "vgg16", "--image-size", "16"], "--image-size 16 .* at least 32"),
        (["compile", "--model", "small-vgg", "--image-size", "8"], "at least 16"),
        (["lime", "--against", "lime"], "pip install lime"),
        (["explain", "--against", "torch"], "pip install torch captum"),
        (["train", "--out", str(Path(__file__))], "is a file"),
        (["lime", "--samples", "1"], "--samples 1: .* at least 2"),
        (["scores", "--image-size", "30"], "--image-size 30: .* a multiple of 14"),
        (["network", "--model", "vit-s", "--image-size", "40"], "--image-size 40: .* of 16$"),
        (
            ["network", "--model", "vit-s", "--methods", "saliency", "grad_cam", "guided_backprop"],
            "--methods grad_cam guided_backprop: vit-s has no .*: choose from saliency, .*, lime$",
        ),
    ],
)
def test_a_mistake_raises_before_the_machine_is_measured(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr("jaxens.benchmarks.machine.measure", lambda: pytest.fail("measured"))
    monkeypatch.setattr(checks.importlib, "import_module", absent)
    with pytest.raises(UserError, match=message):
        bench(arguments)


def test_a_flag_of_another_benchmark_is_refused() -> None:
    with pytest.raises(UserError, match=r"--samples.*python -m jaxens\.bench train --help"):
        bench(["train", "--samples", "3"])
    with pytest.raises(UserError, match=r"there is no benchmark 'walk'"):
        bench(["walk"])
