"""Curves are drawn so that all of them can be read."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from jaxens.viz import curves


@pytest.mark.parametrize("methods", [["saliency"], ["saliency", "grad_cam", "lime"]], ids=len)
def test_a_title_fits_above_the_panels(methods, monkeypatch, tmp_path: Path) -> None:
    drawn: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: (drawn.append(self), save(self, *a, **k))[1]
    )
    flat = np.linspace(0, 1, 11)
    curve = SimpleNamespace(mean=flat, low=flat - 0.1, high=flat + 0.1)
    sizes = {(m, "iou"): SimpleNamespace(curve=curve, individual=0.2) for m in methods}
    assert curves.draw_sizes(sizes, "wing_pattern of the bird", tmp_path / "sizes.png").exists()
    (figure,) = drawn
    title = figure.texts[0].get_window_extent()
    panels = [axes.title.get_window_extent() for axes in figure.axes]
    assert title.x1 <= figure.bbox.x1
    assert title.y1 <= figure.bbox.y1
    assert title.y0 >= max(panel.y1 for panel in panels)
