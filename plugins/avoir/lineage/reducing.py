"""What of an OpenLineage event may be kept: facets by name, and no secret in what is left.

Integrations put into facets whatever they find: SQL with its literals, source code, the configuration of a
run, environment variables, error messages with addresses. So a facet is kept only when it is listed here, and
of Airflow's own only the fields listed; anything a later release adds is left out until somebody has looked
at it. What is kept is then searched for the secrets of the process, and for passwords within addresses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

MASK = "***"

RUN_FACETS = frozenset({"parent", "nominalTime", "processing_engine", "dbt_run", "airflow", "airflowDagRun"})
JOB_FACETS = frozenset({"jobType", "documentation", "dbt_node"})
DATASET_FACETS = frozenset({"schema", "columnLineage"})
INPUT_FACETS = frozenset({"dataQualityAssertions"})
OUTPUT_FACETS = frozenset({"outputStatistics"})

_AIRFLOW_FIELDS: Mapping[str, frozenset[str]] = {
    "dag": frozenset({"dag_id"}),
    "dagRun": frozenset(
        {
            "dag_id",
            "run_id",
            "run_type",
            "data_interval_start",
            "data_interval_end",
            "run_after",
            "start_date",
            "end_date",
        }
    ),
    "task": frozenset({"task_id", "operator_class", "trigger_rule"}),
    "taskInstance": frozenset({"try_number"}),
}

_SECRET_NAME = re.compile(
    r"PASSWORD|SECRET|TOKEN|_KEY$|CREDENTIAL|SQL_ALCHEMY_CONN|DATABASE_URL", re.IGNORECASE
)
# Within JSON, where a quote or a backslash of a password is escaped.
_USERINFO = re.compile(r'(?<=://)(?:\\.|[^/\s@"\\])+(?=@)')
_SHORTEST_SECRET = 6


def reduced(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event, as its JSON says it, with nothing but what may be kept; the argument stays."""
    kept = _only(event, frozenset({"eventTime", "eventType", "producer", "schemaURL"}))
    run, job = event["run"], event["job"]
    kept["run"] = {"runId": run["runId"], "facets": _run_facets(run.get("facets") or {})}
    kept["job"] = {
        "namespace": job["namespace"],
        "name": job["name"],
        "facets": _only(job.get("facets") or {}, JOB_FACETS),
    }
    kept["inputs"] = [_dataset(one, "inputFacets", INPUT_FACETS) for one in event.get("inputs") or []]
    kept["outputs"] = [_dataset(one, "outputFacets", OUTPUT_FACETS) for one in event.get("outputs") or []]
    return kept


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """Return the values of an environment that look like secrets by their names, longest first."""
    values = {
        value
        for name, value in environment.items()
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET
    }
    return sorted(values, key=len, reverse=True)


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return JSON without the given secrets, plain or escaped, and without logins in addresses."""
    for secret in secrets:
        text = text.replace(secret, MASK).replace(json.dumps(secret)[1:-1], MASK)
    return _USERINFO.sub(MASK, text)


def _run_facets(facets: Mapping[str, Any]) -> dict[str, Any]:
    kept = _only(facets, RUN_FACETS)
    for name in kept.keys() & {"airflow", "airflowDagRun"}:
        kept[name] = {
            part: _only(kept[name].get(part) or {}, fields)
            for part, fields in _AIRFLOW_FIELDS.items()
            if part in kept[name]
        }
    return kept


def _dataset(dataset: Mapping[str, Any], own: str, allowed: frozenset[str]) -> dict[str, Any]:
    kept = {
        "namespace": dataset["namespace"],
        "name": dataset["name"],
        "facets": _only(dataset.get("facets") or {}, DATASET_FACETS),
    }
    if facets := _only(dataset.get(own) or {}, allowed):
        kept[own] = facets
    return kept


def _only(facets: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in facets.items() if name in names}
