"""The figures that the documentation quotes are in a file of a known shape, and no answer in it is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results.json"
NUMBERS = ("cpu_s", "bound_cpu_s", "ratio_to_bound", "peer_cpu_s", "ratio_to_peer", "wrong", "peak_mb")
TEXTS = ("bound", "peer", "note")
PIECES = {"intervals", "event_sum", "due_instants", "availability_month", "probe_intervals"}
NIGHTS = {f"nightly_increment_{months}" for months in (3, 6, 12, 24)}


@pytest.fixture(scope="module")
def results():
    return json.loads(RESULTS.read_text())


def test_every_piece_was_measured_once(results):
    names = [result["name"] for result in results]
    assert len(names) == len(set(names))
    assert set(names) == PIECES | NIGHTS


def test_every_figure_is_a_number_of_its_piece_or_null(results):
    for result in results:
        assert set(result) == {"name", "rows", *NUMBERS, *TEXTS}, result["name"]
        assert isinstance(result["rows"], int)
        assert result["rows"] > 0
        assert isinstance(result["cpu_s"], float)
        assert all(isinstance(result[name], int | float | None) for name in NUMBERS)
        assert all(isinstance(result[name], str | None) for name in TEXTS)


def test_a_ratio_is_that_of_its_figures(results):
    for result in results:
        if result["bound_cpu_s"] is not None:
            ratio = result["cpu_s"] / result["bound_cpu_s"]
            assert result["ratio_to_bound"] == pytest.approx(ratio, rel=0.05), result["name"]
        if result["peer_cpu_s"] is not None:
            ratio = result["peer_cpu_s"] / result["cpu_s"]
            assert result["ratio_to_peer"] == pytest.approx(ratio, rel=0.05), result["name"]


def test_no_answer_is_wrong(results):
    compared = [result for result in results if result["wrong"] is not None]
    assert {result["name"] for result in compared} >= {
        "intervals",
        "event_sum",
        "due_instants",
        "availability_month",
    }
    assert all(result["wrong"] == 0 for result in compared)
