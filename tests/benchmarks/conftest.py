"""Nothing here asserts a time."""

import pytest

from jaxens.benchmarks import rounds


@pytest.fixture(autouse=True)
def _short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "LEAST", 0.0)
