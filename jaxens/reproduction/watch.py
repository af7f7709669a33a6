"""Receives the progress of a reproduction."""

from jaxens import runs


class Watch(runs.Watch):
    """Receives the progress, and ignores it. Override the methods that you need."""

    def experiment(self, name: str, number: int, total: int, seconds: float) -> None:
        """Called before an experiment.

        Args:
            name: The experiment.
            number: The first is 1.
            total: How many experiments there are.
            seconds: Seconds since the reproduction began.
        """

    def note(self, text: str) -> None:
        """Called with a sentence about what is done or has failed."""
