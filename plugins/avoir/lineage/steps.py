"""What the steps of a night read and write, as OpenLineage names datasets.

The models say it of themselves (:mod:`avoir.lineage.builds`); these are the steps beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from avoir.sources.model import SourceConnection
from avoir.sources.register import RAW_TABLES, system_of

_CLOSED = ("ledger.entries", "ledger.closed_months", "ledger.frozen_rows", "ledger.applications")


@dataclass(frozen=True, order=True)
class Dataset:
    """A table, or a part of a vendor's system: namespace and name as OpenLineage has them."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Step:
    """What one step reads and writes."""

    inputs: tuple[Dataset, ...] = ()
    outputs: tuple[Dataset, ...] = ()


def warehouse_namespace(environment: Mapping[str, str]) -> str:
    """The warehouse as OpenLineage names a server, from the environment that dbt has."""
    return f"postgres://{environment['AVOIR_DBT_HOST']}:{environment['AVOIR_DBT_PORT']}"


def load_step(source: SourceConnection, environment: Mapping[str, str]) -> Step:
    """A load reads the vendor's system and writes the raw tables of that system."""
    system = system_of(source)
    parts = urlsplit(source.url)
    # Without user, path, query: they may hold what must not be kept.
    port = f":{parts.port}" if parts.port else ""
    place = f"{parts.scheme}://{parts.hostname}{port}" if parts.hostname else "file"
    return Step(
        inputs=tuple(Dataset(place, f"{source.name}.{table.name}") for table in system.tables),
        outputs=_tables(environment, [f"{system.schema}.{table.name}" for table in system.tables]),
    )


def night_step(dag_id: str, task_id: str, environment: Mapping[str, str]) -> Step:
    """A step of the build or the closing; nothing for a task that reads and writes no table."""
    # Not for loads, of which there are many: each event is made in a process that imports anew.
    from avoir.lineage.graph import COPIES  # noqa: PLC0415

    candidates = [candidate for candidate, _ in COPIES]
    published = [name for _, name in COPIES]
    reads: dict[tuple[str, str], tuple[list[str], list[str]]] = {
        ("build_mart", "check_raw"): (list(RAW_TABLES), ["checks.verdicts"]),
        ("build_mart", "check_mart"): (candidates, ["checks.verdicts"]),
        ("build_mart", "publish"): (candidates, [*published, "mart.publication_log", "checks.builds"]),
        ("close_month", "close"): (["mart.fct_penalty_lines", "mart.mart_vendor_month"], list(_CLOSED)),
    }
    inputs, outputs = reads.get((dag_id, task_id), ([], []))
    return Step(_tables(environment, inputs), _tables(environment, outputs))


def _tables(environment: Mapping[str, str], names: list[str]) -> tuple[Dataset, ...]:
    place, database = warehouse_namespace(environment), environment["AVOIR_DBT_DATABASE"]
    return tuple(Dataset(place, f"{database}.{name}") for name in names)
