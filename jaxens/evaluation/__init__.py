"""Evaluations and explanations of an ensemble: questions, maps, scores and tables."""

import lazy_loader

# Importing the settings must not load JAX: `--help` reads them.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "augmented": ["augmented"],
        "browsing": ["split_figure"],
        "evaluating": ["evaluate", "plan_evaluation"],
        "results": ["Evaluation"],
        "explanation": ["Explanation"],
        "explaining": ["explain"],
        "maps": ["background_images"],
        "settings": ["PAPER_METHODS", "Display", "MethodSettings"],
        "transfer": ["on_other"],
    },
)
