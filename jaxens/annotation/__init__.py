"""Labeled arrows: what an ensemble sees in an image, where, and how sure its members are."""

import lazy_loader

# A command's help reads `rules` without loading JAX.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "annotating": ["annotate"],
        "calibration": ["calibrate"],
        "data_facts": ["from_data"],
        "hits": ["Hits", "hits_table", "reliability_figure"],
        "measuring": ["measure_hits"],
        "files": ["to_json"],
        "schema": ["SCHEMA"],
        "sightings": ["Annotation", "Sighting"],
        "rules": ["Rules"],
        "saving": ["save_annotations"],
        "styles": ["STYLES", "draw"],
        "tips": ["TIPS"],
        "wording": ["typical"],
    },
)
