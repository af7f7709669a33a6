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
        "explanation": ["Explanation", "save_parts"],
        "explaining": ["explain", "explain_in_parts"],
        "maps": ["background_images"],
        "predictions": ["choose_targets"],
        "settings": ["PAPER_METHODS", "Display", "MethodSettings"],
        "transfer": ["on_other"],
    },
)
