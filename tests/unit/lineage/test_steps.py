"""What the steps of a night say they read and write."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from avoir.lineage.steps import Dataset, load_step, night_step
from avoir.sources.model import SourceConnection

ENVIRONMENT = {"AVOIR_DBT_HOST": "db", "AVOIR_DBT_PORT": "5432", "AVOIR_DBT_DATABASE": "avoir"}


@pytest.mark.parametrize(
    ("url", "namespace"),
    [
        ("https://acme.example:8443/api?token=hidden#part", "https://acme.example:8443"),
        ("https://somebody@acme.example/api", "https://acme.example"),
        ("file:///srv/invoices", "file"),
        ("/srv/invoices", "file"),
        ("invoices", "file"),
    ],
)
def test_a_load_names_the_vendors_system_without_what_may_be_secret(url: str, namespace: str) -> None:
    source = SourceConnection("acme", "prometheus", url, datetime(2025, 1, 1, tzinfo=UTC))
    step = load_step(source, ENVIRONMENT)
    assert step.inputs == (Dataset(namespace, "acme.samples"),)
    assert step.outputs == (Dataset("postgres://db:5432", "avoir.raw_prometheus.samples"),)


def test_a_step_that_moves_nothing_names_nothing() -> None:
    step = night_step("build_mart", "is_due", ENVIRONMENT)
    assert (step.inputs, step.outputs) == ((), ())
