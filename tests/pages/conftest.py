"""A run with an evaluation, both of hostile names."""

from dataclasses import replace

import pytest

from jaxens.evaluation import evaluate
from tests.evaluation.conftest import ensemble, split
from tests.evaluation.known import PAIR, PROTOCOL, SETTINGS
from tests.pages.written import HOSTILE, write_run

__all__ = ["ensemble", "split"]


@pytest.fixture(scope="module")
def evaluation(ensemble, split):
    """An evaluation whose question and images have hostile names."""
    split = replace(split, ids=[f"{HOSTILE}{i}" for i in range(len(split))])
    made = evaluate(
        ensemble,
        split,
        methods=PAIR,
        protocol=PROTOCOL,
        settings=SETTINGS,
        orders=3,
        examples=True,
    )
    (result,), (examples,) = made.results, made.examples.values()
    rows = [replace(row, question=HOSTILE) for row in result.rows]
    chance = [replace(row, question=HOSTILE) for row in result.chance]
    question = replace(result.question, name=HOSTILE)
    return replace(
        made,
        results=(replace(result, question=question, rows=rows, chance=chance),),
        examples={HOSTILE: replace(examples, question=HOSTILE)},
        settings={**made.settings, "questions": [HOSTILE]},
    )


@pytest.fixture(scope="module")
def run(evaluation, tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("runs") / "run")
    evaluation.save(folder / "evaluation", "Scores")
    (folder / "arrows").mkdir()
    (folder / "arrows" / "hits.csv").write_text("question,hits\n<i>a</i>,0.123456\n\u202eb,nan\n")
    return folder
