"""Figures of relevance maps and their scores: arrays in, a Matplotlib figure out.

    from jaxens import viz

    figure = viz.show(image, map, title="Grad-CAM of the label", signed=True)
    viz.save(figure, "map.png")

Figures are drawn without pyplot, so no window opens and no global state changes. Arrays may come
from NumPy or JAX.
"""

from jaxens.viz.annotations import annotated_images
from jaxens.viz.arrows import Arrow, show_labeled_arrows
from jaxens.viz.curves import size_curves, threshold_curves
from jaxens.viz.files import save
from jaxens.viz.learning import learning_curves
from jaxens.viz.maps import show, show_maps
from jaxens.viz.members import show_centers, show_comparison, show_members

__all__ = [
    "Arrow",
    "annotated_images",
    "learning_curves",
    "save",
    "show",
    "show_centers",
    "show_comparison",
    "show_labeled_arrows",
    "show_maps",
    "show_members",
    "size_curves",
    "threshold_curves",
]
