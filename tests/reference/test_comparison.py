"""The guide's table from Captum's names to ours: all names exist."""

import inspect
import re
from pathlib import Path

from captum import attr as captum

from jaxens import attribution as attr

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "comparison.md"


def rows_of_table():
    lines = PAGE.read_text().split("| Captum | jaxens |")[1].split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]
    assert len(rows) >= 15
    return rows


def arguments_of(function):
    return set(inspect.signature(function).parameters)


def test_captum_has_the_names_of_the_renaming_table():
    methods = [value for value in vars(captum).values() if hasattr(value, "attribute")]
    arguments = {name for method in methods for name in arguments_of(method.attribute)}
    for captums, _ in rows_of_table():
        named = re.findall(r"`([A-Z]\w+)(?:\.(\w+))?", captums)
        for name, method in named:
            assert hasattr(getattr(captum, name), method or "attribute"), name
        allowed = arguments
        if named and named[0][0] not in ("LayerGradCam", "LayerAttribution"):
            allowed = arguments_of(getattr(captum, named[0][0]).attribute)
        assert set(re.findall(r"(\w+)=", captums)) <= allowed, captums


def test_jaxens_has_the_names_of_the_renaming_table():
    accepted = {
        name
        for function in [*vars(attr).values(), attr.smooth_grad(attr.saliency)]
        if inspect.isfunction(function)
        for name in arguments_of(function)
    }
    for _, ours in rows_of_table():
        assert all(hasattr(attr, name) for name in re.findall(r"`attr\.(\w+)", ours)), ours
        assert set(re.findall(r"(\w+)=", ours)) <= accepted, ours
