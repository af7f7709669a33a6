"""Files of strangers are read without waiting, without traceback, and inside of a folder."""

import contextlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxens.annotation import Rules
from jaxens.annotation import files as annotations
from jaxens.errors import UserError
from jaxens.evaluation import provenance, results
from jaxens.untrusted import (
    check_tree,
    parse_json,
    read_arrays,
    read_bytes,
    read_text,
)


def test_a_byte_order_mark_is_no_text(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfa = 1")
    assert read_text(tmp_path / "a.toml") == "a = 1"


@pytest.mark.parametrize("read", [read_bytes, read_text, read_arrays])
def test_a_pipe_or_a_device_is_never_read(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match="not a regular file"):
            read(path)


@pytest.mark.parametrize("nested", ["[" * 60 + "]" * 60, '{"a":' * 60 + "1" + "}" * 60])
def test_deep_nests_are_refused_and_wide_ones_read(nested):
    for text in (nested, "[" * 10_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(text)
    assert parse_json("[[1], [[2]], []]") == [[1], [[2]], []]


def test_arrays_are_read_or_called_damaged_whatever_byte_changes(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.arange(3), name=np.array(["bird", "é"]))
    whole = path.read_bytes()
    assert read_arrays(path)["x"].tolist() == [0, 1, 2]

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(st.integers(0, len(whole) - 1), st.integers(1, 255))
    def holds(place, change):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :])
        with contextlib.suppress(ValueError):
            read_arrays(path)

    holds()
    np.savez(path, x=np.array([{}], object))
    with pytest.raises(ValueError, match="damaged"):
        read_arrays(path)


def test_links_out_of_a_folder_pipes_and_devices_are_named(tmp_path):
    inside, outside = tmp_path / "run", tmp_path / "other"
    (inside / "a" / "b").mkdir(parents=True)
    outside.mkdir()
    (inside / "a" / "again").symlink_to(inside / "a")
    check_tree(inside / "a", inside)
    check_tree(inside / "missing", inside)
    link = inside / "a" / "b" / "link"
    for target in (outside, outside / "missing", Path("/dev/zero")):
        link.symlink_to(target)
        with pytest.raises(UserError, match=r"link leads out of .*run: remove it"):
            check_tree(inside / "a", inside)
        link.unlink()
    os.mkfifo(link)
    with pytest.raises(UserError, match="link is not a regular file"):
        check_tree(inside / "a", inside)


CHECKS = {
    "saliency/explanation.json": lambda folder: provenance.check_folders(
        folder, {"saliency": {"explained": {"task": "wing"}}}
    ),
    "settings.json": lambda folder: results.check_folder(folder, {"methods": ("lime",)}),
    "annotations.json": lambda folder: annotations.check_folder(
        folder, ["a"], Rules(), {"run": "a"}
    ),
}
SAME = {
    "saliency/explanation.json": {"explained": {"task": "wing"}, "versions": {}},
    "settings.json": {"methods": ["lime"]},
    "annotations.json": json.loads(annotations.to_json([], Rules(), {"run": "a"}))
    | {"images": [{"name": "a"}]},
}


@pytest.mark.parametrize("name", CHECKS)
def test_what_a_folder_holds_is_the_same_or_one_line(tmp_path, name):
    """Whatever a stranger has put there."""
    path = tmp_path / name
    CHECKS[name](tmp_path)  # an empty folder
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(SAME[name]))
    CHECKS[name](tmp_path)
    nested = ("[" * 10_000, "[" * 900 + "]" * 900)
    others = ('{"explained": {}, "images": []}', '{"images": [3]}', '{"images": 3}')
    for content in ("[]", "null", "3", '"a"', "{}", "\xff", *nested, *others):
        path.write_text(content, encoding="latin-1")
        with pytest.raises(UserError, match="name another `out`, or remove"):
            CHECKS[name](tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match=f"{path.name} can't be read"):
        CHECKS[name](tmp_path)


def test_arrays_that_are_too_large_are_not_called_damaged(tmp_path, monkeypatch):
    np.savez(tmp_path / "scores.npz", scores=np.zeros(100))
    monkeypatch.setattr("jaxens.untrusted._MOST_OF_ARRAYS", 100)
    with pytest.raises(ValueError, match=r"^its arrays take more than 4 GB$"):
        read_arrays(tmp_path / "scores.npz")
