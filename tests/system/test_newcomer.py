"""The README's ten lines, typed as a newcomer would, against a Jira and a Prometheus on other addresses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from avoir.postgres import free_port
from avoir.settings import CHECKOUT
from tests.system.homes import Home
from tests.vendors.jira import ACCOUNT, AGENT, JiraInstance
from tests.vendors.prometheus import PrometheusServer
from tests.vendors.serving import SECRET, serving

pytestmark = pytest.mark.system

PARIS = ZoneInfo("Europe/Paris")
PROBED_EVERY = timedelta(minutes=5)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    ports = {name: str(free_port(0)) for name in ("AVOIR_POSTGRES_PORT", "AVOIR_AIRFLOW_PORT")}
    folder = {"AVOIR_CONTRACTS": "contracts/mine", "AVOIR_SOURCES": "contracts/mine/sources.yml"}
    paths = {name: str(tmp_path / path) for name, path in folder.items()}
    one = Home(tmp_path / "home", profile="mine", variables={**ports, **paths})
    try:
        yield one
    finally:
        one.destroy()


def test_the_readme_s_ten_lines_connect_a_jira_and_a_prometheus(home: Home, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    month = (now.astimezone(PARIS).replace(day=1) - timedelta(days=1)).date().replace(day=1)
    before = (month - timedelta(days=1)).replace(day=1)
    tuesday = month + timedelta(days=(1 - month.weekday()) % 7)
    jira, prometheus = JiraInstance(), PrometheusServer()
    for hour, answered in ((10, 13), (11, 17)):
        issue = jira.open(datetime.combine(tuesday, time(hour), PARIS).astimezone(UTC))
        jira.comment(issue, datetime.combine(tuesday, time(answered), PARIS).astimezone(UTC), AGENT)
    at, down = datetime.combine(before, time(), UTC), datetime.combine(tuesday, time(), UTC)
    while at < now:
        is_down = down <= at < down + timedelta(hours=10)
        prometheus.scrape(at, "https://shop.example", "0" if is_down else "1")
        at += PROBED_EVERY
    with serving(jira) as jira_url, serving(prometheus) as prometheus_url:
        script = _typed(
            {
                "https://acme.atlassian.net": jira_url,
                "http://prometheus.example:9090": prometheus_url,
                "me@example.com": ACCOUNT,
                "your-api-token": SECRET,
                "2026-01-01T00:00:00Z": f"{before}T00:00:00Z",
            },
            edit=(
                "sed -i -e s/tpl_uptime_tickets/acme_jira/ -e s/tpl_uptime_monitoring/acme_prometheus/"
                " -e 's/value: DESK/value: SUP/' -e 's|value: site}|value: \"https://shop.example\"}|'"
                " -e s/tpl-uptime-vendor/acme/ -e 's/probe_interval_seconds: 60/probe_interval_seconds: 300/'"
            ),
        )
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={**home.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        # The same token, as a password that Airflow keeps.
        sources = tmp_path / "contracts" / "mine" / "sources.yml"
        told = sources.read_text()
        assert "secret_env: AVOIR_SECRET_ACME_JIRA" in told
        sources.write_text(told.replace("secret_env: AVOIR_SECRET_ACME_JIRA", "secret_connection: jira"))
        home.variables["AIRFLOW_CONN_JIRA"] = json.dumps({"conn_type": "http", "password": SECRET})
        home.call("run")
    assert done.stdout.count("one record") == 2
    loads = home.sql("select count(*) as n from loads.batches where source_name = 'acme_jira'")
    assert loads == [{"n": 2}]
    months = home.sql(
        "select vendor_id, cast(month_date as text) as month, cast(credit_amount as text) as credit"
        " from mart.mart_vendor_month order by 2",
        "bi_reader",
    )
    # Six hours for an answer where four were promised; ten hours down are 98.6 %, thirty percent of 2 000.
    assert months[-1] == {"vendor_id": "acme", "month": str(month), "credit": "625.00"}


def _typed(changes: dict[str, str], *, edit: str) -> str:
    """The lines after ``$ `` of the README's first console block under its heading, and what they read."""
    text = (CHECKOUT / "README.md").read_text()
    found = re.search(r"### A Jira and a Prometheus in ten lines\n\n```console\n(.*?)```", text, re.DOTALL)
    assert found is not None
    script = re.sub(r"(?m)^\$ ", "", found[1])
    for old, new in changes.items():
        assert old in script, old
        script = script.replace(old, new)
    assert "$EDITOR " in script
    return script.replace("$EDITOR ", f"{edit} ")
