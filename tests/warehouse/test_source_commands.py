"""What a person asks of the sources, on a warehouse after a night: list, check, load, quarantine."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner, Result

from avoir.cli import app
from avoir.running import find_source
from avoir.sources.model import SourceError
from tests.warehouse.conftest import PublishedWarehouse


def avoir(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_every_source_is_listed_with_its_state_and_counts(published: PublishedWarehouse) -> None:
    result = avoir("sources", "--json")
    assert result.exit_code == 0, result.output
    listed = {one["source"]: one for one in json.loads(result.output)}
    with published.connect() as connection:
        loaded = dict(
            connection.execute(
                "select source_name, sum(rows_landed)::int from loads.batches group by 1"
            ).fetchall()
        )
    assert {name for name, one in listed.items() if one["state"] == "landed"} == set(loaded)
    assert {name: listed[name]["landed"] for name in loaded} == loaded
    assert all(listed[name]["watermark"].startswith(f"{published.as_of:%Y-%m-%d}") for name in loaded)


def test_a_check_reads_one_record_and_lands_nothing(published: PublishedWarehouse) -> None:
    with published.connect() as connection:
        before = connection.execute("select count(*) from loads.batches").fetchone()
    result = avoir("sources", "check", "helios_servicenow")
    assert result.exit_code == 0, result.output
    assert "one record" in result.output
    assert "sys_id=" in result.output
    with published.connect() as connection:
        assert connection.execute("select count(*) from loads.batches").fetchone() == before


def test_a_check_with_a_wrong_secret_says_where_it_comes_from_and_never_what_it_is(
    published: PublishedWarehouse,
) -> None:
    source = find_source(published.settings, "helios_servicenow")
    assert source.secret_env is not None
    secrets = published.truth.parent / "secrets.env"
    before = secrets.read_text()
    secrets.write_text(
        re.sub(rf"(?m)^{source.secret_env}=.*$", f"{source.secret_env}=not-the-right-one", before)
    )
    try:
        result = avoir("sources", "check", "helios_servicenow")
    finally:
        secrets.write_text(before)
    assert isinstance(result.exception, SourceError)
    assert source.secret_env in str(result.exception)
    assert "not-the-right-one" not in result.output + str(result.exception)


def test_a_check_of_an_unknown_source_names_those_there_are(published: PublishedWarehouse) -> None:
    result = avoir("sources", "check", "nobody")
    assert "helios_servicenow" in str(result.exception)
    assert published.settings.sources_file.name in str(result.exception)


def test_history_is_loaded_again_month_by_month_and_lands_nothing_twice(
    published: PublishedWarehouse,
) -> None:
    before = published.mart_hash()
    result = avoir("load", "helios_servicenow", "--from", "2026-05-01", "--to", "2026-07-01")
    assert result.exit_code == 0, result.output
    lines = [line for line in result.output.splitlines() if "helios_servicenow" in line]
    assert [line.split("helios_servicenow ")[1][:10] for line in lines] == ["2026-05-01", "2026-06-01"]
    assert all(" 0 landed" in line and " 0 read" not in line for line in lines)
    assert published.mart_hash() == before


def test_an_invoice_mended_in_its_folder_leaves_the_quarantine(published: PublishedWarehouse) -> None:
    source = find_source(published.settings, "helios_invoices")
    folder = Path(urlsplit(source.url).path)
    broken = folder / "broken.xml"
    broken.write_text("<Invoice")
    os.utime(broken, (published.as_of.timestamp() - 60,) * 2)
    stretch = ("--from", "2026-06-01", "--to", published.as_of.strftime("%Y-%m-%dT%H:%M:%S"))
    try:
        loaded = avoir("load", "helios_invoices", *stretch)
        assert loaded.exit_code == 0, loaded.output
        assert "1 rejected" in loaded.output
        (kept,) = json.loads(avoir("quarantine", "--json").output)
        assert (kept["source_name"], kept["records"]) == ("helios_invoices", 1)
        assert "broken.xml" in avoir("quarantine", "show", "helios_invoices").output
        assert avoir("quarantine", "retry", "helios_invoices").exit_code == 4
    finally:
        broken.unlink()
    mended = avoir("quarantine", "retry")
    assert mended.exit_code == 0, mended.output
    assert "1 settled" in mended.output
    assert json.loads(avoir("quarantine", "--json").output) == []
    assert "settled by batch" in avoir("quarantine", "show", "helios_invoices", "--settled").output


@pytest.mark.parametrize("words", [("sources",), ("sources", "check"), ("quarantine", "retry"), ("load",)])
def test_help_shows_an_example(words: tuple[str, ...]) -> None:
    result = avoir(*words, "--help")
    assert result.exit_code == 0
    assert f"avoir {' '.join(words)}" in result.output.split("xample", 1)[1]


def test_the_fields_that_a_source_gives_are_shown_and_none_drifts_by_itself(
    published: PublishedWarehouse,
) -> None:
    listed = {one["source"]: one for one in json.loads(avoir("sources", "--json").output)}
    assert {name: one["drift"] for name, one in listed.items() if one["drift"]} == {}
    said = avoir("sources", "fields", "helios_servicenow").output
    assert said == "no field of helios_servicenow came, went or changed its kind\n"
    shown = json.loads(avoir("sources", "fields", "helios_servicenow", "--all", "--json").output)
    kinds = {one["field"]: one["kinds"] for one in shown}
    assert kinds["api/now/table/incident:result[].sys_id"] == "text"
    with published.connect("avoir_loader") as connection:
        connection.execute(
            """
            update loads.fields
            set changed_in = last_in
            where source_name = 'helios_servicenow' and field = 'api/now/table/incident:result[].sys_id'
            """
        )
    (drift,) = json.loads(avoir("sources", "fields", "helios_servicenow", "--json").output)
    assert (drift["field"], drift["change"]) == ("api/now/table/incident:result[].sys_id", "changed its kind")
    listed = {one["source"]: one for one in json.loads(avoir("sources", "--json").output)}
    assert listed["helios_servicenow"]["drift"] == 1
