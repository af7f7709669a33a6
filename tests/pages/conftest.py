"""The known ensemble and split of the evaluation's tests."""

from tests.evaluation.conftest import ensemble, split

__all__ = ["ensemble", "split"]
