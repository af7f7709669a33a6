"""If any bit of a line of the metrics log has changed, the line is named and left out."""

import json

import pytest

from jaxens.ensemble.quality import Quality
from jaxens.runs.log import from_line, read_lines, to_line

SCORE = Quality("species", "accuracy", (0.25, float("nan")), 0.5, 0.1).as_dict()
EPOCH = {
    "epoch": 1,
    "step": 3,
    "loss": [8.25, None],
    "diverged_at": [None, 2],
    "member_images_per_second": 513.5,
    "val": {"species": SCORE},
}
FINAL = {"test": {"species": SCORE}, "diverged_at": [None, None]}


@pytest.mark.parametrize("numbers", [EPOCH, FINAL])
def test_a_line_is_read_as_it_was_written(numbers):
    read = from_line(to_line(numbers).encode())
    assert json.dumps(read) == json.dumps(numbers)  # NaN differs from itself


def test_a_line_without_a_checksum_is_damaged():
    with pytest.raises(ValueError, match="its checksum differs"):
        from_line(json.dumps(EPOCH).encode())


def test_no_flipped_bit_changes_a_line_silently():
    line = to_line(EPOCH).encode().removesuffix(b"\n")
    for place in range(len(line)):
        for bit in (1, 4, 128):
            flipped = bytearray(line)
            flipped[place] ^= bit
            with pytest.raises(ValueError):  # noqa: PT011
                from_line(bytes(flipped))


@pytest.mark.parametrize(
    "damaged",
    [b"3", b"[]", b"{}", b"[" * 10_000, b"\xff", b'{"test": {"species": {"ensemble": "high"}}}'],
)
def test_a_damaged_line_is_named_and_left_out(tmp_path, caplog, damaged):
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(to_line(EPOCH).encode() + damaged + b"\n" + to_line(FINAL).encode() + b'{"ep')
    assert [list(line) for line in read_lines(file)] == [list(EPOCH), list(FINAL)]
    assert f"{file}: line 2 is damaged (" in caplog.text
    assert f"{file}: line 4 is half-written" in caplog.text
    assert len(caplog.records) == 2


def test_a_run_before_its_first_epoch_has_no_lines(tmp_path):
    assert read_lines(tmp_path / "metrics.jsonl") == []
