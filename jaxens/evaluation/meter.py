"""Reports the progress of an evaluation."""

from collections.abc import Callable, Sequence

from jaxens.attribution import METHODS
from jaxens.data.progress import Progress
from jaxens.evaluation.questions import Question, count_images, with_same_maps
from jaxens.evaluation.settings import MethodSettings


class Meter:
    """Counts calls of the model per member, to which the time that is left is proportional.

    Args:
        questions: All questions.
        methods: Names in `attribution.METHODS`.
        settings: How the methods are run.
        progress: Called with a description, the number of calls that are done, and of all.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        methods: Sequence[str],
        settings: MethodSettings,
        progress: Progress,
    ):
        self._passes = {method: settings.passes(method) for method in methods}
        images = sum(map(count_images, with_same_maps(questions)))
        self._total = images * sum(self._passes.values())
        self._done = 0
        self._progress = progress

    def of(self, questions: Sequence[Question], methods: Sequence[str]) -> Callable[[int], None]:
        """Returns a function to call with the number of images that these methods explained."""
        names = ", ".join(question.name for question in questions)
        description = f"{names}: {', '.join(METHODS[method].title for method in methods)}"
        per_image = sum(self._passes[method] for method in methods)

        def advance(images: int) -> None:
            self._done += images * per_image
            self._progress(description, self._done, self._total)

        advance(0)
        return advance
