"""A table is the same rows as data, CSV and Markdown."""

import csv
import io

import pytest

from jaxens.tables import Table

TABLE = Table(("image", "score"), [("a,b", 1 / 3), ('c "d" | e\nf', 2.0), ("none", None)])


def test_a_row_is_a_dict_by_column():
    assert TABLE.to_dicts()[0] == {"image": "a,b", "score": 1 / 3}
    assert len(TABLE) == len(TABLE.to_dicts()) == 3


def test_csv_reads_back_with_all_digits():
    header, *rows = csv.reader(io.StringIO(TABLE.to_csv()))
    assert header == ["image", "score"]
    assert [row[0] for row in rows] == ["a,b", 'c "d" | e\nf', "none"]
    assert float(rows[0][1]) == 1 / 3
    assert rows[2][1] == ""


def test_markdown_rounds_numbers_and_escapes_what_would_end_a_cell():
    assert TABLE.to_markdown().splitlines() == [
        "| image | score |",
        "| --- | --- |",
        "| a,b | 0.333 |",
        r'| c "d" \| e f | 2.000 |',
        "| none | None |",
    ]


def test_a_notebook_shows_the_markdown():
    assert TABLE._repr_markdown_() == TABLE.to_markdown()


def test_a_row_with_another_number_of_values_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        Table(("a", "b"), [(1,)]).to_dicts()
