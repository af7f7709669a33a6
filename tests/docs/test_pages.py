"""README, CONTRIBUTING and the site are complete and consistent."""

import re
import tomllib
from pathlib import Path

import pytest

import jaxens
from tests.docs.pages import (
    CONTRIBUTING,
    GUIDE,
    GUIDE_PAGES,
    PAGES,
    README,
    ROOT,
    anchors,
    blocks,
    images,
    links,
    prose,
)


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) < 130


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    for link in links(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            include = re.search(r"^```{include} (\S+)", target.read_text(), re.MULTILINE)
            assert anchor in anchors(target.parent / include[1] if include else target), link


def test_the_readme_shows_images_and_links_the_site() -> None:
    assert images(README)
    linked = {(README.parent / link).resolve() for link in links(README) if "://" not in link}
    assert {GUIDE / "quickstart.md", CONTRIBUTING} <= linked


def test_the_guide_is_all_pages_of_its_folder() -> None:
    assert set(GUIDE_PAGES) == set(GUIDE.glob("*.md"))


def test_contributing_names_every_folder_of_the_package() -> None:
    folders = [path.parent for path in Path(jaxens.__file__).parent.glob("*/__init__.py")]
    assert folders
    text = prose(CONTRIBUTING)
    assert [folder.name for folder in folders if f"| `{folder.name}/` |" not in text] == []


def test_files_that_contributing_names_exist() -> None:
    for name in re.findall(r"`((?:jaxens|tests|docs)/[\w./]+)`", prose(CONTRIBUTING)):
        assert (ROOT / name).exists(), name


def test_ci_runs_the_second_command_of_the_readme() -> None:
    train, test = (block.code.strip() for block in blocks(README, "sh")[:2])
    assert "-m jaxens.train" in train
    assert test in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_lowest_constraints_are_the_bounds_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    required = [*project["dependencies"], *extras["notebooks"], *extras["test"]]
    lines = (ROOT / "constraints-min.txt").read_text().splitlines()
    lowest = dict(line.split("==") for line in lines if not line.startswith("#"))
    bounds = dict(requirement.split(">=") for requirement in required)
    assert set(lowest) - {"pyparsing"} == set(bounds)  # that of the lowest Matplotlib
    for name, bound in bounds.items():
        assert f"{lowest[name]}.".startswith(f"{bound}."), name
