"""Progress is shown as a bar in a terminal, and as a line every 30 seconds in a log."""

import io

import numpy as np
import pytest
from rich.console import Console

from jaxens.cli import live, progress
from jaxens.cli.progress import bar
from jaxens.training.layout import MeshLayout


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replaces the clock by a number of seconds that tests set."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_has_a_line_every_half_a_minute(clock):
    log = Console(file=io.StringIO(), width=40)
    with bar(log) as advance:
        for clock[0], done in ((10, 1), (31, 2), (45, 3), (62, 4)):
            advance("lime on [red] \x1b[2J", done, 8)
    lines = [line.rstrip() for line in log.file.getvalue().splitlines()]
    assert lines[:2] == ["lime on [red] \\x1b[2J (25%)", "lime on [red] \\x1b[2J (50%)"]
    assert len(lines) == 3  # and the bar as it is at the end


def test_a_terminal_has_a_bar_and_no_lines(clock):
    terminal = Console(file=io.StringIO(), width=80, force_terminal=True)
    with bar(terminal) as advance:
        for clock[0], done in ((10, 1), (50, 2)):
            advance("lime", done, 8)
    assert "lime (25%)" not in terminal.file.getvalue()


def test_the_log_of_a_training_says_how_far_it_is(clock, monkeypatch):
    log = Console(file=io.StringIO(), width=120)
    monkeypatch.setattr(live, "console", log)
    shown = live.Live()
    shown.begin(8, 2, 2, MeshLayout(1, 1))
    for clock[0] in (10.0, 31.0):
        shown.step(1, np.array([1.0, 3.0]), 50.0)
    shown.end()
    (line, *_) = log.file.getvalue().splitlines()
    assert line == "epoch 1/2, this step: loss 2.000 ± 1.000  50 member-images/s (50%)"
