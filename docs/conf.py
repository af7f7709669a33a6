"""Settings of Sphinx. Build the site with: python -m sphinx -W -b html docs build/docs"""

import ast
import inspect
import re
import textwrap
from typing import Any

from sphinx.application import Sphinx

import jaxens

project = "jaxens"
author = copyright = "The jaxens developers"
release = version = jaxens.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"jaxens {release}"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_attr_annotations = False  # it would print jaxtyping's annotations as markup
autodoc_default_options = {"members": True, "no-value": True}
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"


def source_of(obj: Any) -> Any:
    """Returns the syntax tree of a function or class, or None if it has no source."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(obj)))).body[0]
    except (OSError, TypeError, IndentationError):
        return None


def signature_of_source(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, args: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Returns the signature as written: jaxtyping's annotations expand to long unions."""
    if what == "exception":
        return None
    source = source_of(obj)
    if isinstance(source, ast.FunctionDef):
        positional = source.args.posonlyargs or source.args.args
        if positional and positional[0].arg in ("self", "cls"):
            positional.pop(0)
        result = source.returns and ast.unparse(source.returns).strip("'")
        return f"({ast.unparse(source.args)})", result
    if isinstance(source, ast.ClassDef) and not any(
        isinstance(node, ast.FunctionDef) and node.name == "__init__" for node in source.body
    ):  # a dataclass or a named tuple
        classes = [cls for cls in reversed(obj.__mro__) if cls.__module__.startswith("jaxens.")]
        nodes = [node for cls in classes for node in getattr(source_of(cls), "body", ())]
        fields = {node.target.id: node for node in nodes if isinstance(node, ast.AnnAssign)}
        for field in fields.values():
            kind = field.annotation
            if isinstance(kind, ast.Subscript) and ast.unparse(kind.value) == "Annotated":
                field.annotation = kind.slice.elts[0]  # without the flag of the command line
        return f"({', '.join(ast.unparse(field) for field in fields.values())})", None
    return None


def markdown_to_rst(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Marks code in docstrings, which is between single backticks as in Markdown, for RST."""

    def escaped(match: re.Match[str]) -> str:
        return match[0] if match[0].startswith("**") else f"\\{match[0]}"

    pieces = re.split(r"(`+[^`]+`+)", "\n".join(lines))
    for i, piece in enumerate(pieces):
        if not piece.startswith("`"):
            pieces[i] = re.sub(r"\*\*\w[^*]*\*\*|\*|\||(?<=\w)_(?!\w)", escaped, piece)
            continue
        before, after = pieces[i - 1], pieces[i + 1]
        joined = "\\ " if after[:1].isalnum() else ""
        pieces[i] = piece if before.endswith(":") else f"``{piece.strip('`')}``{joined}"
    lines[:] = "".join(pieces).split("\n")


def skip(app: Sphinx, what: str, name: str, obj: Any, skipped: bool, options: Any) -> bool | None:
    """Skips what others document: the fields of named tuples, and functions kept in fields."""
    documented = getattr(obj, "__doc__", None) or ""
    foreign = callable(obj) and not str(getattr(obj, "__module__", "")).startswith("jaxens")
    return True if documented.startswith("Alias for field") or foreign else None


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-signature", signature_of_source)
    app.connect("autodoc-process-docstring", markdown_to_rst, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", skip)
