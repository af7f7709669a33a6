"""What the commands print: names from files are data, and any encoding of the output works."""

import io
import logging
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxens.cli import parser, tables
from jaxens.cli.console import console, say, uncut
from jaxens.data.photos import Photos
from jaxens.data.schema import Task
from jaxens.ensemble.predictions import Predictions
from jaxens.ensemble.quality import Quality
from jaxens.errors import UserError
from jaxens.evaluation.predictions import Subject

NAMES = st.text(st.characters(), min_size=1, max_size=60) | st.sampled_from(
    ["[/red]", "[bold]x", "\x1b[2J\x1b]0;t\x07", "a\r\nb", "\u202egnp", "x" * 10_000, "\udcff"]
)


def printed(thing):
    with console.capture() as capture:
        say(thing)
    return capture.get()


def quality_of(name):
    score = Quality(task=name, measure="accuracy", members=(0.5, 0.6), ensemble=0.7, chance=0.1)
    return tables.quality([score], 10)


def predictions_of(name):
    task = Task.multiclass(name, (name, "other"))
    photos = Photos([name], np.zeros((1, 2, 2, 3), np.uint8), np.zeros(1, int), ["0"])
    members = np.full((2, 1, 2), 0.5)
    return tables.predictions(Subject(photos, Predictions(task, members), np.zeros(1, int), 1))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(NAMES)
def test_a_name_is_printed_without_markup_or_codes_for_the_terminal(name):
    for make in (quality_of, predictions_of, lambda name: f"task {name}: 0.5"):
        thing = make(name)
        shown = printed(thing if isinstance(thing, str) else uncut(thing, 400))
        assert not any(not c.isprintable() and c not in "\n\xa0" and c.isascii() for c in shown)
        assert "\u202e" not in shown
        shown.encode()
    table = printed(uncut(quality_of(name), 200))
    assert len([line for line in table.splitlines() if "0.700" in line]) == 1


def test_brackets_of_a_name_are_kept():
    for make in (quality_of, predictions_of):
        assert "[/red]" in printed(uncut(make("[/red]"), 200))


def test_an_error_and_a_warning_are_one_short_line_each(capsys):
    def command():
        logging.getLogger("jaxens").warning("left out \x1b[31ma\nb")
        raise UserError("there is no class " + "\n\x1b[2J" + "x" * 1_000_000)

    with pytest.raises(SystemExit):
        parser.run(command)
    warning, error = capsys.readouterr().err.splitlines()
    assert warning == r"jaxens: left out \x1b[31ma\nb"
    assert error.startswith(r"jaxens: error: there is no class \n\x1b[2Jxxx")
    assert len(error) < 3000


def test_a_warning_is_shown_once_where_a_library_shows_warnings_too(capsys):
    """A handler of the root logger would show the name as it is."""
    other = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(other)
    try:
        parser.run(lambda: logging.getLogger("jaxens.data").warning("left out \x1b[31ma"))
    finally:
        logging.getLogger().removeHandler(other)
    assert capsys.readouterr().err == "jaxens: left out \\x1b[31ma\n"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", r"a +/- b - ... S\xe4ger \u9ce5 \udcff \x1b[2J"),
        ("latin-1", r"a ± b - ... Säger \u9ce5 \udcff \x1b[2J"),
        ("utf-8", r"a ± b – … Säger 鳥 \udcff \x1b[2J"),
    ],
)
def test_output_of_any_encoding_is_printed(encoding, shown, monkeypatch):
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding))
    parser.run(lambda: say("a ± b – … Säger 鳥 \udcff \x1b[2J"))
    sys.stdout.flush()
    assert file.getvalue().decode(encoding) == f"{shown}\n"
