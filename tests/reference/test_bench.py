"""Benchmarks have a row for each library that they compare with; no time is asserted."""

from pathlib import Path

import pytest

from tests.commands.benchmarks import NETWORKS, printed_and_kept, shorten

pytestmark = pytest.mark.long

MEMBERS = [*NETWORKS, "--members", "2"]
METHODS = ("saliency", "grad_cam")
TINY: dict[str, list[str]] = {
    "train": ["--batch-size", "4", "--against", "torch"],
    "explain": ["--images", "2", "--against", "torch", "--methods", *METHODS],
    "network": ["--images", "1", "--against", "torch", "--methods", "saliency", "lime"],
    "lime": ["--samples", "12", "--against", "lime"],
}
# What each row is, and by which library.
ROWS = {
    "train": {("training step", by) for by in ("jaxens", "PyTorch", "PyTorch, channels_last")},
    "explain": {
        *((m, "jaxens") for m in (*METHODS, "together")),
        *((m, by) for m in METHODS for by in ("Captum", "Captum, channels_last")),
        ("together", "Captum, method by method, the faster variant of each"),
    },
    "network": {
        (what, by)
        for what, peer in (("saliency", "Captum"), ("lime", "marcotcr/lime"))
        for by in (
            *("jaxens, XLA's convolutions", "jaxens, accelerated"),
            *(peer, f"{peer}, channels_last"),
        )
    },
    "lime": {
        ("LIME", by)
        for by in ("jaxens", "marcotcr/lime, batches of 10", "marcotcr/lime, batches of 100")
    },
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("what", ["train", "explain"])
def test_pytorch_is_measured_next_to_jaxens(
    what: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch)
    rows = printed_and_kept([what, *MEMBERS, *TINY[what], "--dtype", dtype], tmp_path / "out")
    assert {(row["what"], row["by"]) for row in rows} == ROWS[what]
    assert any(row["ratio"] for row in rows)


def test_one_network_is_measured_next_to_captum_and_lime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch)
    rows = printed_and_kept(["network", *NETWORKS, *TINY["network"]], tmp_path / "out")
    assert {(row["what"], row["by"]) for row in rows} == ROWS["network"]
    assert all(row["ratio"] for row in rows if row["by"].startswith("jaxens"))


def test_lime_is_measured_next_to_jaxens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)
    rows = printed_and_kept(["lime", *MEMBERS, *TINY["lime"]], tmp_path / "out")
    assert {(row["what"], row["by"]) for row in rows} == ROWS["lime"]
    assert any(row["ratio"] for row in rows)
