"""`.ci/run` and the workflow on GitHub run all tests."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("file", [".ci/run", ".github/workflows/ci.yml"])
def test_tests_that_are_left_out_by_default_are_run_too(file: str) -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    left_out = set(re.findall(r"not (\w+)", options["addopts"]))
    assert left_out
    assert set(re.findall(r"pytest .*-m (\w+)$", (ROOT / file).read_text(), re.M)) == left_out
