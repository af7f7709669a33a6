"""FieldMarks: the embedded data set of drawn birds."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"intervention": ["redraw"], "species": ["BILL_LENGTHS", "Traits"]}
)
