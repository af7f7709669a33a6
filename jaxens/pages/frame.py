"""Renders templates: HTML in the frame that all pages share, and Markdown."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from jaxens.tables import plain

TEMPLATES = Path(__file__).parent / "templates"


def render(template: Path, context: Mapping[str, Any]) -> str:
    """Returns a page; what is not from the template is escaped.

    Args:
        template: An HTML file, which may extend `frame.html`, or a Markdown file.
        context: The values of the template.
    """
    html = template.suffix == ".html"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, TEMPLATES]),
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Markdown has no automatic escape: every value goes through `plain`.
        finalize=None if html else _plain,
    )
    return environment.get_template(template.name).render(context)


def _plain(value: Any) -> Any:
    return plain(" ".join(value.split())) if isinstance(value, str) else value
