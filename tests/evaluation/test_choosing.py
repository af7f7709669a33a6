"""The images that `evaluate` takes are a fair sample of the set."""

from collections import Counter
from pathlib import Path

import jaxens.data
from jaxens.evaluation.choosing import choose_images
from jaxens.evaluation.images import Images
from tests.data import tiny_cub
from tests.evaluation.known import KnownEnsemble


def test_a_limit_of_100_takes_every_class_of_a_set_that_is_sorted_by_class(tmp_path: Path) -> None:
    """As the README advises for a quick look."""
    root = tiny_cub.write(tmp_path, per_species=24)
    for_test = "".join(f"{image} {int(image % 24 < 4)}\n" for image in range(1, 6 * 24 + 1))
    (root / "train_test_split.txt").write_text(for_test)
    data = jaxens.data.open(
        "cub", data_dir=str(root), cache_dir=str(tmp_path / "cache"), image_size=16
    )
    assert (data.test.labels()["species"][:20] == 0).all()  # the file's order
    ensemble = KnownEnsemble((), {}, {})
    for seed in range(3):
        _, sample = choose_images(ensemble, data, Images(limit=100), "birds", seed=seed)
        assert len(sample) == len(set(sample.ids)) == 100
        count = Counter(sample.labels["species"].tolist())
        assert sorted(count) == list(range(6))
        assert set(count.values()) <= {16, 17}  # of 20
        assert "a sample of 100 of the 120 test images" in sample.sample
