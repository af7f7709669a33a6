"""Which images an experiment explains."""

import pytest

from jaxens.reproduction.images import held_out
from jaxens.runs.run import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def cache_dir(run):
    return run.flags[run.flags.index("--cache-dir") + 1]


def test_images_of_another_data_set_have_their_prediction_explained(run, cache_dir):
    opened = Run.open(run.folder)
    other = held_out(opened, {"on": "fieldmarks", "attributes": "independent"}, {}, cache_dir, 0)
    own = held_out(opened, {}, {}, cache_dir, 0)
    assert (other.explained, own.explained) == ("prediction", "label")
    assert "independent" in other.split.sample
    assert own.split.sample == ""
    assert (other.split.images != own.split.images).any()
    assert len(other.train) == len(own.train)


def test_a_sample_is_taken_where_an_experiment_asks_for_one(run, cache_dir):
    sample = held_out(Run.open(run.folder), {"limit": 5, "explain": "prediction"}, {}, cache_dir, 0)
    assert len(sample.split) == 5
    assert sample.explained == "prediction"
