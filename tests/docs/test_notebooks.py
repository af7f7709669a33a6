"""The notebooks are executed, small, and hold nothing of the machine that executed them."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT

FOLDER = ROOT / "notebooks"
SOURCES = sorted(path for path in FOLDER.glob("*.py") if path.name != "execute.py")


def cells_of(source: Path) -> list[dict[str, Any]]:
    return json.loads(source.with_suffix(".ipynb").read_text())["cells"]


def test_all_notebooks_are_executed_by_the_script() -> None:
    script = ast.parse((FOLDER / "execute.py").read_text())
    (names,) = (
        ast.literal_eval(node.value)
        for node in script.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NAMES"
    )
    assert sorted(names) == [source.stem for source in SOURCES]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_notebook_is_executed_in_order_without_an_error(source: Path) -> None:
    code = [cell for cell in cells_of(source) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert {output["output_type"] for cell in code for output in cell["outputs"]} <= {
        *("display_data", "execute_result", "stream"),
    }
    assert any(cell["outputs"] for cell in code)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_notebook_has_the_code_of_its_source(source: Path) -> None:
    text = source.read_text()
    for cell in cells_of(source):
        if cell["cell_type"] == "code":
            code = "".join(cell["source"]).replace("%matplotlib inline", "# %matplotlib inline")
            assert code in text


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_notebook_is_small_and_names_no_folder_of_a_machine(source: Path) -> None:
    text = source.with_suffix(".ipynb").read_text()
    assert len(text) < 600_000
    assert not re.findall(r"/(?:tmp|root|home|Users|work)/", text)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_photos_of_other_people_are_not_kept(source: Path) -> None:
    for cell in cells_of(source):
        if "photos" in cell["metadata"].get("tags", []):
            assert not any("image/png" in output.get("data", {}) for output in cell["outputs"])


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_no_result_is_a_list_of_the_parts_of_a_figure(source: Path) -> None:
    outputs = [output for cell in cells_of(source) for output in cell.get("outputs", [])]
    texts = ["".join(output.get("data", {}).get("text/plain", "")) for output in outputs]
    assert not [text for text in texts if re.search(r" at 0x|Text\(|matplotlib\.", text)]
