"""Of a damaged or hostile evaluation, a report shows what it can read, or is one line."""

import contextlib
import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxens.errors import UserError
from jaxens.pages import report
from jaxens.pages.evaluations import evaluated
from jaxens.pages.page_figures import Album
from tests.pages.written import write_run

pytestmark = pytest.mark.slow

FILES = ("settings.json", "tables.csv", "chance.csv", "sizes.csv", "thresholds.csv", "scores.npz")


def copied(run, tmp_path):
    """A copy of the evaluation without its figures, which take the time."""
    folder = tmp_path / "evaluation"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_bytes((run / "evaluation" / name).read_bytes())
    return folder


def is_shown_or_refused(folder):
    with contextlib.suppress(UserError):
        evaluated(folder, Album())


@pytest.mark.parametrize("file", FILES)
def test_with_any_bytes_changed_an_evaluation_is_shown_or_refused_in_one_line(run, tmp_path, file):
    folder = copied(run, tmp_path)
    whole = (folder / file).read_bytes()
    place = st.integers(0, len(whole) - 1)

    @settings(max_examples=120, deadline=None, derandomize=True, database=None)
    @given(place, st.binary(max_size=4), st.integers(0, 4))
    def holds(start, other, lost):
        (folder / file).write_bytes(whole[:start] + other + whole[start + lost :])
        is_shown_or_refused(folder)

    holds()


VALUES = (None, True, -1, 10**400, 1e308, "", "nan", "iou")
NESTS = ([], [3], [[]], ["lime"], ["\ud800"], {}, {"a": []})
NUMBERS = ("", "-1", "1e308", "1e999", "-inf", "nan", "9" * 5000, "٣", "x", "0")
ARRAYS = (np.zeros(0), np.array("x"), np.zeros((2, 2)), np.full(20, 1e308), np.ones(3, bool))


def test_with_any_setting_replaced_an_evaluation_is_shown_or_refused_in_one_line(run, tmp_path):
    folder = copied(run, tmp_path)
    known = json.loads((folder / "settings.json").read_text())

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(sorted(known)), st.sampled_from(VALUES + NESTS))
    def holds(name, value):
        (folder / "settings.json").write_text(json.dumps(known | {name: value}))
        is_shown_or_refused(folder)

    holds()


def test_with_any_number_replaced_an_evaluation_is_shown_or_refused_in_one_line(run, tmp_path):
    folder = copied(run, tmp_path)
    tables = {name: (folder / name).read_text() for name in FILES if name.endswith(".csv")}
    numbers = st.sampled_from(NUMBERS)

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(sorted(tables)), st.data())
    def holds(name, data):
        rows = list(csv.reader(tables[name].splitlines()))
        row, column = data.draw(st.integers(1, len(rows) - 1)), data.draw(st.integers(0, 9))
        rows[row][column % len(rows[row])] = data.draw(numbers)
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        is_shown_or_refused(folder)
        (folder / name).write_text(tables[name])

    holds()


def test_scores_of_other_shapes_and_types_are_shown_or_refused_in_one_line(run, tmp_path):
    folder = copied(run, tmp_path)
    with np.load(folder / "scores.npz") as file:
        known = dict(file)
    for name in known:
        for other in ARRAYS:
            np.savez(folder / "scores.npz", **(known | {name: other}))
            is_shown_or_refused(folder)


def test_with_any_byte_changed_a_picture_is_shown_or_refused_in_one_line(tmp_path):
    path = tmp_path / "a.png"
    Image.new("P", (9, 7), 3).save(path, transparency=1)
    whole = path.read_bytes()
    for place in range(len(whole)):
        for change in (1, 64, 255):
            changed = bytes([whole[place] ^ change])
            path.write_bytes(whole[:place] + changed + whole[place + 1 :])
            with contextlib.suppress(UserError):
                Album().of_file(path, "title", "words", "reading")


@pytest.mark.parametrize(
    "name", ["look.png", "arrows", "metrics.jsonl", "evaluation/tables.csv", "evaluation/sizes"]
)
def test_a_link_out_of_the_run_is_never_shown(tmp_path, name):
    run = write_run(tmp_path / "run")
    (run / "evaluation").mkdir()
    (run / "evaluation" / "settings.json").write_text("{}")
    Image.new("RGB", (9, 7)).save(tmp_path / "secret.png")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(tmp_path / "secret.png")
    with pytest.raises(UserError, match=rf"{name} leads out of .*run: remove it"):
        report(run)
