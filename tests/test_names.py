"""Names from files are shown on one line, drawn as they are, and never a path."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jaxens.names import LONGEST_FILE, encodable, file_name, file_names, shorten, visible

# Any character: surrogates stand for bytes of a file name that are no UTF-8.
ANY = st.text(st.characters(), max_size=40) | st.text(
    "\x1b[31m\u202e\r\n/\\.$[]:\udcff", max_size=40
)
NASTY = ["[/red]", "\x1b[2J", "a\nb", "\u202egnp.exe", "x" * 10_000, "\udcff\udcfe", "../../../e"]


def cases(test):
    for name in NASTY:
        test = example(name)(test)
    return settings(max_examples=200, deadline=None, derandomize=True)(given(ANY)(test))


@cases
def test_what_is_shown_has_no_character_that_cannot_be_seen(name):
    shown = visible(name)
    assert "\n" not in shown
    assert not any(unicodedata.bidirectional(c) in ("RLO", "LRO", "RLE", "RLI") for c in shown)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in shown)
    shown.encode()  # UTF-8
    assert visible(shown) == shown


@cases
def test_a_shortened_name_is_short_and_visible_and_keeps_its_ends(name):
    shown = shorten(name, 20)
    assert len(shown) <= 20
    assert shown == visible(shown) == shorten(shown, 20)
    if len(visible(name)) <= 20:
        assert shown == visible(name)
    else:
        assert "…" in shown
        assert shown[:9] == visible(name[:20])[:9]
        assert shown[-9:] == visible(name[-20:])[-9:]


@cases
def test_a_file_name_stays_in_its_folder(name):
    file = file_name(name)
    assert 0 < len(file.encode()) <= LONGEST_FILE
    assert file not in (".", "..")
    assert not file.startswith(".")
    assert file == Path(file).name  # no separator
    assert not set(file) & set('/\\:*?"<>|\0 \n')


@given(st.lists(ANY | st.sampled_from(["a b", "a_b", "A_b", "a: b", "a-b", *NASTY]), unique=True))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_different_names_are_different_files(names):
    files = [file.casefold() for file in file_names(names)]
    assert len(set(files)) == len(names)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("wing_pattern", "wing_pattern"),
        ("marks: red crown", "marks-red_crown"),
        ("Säger", "Säger"),
        ("../../../../../escaped", "-..-..-..-..-escaped"),
        ("..", "_"),
    ],
)
def test_an_ordinary_name_keeps_its_letters(name, file):
    assert file_name(name) == file


def test_bytes_of_a_name_that_are_not_utf_8_become_escapes():
    assert encodable("é\udcff鳥\ud800") == r"é\xff鳥\ud800"
    assert encodable(os.fsdecode(b"a\xc3\xa9\xe9")) == r"aé\xe9"
