"""The pages of the documentation: their code, links and tables."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GUIDE = DOCS / "guide"

# In reading order: the code of a page continues that of the pages before it.
GUIDE_PAGES = [
    GUIDE / f"{name}.md"
    for name in (
        "quickstart",
        "methods",
        "scores",
        "own-model",
        "own-data",
        "large-jobs",
        "plan",
        "several-devices",
        "launch",
        "trained-run",
        "weights",
        "arrows",
        "reproduce",
        "comparison",
        "faq",
    )
]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
PAGES = [README, CONTRIBUTING, *sorted(DOCS.rglob("*.md"))]


class Block(NamedTuple):
    """Fenced code and the line of its page where it begins."""

    language: str
    code: str
    line: int


def blocks(page: Path, language: str | None = None) -> list[Block]:
    text = page.read_text()
    fences = re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    every = [Block(m[1], m[2], text.count("\n", 0, m.start(2))) for m in fences]
    return [block for block in every if language in (None, block.language)]


def prose(page: Path) -> str:
    """The text of a page without its fenced code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def images(page: Path) -> list[Path]:
    """The images that a page shows."""
    return [page.parent / path for path in re.findall(r"!\[[^]]+\]\(([^)]+)\)", prose(page))]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table(page: Path, first: str, second: str) -> dict[str, list[str]]:
    """The cells of a table by its first column. Finds it by the titles of two columns."""
    lines = page.read_text().splitlines()
    (head,) = [n for n, line in enumerate(lines) if line.startswith(f"| {first} | {second} |")]
    rows = {}
    for line in lines[head + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows[name.strip("`")] = cells
    return rows
