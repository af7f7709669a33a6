"""FLOP equal the numbers that papers give."""

import pytest

from jaxens.models.flops import work_of


def test_multiply_adds_equal_published_numbers() -> None:
    assert work_of("resnet18", 1000, 224).forward / 2 == pytest.approx(1.81e9, rel=0.01)
    assert work_of("vgg16", 1000, 224).forward / 2 == pytest.approx(15.35e9, rel=0.01)
