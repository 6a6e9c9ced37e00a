"""Every credit leads back to raw rows that give its number again, and every raw row to its credits."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
from rich.console import Console
from typer.testing import CliRunner

from avoir.cli import app
from avoir.closing import close_month
from avoir.evidence.asking import Asking
from avoir.evidence.auditing import create_audit
from avoir.evidence.explaining import explain
from avoir.evidence.facts import fact_behind
from avoir.evidence.impact import impact
from avoir.evidence.telling import page_of, print_explained
from avoir.modelling import run_dbt
from avoir.settings import CHECKOUT
from tests.warehouse.conftest import PublishedWarehouse
from tests.warehouse.evidence_oracle import base_amount, measured_value

pytestmark = pytest.mark.warehouse

SCHEMA = json.loads((CHECKOUT / "docs" / "evidence.schema.json").read_text())
ALL = 100_000
# What a charge of each indicator must at least rest on.
NEEDED = {"clock": {"ticket", "ticket_comment"}, "availability": {"sample"}, "milestone": {"release"}}
HOSTILE = "<script>alert('x')</script>\x1b[2J\u202e"


@pytest.fixture(scope="module")
def auditor(published: PublishedWarehouse) -> Iterator[psycopg.Connection]:
    with published.connect() as connection:
        connection.autocommit = True
        yield connection


@pytest.fixture(scope="module")
def explained(auditor: psycopg.Connection) -> dict[str, dict[str, Any]]:
    """Every priced line of the world, explained in full."""
    lines = auditor.execute(
        "select penalty_line_id from penalties.fct_penalty_lines where credit_amount is not null order by 1"
    ).fetchall()
    assert len(lines) > 20
    return {line_id: explain(auditor, line_id, limit=ALL) for (line_id,) in lines}


def a_line(
    explained: dict[str, dict[str, Any]], indicator: str, shown_from: str = "published"
) -> dict[str, Any]:
    return next(
        one
        for one in explained.values()
        if one["line"]["indicator"] == indicator and one["shown_from"] == shown_from
    )


def test_every_credit_is_worked_out_again_from_the_payloads_shown(
    explained: dict[str, dict[str, Any]],
) -> None:
    seen = set()
    for one in explained.values():
        line = one["line"]
        vendor, kind = line["vendor_id"], line["indicator"]
        measured = measured_value(one)
        assert abs(measured - Fraction(line["measured_value"])) < Fraction(1, 10**18), line
        base = base_amount(one)
        assert (None if line["base_amount"] is None else Decimal(line["base_amount"])) == base, line
        assert NEEDED[kind] <= {raw["evidence_kind"] for raw in one["raw"]}, line
        seen.add((vendor, kind))
    assert len(seen) == 6


def priced(formula: dict[str, Any]) -> Fraction:
    """What the formulas of the world's contracts come to, in all digits."""
    if formula["formula"] == "fixed_per_event":
        return Fraction(formula["amount"])
    base = Fraction(formula["base_amount"])
    if formula["formula"] == "percent_of_invoice_per_event":
        return base * Fraction(formula["rate_pct"]) / 100
    lost, total = Fraction(formula["unavailable_quantity"]), Fraction(formula["total_quantity"])
    # Beyond the allowance of 99.5 %, where the contract credits the excess only.
    return base * (lost if formula["proportional_on"] == "whole_downtime" else lost - total / 200) / total


def test_steps_lead_from_the_measure_to_the_cent(explained: dict[str, dict[str, Any]]) -> None:
    capped = 0
    for one in explained.values():
        steps = {step["step"]: step for step in one["steps"]}
        line, formula = one["line"], steps["formula"]["parameters"]
        assert steps["settlement"]["amount"] == line["credit_amount"]
        amount = priced(formula)
        assert abs(amount - Fraction(steps["formula"]["amount"])) < Fraction(1, 10**15)
        for cap in steps["period_cap"]["parameters"]["caps"]:
            capped += 1
            (base,) = cap["bases"]
            limit = Fraction(cap["cap_pct"]) * Fraction(base["invoice_amount"]) / 100
            assert limit == Fraction(cap["limit_amount"])
            left = limit
            for used in cap["lines"]:
                takes = min(left, Fraction(used["event_capped_amount"]))
                assert takes == Fraction(used["period_capped_amount"])
                left -= takes
            assert [used["is_this"] for used in cap["lines"]].count(True) == 1
    assert capped


def test_raw_rows_come_with_batch_and_file(
    explained: dict[str, dict[str, Any]], auditor: psycopg.Connection
) -> None:
    one = a_line(explained, "clock")
    invoice = next(raw for raw in one["raw"] if raw["evidence_kind"] == "invoice")
    name, sha256, run = auditor.execute(
        "select f.file_name, f.sha256, b.dag_run_id from loads.files f, loads.batches b "
        "where f.file_id = %s and b.batch_id = %s",
        (invoice["source_file_id"], invoice["batch_id"]),
    ).fetchone()
    assert (invoice["file"]["file_name"], invoice["file"]["sha256"]) == (name, sha256)
    assert invoice["batch"]["dag_run_id"] == run == "first"
    payload = auditor.execute(
        "select payload from audit.raw_record where raw_table = %s and batch_id = %s and source_row = %s "
        "and natural_key = %s",
        (invoice["raw_table"], invoice["batch_id"], invoice["source_row"], invoice["natural_key"]),
    ).fetchall()
    assert payload == [(invoice["payload"],)]


@pytest.mark.parametrize("indicator", ["clock", "availability"])
def test_the_query_for_auditors_gives_the_rows_that_explain_shows(
    explained: dict[str, dict[str, Any]], auditor: psycopg.Connection, indicator: str
) -> None:
    one = a_line(explained, indicator)
    text = (CHECKOUT / "docs" / "evidence.md").read_text()
    (query,) = re.findall(r"^with e as \($.*?;$", text, re.MULTILINE | re.DOTALL)
    (line_id,) = set(re.findall(r"'([0-9a-f]{32})'", query))
    rows = auditor.execute(query.replace(line_id, one["line"]["penalty_line_id"]).encode()).fetchall()
    told = [(raw["evidence_kind"], raw["natural_key"], raw["payload"]) for raw in one["raw"]]
    assert sorted(rows, key=str) == sorted(told, key=str)


def test_what_a_row_reaches_holds_every_credit_that_rests_on_it(
    explained: dict[str, dict[str, Any]], auditor: psycopg.Connection
) -> None:
    resting: dict[tuple[str, str], set[str]] = {}
    for line_id, one in explained.items():
        for raw in one["raw"]:
            resting.setdefault((raw["raw_table"], raw["natural_key"]), set()).add(line_id)
    assert len(resting) > 200
    for (table, key), lines in resting.items():
        reached = impact(auditor, table, [key], limit=ALL)
        assert lines <= {line["penalty_line_id"] for line in reached["lines"]}, (table, key)
        assert reached["facts"], (table, key)


def test_a_row_is_found_by_its_batch_and_its_number_too(
    explained: dict[str, dict[str, Any]], auditor: psycopg.Connection
) -> None:
    one = a_line(explained, "clock")
    ticket = next(raw for raw in one["raw"] if raw["evidence_kind"] == "ticket")
    by_row = impact(auditor, "servicenow.incident", [str(ticket["batch_id"]), str(ticket["source_row"])])
    by_number = impact(
        auditor, "raw_servicenow.incident", [ticket["payload"]["number"]], source=ticket["source_name"]
    )
    assert [raw["row_hash"] for raw in by_row["raw"]] == [ticket["row_hash"]]
    assert by_row["lines"] == by_number["lines"]
    assert {line["evidence_kind"] for line in by_row["lines"]} == {"ticket"}
    # Vendors number their tickets alike: without a source all of that number are meant.
    everywhere = impact(auditor, "raw_servicenow.incident", [ticket["payload"]["number"]])
    assert {raw["source_name"] for raw in everywhere["raw"]} > {
        raw["source_name"] for raw in by_number["raw"]
    }


def test_a_sample_among_samples_reaches_the_month_that_its_time_counts_in(
    explained: dict[str, dict[str, Any]], auditor: psycopg.Connection
) -> None:
    one = a_line(explained, "availability")
    bounding = {raw["natural_key"] for raw in one["raw"]}
    keys = auditor.execute(
        "select natural_key from audit.raw_record where raw_table = 'raw_prometheus.samples' "
        "and source_name = %s and record_at between %s and %s",
        (
            next(raw["source_name"] for raw in one["raw"] if raw["evidence_kind"] == "sample"),
            one["fact"]["looked_at"]["from_at"],
            one["fact"]["looked_at"]["to_at"],
        ),
    ).fetchall()
    key = next(key for (key,) in keys if key not in bounding)
    (line,) = [
        line
        for line in impact(auditor, "prometheus.samples", [key])["lines"]
        if line["penalty_line_id"] == one["line"]["penalty_line_id"]
    ]
    assert line["evidence_kind"] is None


def test_an_outage_of_another_month_reaches_no_credit(
    explained: dict[str, dict[str, Any]], auditor: psycopg.Connection
) -> None:
    resting = {raw["natural_key"] for one in explained.values() for raw in one["raw"]}
    keys = [
        key
        for (key,) in auditor.execute("select distinct sys_id from raw_servicenow.cmdb_ci_outage order by 1")
        if key not in resting
    ]
    assert keys
    for key in keys:
        reached = impact(auditor, "servicenow.cmdb_ci_outage", [key])
        assert {line["credit_amount"] for line in reached["lines"]} <= {None}


def test_a_clock_told_event_by_event_is_the_one_that_was_measured(auditor: psycopg.Connection) -> None:
    asking = Asking(auditor, limit=ALL)
    clocks = asking.rows(
        "select clock_id as event_id, 'clock' as indicator, contract_version_id, clause_id, paused_seconds, "
        "business_seconds, stopped_at from facts.fct_ticket_clocks where business_seconds is not null"
    )
    rules = {
        key: asking.rows(
            "select role, field, value from reference.clock_rules "
            "where contract_version_id = %s and clause_id = %s",
            key,
        )
        for key in {(one["contract_version_id"], one["clause_id"]) for one in clocks}
    }
    paused = 0
    for clock in clocks:
        clause = {"clock_rules": rules[clock["contract_version_id"], clock["clause_id"]], "terms": {}}
        fact = fact_behind(asking, clock, clause)
        pauses = sum(((one["to_at"] - one["from_at"]).total_seconds() for one in fact["pauses"]), 0.0)
        assert Decimal(pauses) == clock["paused_seconds"], clock
        business = sum((Decimal(one["business_seconds"]) for one in fact["running"]), Decimal(0))
        assert business == clock["business_seconds"], clock
        paused += bool(pauses)
    assert len(clocks) > 300
    assert paused > 10


def test_json_is_as_documented(explained: dict[str, dict[str, Any]]) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    for one in explained.values():
        validator.validate(json.loads(json.dumps(one)))
    broken = {**next(iter(explained.values())), "surprise": 1}
    assert not validator.is_valid(broken)


def test_long_evidence_is_bounded_and_counted(
    explained: dict[str, dict[str, Any]], auditor: psycopg.Connection
) -> None:
    whole = a_line(explained, "availability")
    bounded = explain(auditor, whole["line"]["penalty_line_id"], limit=3)
    samples = next(one for one in bounded["raw_counts"] if one["evidence_kind"] == "sample")
    assert samples["shown"] == 3 < samples["total"]
    assert samples["total"] == sum(one["evidence_kind"] == "sample" for one in whole["raw"])
    # Samples that say what their neighbours say are no evidence: a month has thousands.
    assert samples["total"] < 200


def test_nothing_that_a_vendor_wrote_can_run(
    published: PublishedWarehouse, explained: dict[str, dict[str, Any]]
) -> None:
    one = a_line(explained, "clock")
    ticket = next(raw for raw in one["raw"] if raw["evidence_kind"] == "ticket")
    line = next(raw for raw in one["raw"] if raw["raw_table"] == "raw_einvoice.invoice_lines")
    with published.connect("avoir_loader") as loader:
        loader.execute(
            "update raw_servicenow.incident set short_description = %s where _row_hash = %s",
            (HOSTILE, ticket["row_hash"]),
        )
        loader.execute(
            "update raw_einvoice.invoice_lines set item_name = %s where _row_hash = %s",
            (HOSTILE, line["row_hash"]),
        )
    with published.connect() as connection:
        planted = explain(connection, one["line"]["penalty_line_id"], limit=ALL)
    page = page_of(planted)
    assert page.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;") == 2
    assert "<script" not in page
    assert not {"\x1b", "\u202e"} & set(page)
    with Path(os.devnull).open("w") as nowhere:
        console = Console(file=nowhere, record=True, width=400)
        print_explained(console, planted)
    text = console.export_text()
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_the_auditor_reads_and_others_do_not(published: PublishedWarehouse) -> None:
    questions = (
        "select * from audit.credit_evidence limit 1",
        "select * from audit.raw_record limit 1",
        "select * from audit.credit_lines() limit 1",
    )
    for question in questions:
        with published.connect() as connection:
            assert connection.execute(question).fetchone() is not None
        for role in ("bi_reader", "finance_reader", "avoir_loader"):
            with published.connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(question)


def test_views_outlive_the_tables_that_dbt_makes_anew(published: PublishedWarehouse) -> None:
    question = "select md5(string_agg(e::text, '|' order by e::text)), count(*) from audit.credit_evidence e"
    with published.here.warehouse.connect("avoir_transformer") as owner:
        owner.execute("create view candidate.bound as select clause_id from penalties.fct_penalty_lines")
    with published.connect() as connection:
        before = connection.execute(question).fetchone()
    assert before[1] > 100
    models = (
        "fct_penalty_lines fct_invoice_lines fct_milestones fct_ticket_clocks int_probe_intervals int_tickets"
    )
    run_dbt(
        [
            "run", "--full-refresh", "--select", *models.split(),
            "--vars", json.dumps({"as_of": published.as_of.isoformat()}),
            "--target-path", str(published.settings.profile_home / "dbt_target" / "evidence"),
        ],
        project=CHECKOUT / "dbt_project",
        environment=published.here.environment,
    )  # fmt: skip
    with published.connect() as connection:
        assert connection.execute("select to_regclass('candidate.bound')").fetchone() == (None,), (
            "nothing was dropped"
        )
        assert connection.execute(question).fetchone() == before
    with psycopg.connect(published.here.warehouse.admin_url) as admin:
        create_audit(admin)
    with published.connect() as connection:
        assert connection.execute(question).fetchone() == before


def test_a_line_whose_fact_is_gone_still_leads_to_its_raw_rows(
    published: PublishedWarehouse, explained: dict[str, dict[str, Any]]
) -> None:
    with published.connect("avoir_transformer") as connection:
        for table, key, indicator in (
            ("facts.fct_ticket_clocks", "clock_id", "clock"),
            ("facts.fct_milestones", "milestone_id", "milestone"),
            ("facts.fct_availability_months", "availability_id", "availability"),
        ):
            one = a_line(explained, indicator)
            gone = connection.execute(f"delete from {table} where {key} = %s", (one["line"]["event_id"],))
            assert gone.rowcount == 1
            found = explain(connection, one["line"]["penalty_line_id"], limit=ALL)
            assert found["fact"]["is_found"] is False
            assert [raw["row_hash"] for raw in found["raw"]] == [raw["row_hash"] for raw in one["raw"]]
        connection.rollback()


# Terms that the contracts of the small world do not have, laid over one of its clauses.
OTHER_TERMS = """
    insert into reference.non_cumulation
    values (%(version)s, %(clause)s, 'once', 'month', 'highest', null, 1);
    update penalties.int_penalty_cumulations set group_id = 'once', is_kept = true where event_id = %(event)s;
    insert into reference.repeat_multipliers
    values (%(version)s, %(clause)s, 1, 1, false), (%(version)s, %(clause)s, 2, 2, true);
    update reference.contract_charges
    set exemption_amount = 100, exemption_over = 'term', index_id = 'SYNTEC', index_base_value = 250,
        index_lag_months = 1
    where contract_version_id = %(version)s;
    insert into reference.index_values
    select contract_id, 'SYNTEC', cast(origin_month_date - interval '1 month' as date), 260, now(), null
    from penalties.fct_penalty_lines where penalty_line_id = %(line)s;
    insert into reference.clause_bands
    values (%(version)s, %(clause)s, 1, 0, true, null, false, 10, null, null);
    update reference.clauses
    set event_cap_pct = 5, earn_back_level = 99, earn_back_months = 2, earn_back_pct = 100, formula = 'tiers'
    where contract_version_id = %(version)s and clause_id = %(clause)s;
    insert into intermediate.current_caps (
        contract_version_id, cap_id, cap_per, cap_scope, scope_key, cap_amount, contract_id
    )
    select contract_version_id, cap_per, cap_per, 'contract', '', 50000, contract_id
    from penalties.fct_penalty_lines, unnest(array['quarter', 'rolling_12_months', 'term']) as cap_per
    where penalty_line_id = %(line)s;
    insert into penalties.int_cap_limits (
        contract_version_id, contract_id, month_no, cap_per, cap_scope, scope_key, scope_id, part_no,
        window_no, is_capped, limit_amount
    )
    select caps.contract_version_id, caps.contract_id, events.month_no, cap_per, cap_scope, scope_key, 's',
        999, 0, true, 50000
    from intermediate.current_caps as caps, penalties.int_penalty_events as events
    where caps.scope_key = '' and caps.contract_version_id = %(version)s and events.event_id = %(event)s;
    update penalties.fct_penalty_lines set formula = 'tiers', band_no = 1 where penalty_line_id = %(line)s;
    update mart.fct_penalty_lines set formula = 'tiers', band_no = 1 where penalty_line_id = %(line)s
"""


def test_terms_that_the_small_world_does_not_have_are_told_too(
    published: PublishedWarehouse, explained: dict[str, dict[str, Any]]
) -> None:
    line = a_line(explained, "clock")["line"]
    given = {
        "version": line["contract_version_id"],
        "clause": line["clause_id"],
        "event": line["event_id"],
        "line": line["penalty_line_id"],
    }
    with published.connect("avoir_transformer") as connection:
        for statement in OTHER_TERMS.split(";"):
            connection.execute(statement.encode(), given)
        found = explain(connection, line["penalty_line_id"], limit=ALL)
        connection.rollback()
    jsonschema.validate(found, SCHEMA)
    told = {step["step"]: step["told"] for step in found["steps"]}
    parameters = {step["step"]: step["parameters"] for step in found["steps"]}
    assert told["formula"] == f"band 1: 10 % of {line['base_amount']} EUR (month_invoice)"
    assert told["repeat"].startswith(f"failing month {line['failing_month_no']} in a row")
    assert told["non_cumulation"] == "group once (highest per month): kept"
    assert (
        told["rolling_cap"] == "at most contract per rolling_12_months 50000 EUR, contract per term 50000 EUR"
    )
    assert told["exemption"].startswith("nothing is due up to 100 EUR in the term; the total is ")
    assert told["indexation"].startswith("SYNTEC: 260 / 250")
    assert told["earn_back"] == "100 % come back after 2 months at 99"
    assert [cap["cap_per"] for cap in parameters["period_cap"]["caps"]] == ["month", "quarter"]
    rivals = parameters["non_cumulation"]["rivals"]
    assert rivals
    assert line["penalty_line_id"] not in {one["penalty_line_id"] for one in rivals}


def test_a_month_judged_at_once_rests_on_all_that_was_counted_in_it(
    published: PublishedWarehouse, explained: dict[str, dict[str, Any]]
) -> None:
    line = a_line(explained, "clock")["line"]
    key = (line["contract_version_id"], line["clause_id"], line["origin_month_date"])
    with published.connect("avoir_transformer") as connection:
        clocks = connection.execute(
            "update facts.fct_ticket_clocks set aggregation = 'ratio' "
            "where contract_version_id = %s and clause_id = %s and month_date = %s returning ticket_id",
            key,
        ).fetchall()
        connection.execute(
            """
            insert into facts.fct_indicator_months (
                indicator_month_id, contract_version_id, contract_id, vendor_id, service_id, clause_id,
                aggregation, month_date, is_complete, decided_count, met_count, ended_count,
                measured_numerator, measured_denominator, outcome
            )
            select 'a month', contract_version_id, contract_id, vendor_id, service_id, clause_id, 'ratio',
                origin_month_date, true, 10, 9, 10, 900, 10, 'breached'
            from mart.fct_penalty_lines where penalty_line_id = %s
            """,
            (line["penalty_line_id"],),
        )
        connection.execute(
            "update mart.fct_penalty_lines set event_id = 'a month', subject_name = '' "
            "where penalty_line_id = %s",
            (line["penalty_line_id"],),
        )
        found = explain(connection, line["penalty_line_id"], limit=ALL)
        some = next(raw for raw in found["raw"] if raw["evidence_kind"] == "ticket")
        reached = impact(connection, "servicenow.incident", [some["natural_key"]])
        connection.rollback()
    jsonschema.validate(found, SCHEMA)
    assert found["fact"]["kind"] == "indicator_month"
    assert found["fact"]["judged_count"] == len(clocks) > 10
    tickets = {
        f"{raw['source_name']}:{raw['natural_key']}"
        for raw in found["raw"]
        if raw["evidence_kind"] == "ticket"
    }
    assert tickets == {ticket_id for (ticket_id,) in clocks}
    assert line["penalty_line_id"] in {one["penalty_line_id"] for one in reached["lines"]}
    assert "indicator_month" in {one["kind"] for one in reached["facts"]}


def test_what_is_not_there_is_said_with_its_mend(published: PublishedWarehouse) -> None:
    run = CliRunner().invoke
    for arguments, told in (
        (["explain", "nothing"], "there is no penalty line 'nothing'"),
        (["explain", "999999"], "the ledger has no entry 999999"),
        (["impact", "servicenow.incident", "nothing"], "raw_servicenow.incident has no 'nothing'"),
        (["impact", "servicenow.incident", "INC0027028", "--source", "no_such"], "from source 'no_such'"),
        (["impact", "servicenow.nothing", "1"], "there is no raw table 'servicenow.nothing'"),
        (["impact", "prometheus.samples", "a|not a day"], "its key (monitor | sampled_at)"),
    ):
        result = run(app, arguments)
        assert result.exit_code == 2, (arguments, result.output, result.exception)
        assert told in " ".join(result.output.split()), arguments
    assert "avoir sql" in run(app, ["explain", "nothing"]).output


def test_the_command_writes_each_form(
    published: PublishedWarehouse, explained: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    line_id = a_line(explained, "milestone")["line"]["penalty_line_id"]
    run = CliRunner().invoke
    for form in ("table", "json", "html"):
        result = run(app, ["explain", line_id, "--format", form, "--out", str(tmp_path / form)])
        assert result.exit_code == 0, (result.output, result.exception)
        assert line_id in (tmp_path / form).read_text()
    jsonschema.validate(json.loads((tmp_path / "json").read_text()), SCHEMA)
    reached = run(app, ["impact", "servicenow.rm_release", "RLSE0000180", "--format", "json"])
    assert reached.exit_code == 0
    assert run(app, ["impact", "servicenow.rm_release", "RLSE0000180"]).exit_code == 0
    assert run(app, ["explain", line_id, "--format", "pdf"]).exit_code == 1


def test_a_closed_month_shows_what_it_froze(
    published: PublishedWarehouse, explained: dict[str, dict[str, Any]]
) -> None:
    """The last test of the module: it closes a month."""
    counts = close_month(published.settings, as_of=published.as_of, month="2026-04", by_hand=True)
    assert counts["entries"] > 0
    with published.connect("avoir_transformer") as connection:
        entry_no, line_id, amount = connection.execute(
            "select entry_no, penalty_line_id, amount from ledger.entries order by entry_no desc limit 1"
        ).fetchone()
        # As closing keeps it, where it keeps it already.
        connection.execute(
            """
            insert into ledger.frozen_rows
            select vendor_id, month_date, currency, 'fct_penalty_lines', penalty_line_id, to_jsonb(l)
            from mart.fct_penalty_lines l where penalty_line_id = %s
            on conflict do nothing
            """,
            (line_id,),
        )
        same = explain(connection, str(entry_no))
        assert same["shown_from"] == "frozen"
        assert same["candidate"] == {"exists": True, "differs": False, "differences": []}
        connection.execute(
            "update penalties.fct_penalty_lines set credit_amount = 1, band_no = 7 "
            "where penalty_line_id = %s",
            (line_id,),
        )
        other = explain(connection, line_id)
        connection.rollback()
    assert same["asked"] == {"credit": str(entry_no), "penalty_line_id": line_id, "entry_no": entry_no}
    (entry,) = [one for one in same["ledger"] if one["is_asked"]]
    assert Decimal(entry["amount"]) == amount == Decimal(same["line"]["credit_amount"])
    assert entry["posted_month_date"] == "2026-04-01"
    assert same["month"]["is_closed"] is True
    assert Decimal(other["line"]["credit_amount"]) == amount
    assert other["candidate"]["differences"] == [
        {"column": "band_no", "shown": None, "candidate": 7},
        {"column": "credit_amount", "shown": str(amount), "candidate": "1"},
    ]
    jsonschema.validate(other, SCHEMA)
    ticket = next(raw for raw in same["raw"] if raw["evidence_kind"] in {"ticket", "release", "sample"})
    with published.connect() as connection:
        reached = impact(connection, ticket["raw_table"], [ticket["natural_key"]])
    assert entry_no in {one["entry_no"] for one in reached["entries"]}
    assert all(one["is_closed"] for one in reached["lines"] if one["month_date"] == "2026-04-01")
