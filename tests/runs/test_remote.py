"""A URL is told from a path, and what a listing names can not lead out of its folder."""

import sys
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from jaxens.runs.mirror import local_run
from jaxens.runs.remote import Remote
from jaxens.urls import is_url
from tests.runs.in_memory import ROOT, URL, failing, refusal

pytestmark = pytest.mark.usefixtures("machine")


@pytest.mark.parametrize("text", ["gs://bucket/run", "s3://b", "memory://x", "zip::gs://b/x.zip"])
def test_a_url_is_told_from_a_path(text):
    assert is_url(text)


@pytest.mark.parametrize("text", ["runs/birds", "/runs/a://b", "C:/runs", "C:\\runs", "hf:timm/x"])
def test_a_path_is_told_from_a_url(text):
    assert not is_url(text)
    assert local_run(text) == Path(text)


@pytest.mark.parametrize("place", [Path("gs://bucket/run"), "gs:/bucket/run"])
def test_a_url_that_lost_a_slash_is_no_local_folder(place):
    assert "gs:/bucket/run looks like a URL" in refusal(local_run, place)


@pytest.mark.parametrize(
    "path",
    [
        f"{ROOT}/../../escaped",
        f"{ROOT}/a/../../escaped",
        "/elsewhere/escaped",
        f"{ROOT}//escaped",
        f"{ROOT}/./escaped",
        f"{ROOT}/..\\escaped",
        f"{ROOT}/C:escaped",
        f"{ROOT}/a\0escaped",
        f"{ROOT}/config.toml/escaped",
        ROOT,
    ],
)
def test_a_name_that_leads_out_is_refused(uploaded, monkeypatch, tmp_path, path):
    found = MemoryFileSystem.find

    def find(self, *args, **settings):
        return found(self, *args, **settings) | {path: {"name": path, "size": 1}}

    monkeypatch.setattr(MemoryFileSystem, "find", find)
    assert "which can't be a file of a run" in refusal(local_run, URL)
    assert not list(tmp_path.rglob("*escaped*"))
    assert not list(tmp_path.rglob("one/**/config.toml"))


def test_a_name_is_shown_with_escapes(files):
    files.pipe_file(f"{ROOT}/..\\\x1b[31m", b"red")
    assert r"\x1b[31m" in refusal(local_run, URL)


@pytest.mark.parametrize(("module", "url"), [("gcsfs", "gs://b/run"), ("fsspec", URL)])
def test_a_missing_package_is_named(monkeypatch, module, url):
    loaded = [name for name in sys.modules if name.split(".")[0] == module]
    for name in {module, "fsspec.core" if module == "fsspec" else module, *loaded}:
        monkeypatch.setitem(sys.modules, name, None)
    assert "pip install 'jaxens[gcs]'" in refusal(Remote, url)


def test_an_unknown_protocol_is_one_line():
    assert "nope://b/run can't be opened" in refusal(Remote, "nope://b/run")


def test_no_permission_is_one_line(monkeypatch):
    failing(monkeypatch, "find", lambda path: True)
    assert f"{URL} can't be listed (PermissionError" in refusal(local_run, URL)
