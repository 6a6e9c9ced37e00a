"""Rows that are copied as one piece of text are the rows that were given, or are not copied so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from avoir.copied_text import plain_block

CELLS = st.none() | st.text(st.characters() | st.sampled_from("\t\n\r\\\x00"), max_size=6)


@given(st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[CELLS] * width), min_size=1, max_size=5)))
def test_a_block_holds_its_rows_and_no_others(rows: list[tuple[str | None, ...]]) -> None:
    block = plain_block("7", range(1, len(rows) + 1), rows)
    cells = [cell for row in rows for cell in row]
    needs_care = any(cell is not None and set(cell) & set("\t\n\r\\\x00") for cell in cells)
    is_text = all(cell is None or not any("\ud800" <= one <= "\udfff" for one in cell) for cell in cells)
    assert (block is None) == (needs_care or not is_text)
    if block is not None:
        lines = block.decode().removesuffix("\n").split("\n")
        assert [tuple(line.split("\t")) for line in lines] == [
            ("7", str(number), *("\\N" if cell is None else cell for cell in row))
            for number, row in enumerate(rows, start=1)
        ]


def test_a_row_of_no_file_has_a_null_there() -> None:
    assert plain_block(None, [4], [("a", "")]) == b"\\N\t4\ta\t\n"
