"""Suites of the borders say why, and a border without checks is refused."""

from __future__ import annotations

from pathlib import Path

import great_expectations.expectations as gxe
import pytest

from avoir.checking import CONCERNED, Suite, failing_rows, load_suites
from avoir.findings import Finding
from avoir.reconciling import QUERIES, RECONCILIATIONS
from avoir.reporting import write_report
from avoir.settings import CHECKOUT


def test_both_borders_have_suites_and_every_check_says_why() -> None:
    suites = load_suites(CHECKOUT / "expectations")
    assert {suite.border for suite in suites} == {"raw", "mart"}
    assert all(suite.checks for suite in suites)
    assert len({(suite.border, suite.table) for suite in suites}) == len(suites)


def test_every_check_but_of_a_whole_table_names_whom_a_failing_row_concerns() -> None:
    named = 0
    for suite in load_suites(CHECKOUT / "expectations"):
        for check in suite.checks:
            config = check.configuration
            failing = failing_rows(suite.border, suite.table, config.type, config.kwargs)
            if failing is None:
                assert config.type.startswith("expect_table_"), f"{suite.table}: {config.type} names nobody"
                continue
            text = failing.as_string(None)
            assert all(column in text for column in CONCERNED[suite.border]), (suite.table, text)
            named += 1
    assert named > 20


def test_a_check_of_an_unknown_kind_names_nobody() -> None:
    arguments = {"column": "a", "value_set": [1]}
    assert failing_rows("raw", "raw_x.y", "expect_column_values_to_be_unheard_of", arguments) is None
    found = failing_rows("raw", "raw_x.y", "expect_column_values_to_be_in_set", arguments)
    assert found is not None
    text = found.as_string(None)
    assert text.startswith("""select "_source_name", "_batch_id" from "raw_x"."y" where "a" <> all(""")


def test_a_finding_is_of_a_source_or_of_a_month() -> None:
    with pytest.raises(ValueError, match="of a source before an instant, or of a month"):
        Finding("check", "reason", vendor_id="helios")
    with pytest.raises(ValueError, match="of a source before an instant, or of a month"):
        Finding("check", "reason")


def test_every_reconciliation_has_its_query_and_every_query_is_asked() -> None:
    assert {one.file for one in RECONCILIATIONS} == {path.stem for path in QUERIES.glob("*.sql")}
    assert all(one.why for one in RECONCILIATIONS)


def test_a_check_without_its_reason_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="must say why"):
        Suite(border="raw", table="raw_x.y", checks=[gxe.ExpectColumnValuesToNotBeNull(column="id")])


def test_a_border_is_one_of_two() -> None:
    with pytest.raises(ValueError, match="raw, mart"):
        Suite(border="middle", table="a.b", checks=[])


def test_an_empty_border_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no suite"):
        load_suites(tmp_path)


def test_a_module_without_a_suite_is_refused(tmp_path: Path) -> None:
    (tmp_path / "raw_nothing.py").write_text("SUIT = 1\n")
    with pytest.raises(TypeError, match=r"raw_nothing\.py"):
        load_suites(tmp_path)


def test_the_report_escapes_what_a_vendor_is_called(tmp_path: Path) -> None:
    month = dict.fromkeys(
        ("availability_pct", "coverage_pct", "sla_judged_count", "invoiced_amount", "credit_amount")
    ) | {
        "vendor": "<script>alert(1)</script>", "month": "2026-06", "currency": "EUR", "verdict": "held",
        "reason": "a < b", "is_closed": False, "sla_met_count": None, "vendor_reported_pct": None,
    }  # fmt: skip
    page = write_report(tmp_path / "report.html", [month], as_of=None).read_text()
    assert "<script>" not in page
    assert "held: a &lt; b" in page
