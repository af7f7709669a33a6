"""HTML pages: one that reports on a run and its evaluations, and the frame that all pages share.

from jaxens.pages import report

page = report("runs/fieldmarks")  # the text of an HTML file without other files
"""

import lazy_loader

# `--help` must not load JAX.
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"reporting": ["report"]})
