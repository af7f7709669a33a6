"""What annotations of photos take from the data set that the ensemble was trained on."""

from typing import Any

from jaxens.annotation.calibration import calibrate
from jaxens.annotation.wording import typical
from jaxens.data.progress import Progress, no_progress
from jaxens.data.source import DataSet, load
from jaxens.ensemble.ensemble import Ensemble
from jaxens.evaluation.maps import background_images


def from_data(
    ensemble: Ensemble, data: DataSet, method: str, progress: Progress = no_progress
) -> dict[str, Any]:
    """Returns arguments of `annotate`: temperatures, typical classes, and background images.

    Args:
        ensemble: The ensemble.
        data: The data set that it was trained on.
        method: The name of the method that locates sightings.
        progress: Called after each validation image.
    """
    return {
        "temperatures": calibrate(ensemble, load(data.val, progress)),
        "typical": typical(data.train.labels(), ensemble.tasks),
        "background": background_images(data.train, [method]),
    }
