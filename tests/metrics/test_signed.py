import inspect

import pytest

from jaxens import metrics

SIGN_DEPENDENT = {
    "normalize",
    "intersection_union",
    "iou",
    "threshold_curves",
    "mean_of_normalized",
    "score",
    "scores_by_size",
}


def signatures():
    for name in metrics.__all__:
        if inspect.isroutine(function := inspect.unwrap(getattr(metrics, name))):
            yield name, inspect.signature(function).parameters


def test_every_score_that_depends_on_the_sign_has_the_argument():
    assert {name for name, parameters in signatures() if "signed" in parameters} == SIGN_DEPENDENT


@pytest.mark.parametrize("name", sorted(SIGN_DEPENDENT))
def test_signed_is_a_keyword_without_a_default(name):
    signed = dict(signatures())[name]["signed"]
    assert signed.kind is inspect.Parameter.KEYWORD_ONLY
    assert signed.default is inspect.Parameter.empty
