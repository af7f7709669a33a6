"""The attribution and metrics packages stand alone, and nothing imports a command."""

import ast
from pathlib import Path

import pytest

import jaxens

ROOT = Path(jaxens.__file__).parent
COMMANDS = {f"jaxens.{name}" for name in ("train", "explain", "evaluate", "browse", "bench")}


def imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("package", ["attribution", "metrics", "ops", "viz"])
def test_a_package_that_stands_alone_imports_nothing_else_of_jaxens(package):
    files = list((ROOT / package).glob("*.py"))
    assert files
    for file in files:
        ours = {name for name in imports(file) if name.startswith("jaxens")}
        assert all(name.startswith(f"jaxens.{package}") for name in ours), file


def test_models_know_operations_alone():
    for file in (ROOT / "models").glob("*.py"):
        ours = {name for name in imports(file) if name.startswith("jaxens")}
        assert all(name.startswith(("jaxens.models", "jaxens.ops")) for name in ours), file


def test_nothing_imports_a_command():
    for file in ROOT.rglob("*.py"):
        assert not COMMANDS & set(imports(file)), file
