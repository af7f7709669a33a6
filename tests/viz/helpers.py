"""What a figure shows: its pixels, its panels and its texts."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def pixels(figure):
    """The rendered figure as integers [height, width, 3]."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)


def panels(figure):
    """The images of the grid, in the order in which they were drawn."""
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def panel_pixels(figure, index):
    """The rendered pixels of one panel of the grid [height, width, 3]."""
    rendered, axes = pixels(figure), figure.axes[0]
    left, right, bottom, top = axes.images[index].get_extent()
    (x0, y0), (x1, y1) = axes.transData.transform([(left, bottom), (right, top)])
    height = len(rendered)
    rows = slice(round(height - y1), round(height - y0))
    return rendered[rows, round(x0) : round(x1)]


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def all_texts(figure):
    """What is written in a figure and the axes inside of its axes, in one line each."""
    return [text.get_text().replace("\n", " ") for text in figure.findobj(Text)]
