"""The sets of third-party data that the ``real`` profile reads, and where each comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataSet:
    """One set: where it lies in the folder, what of it must be there, and its origin."""

    path: str
    needs: tuple[str, ...]
    origin: str

    def is_in(self, folder: Path) -> bool:
        """Whether every pattern of ``needs`` finds a file."""
        return all(any(path.is_file() for path in (folder / self.path).glob(need)) for need in self.needs)


REAL_DATA = (
    DataSet(
        "tickets",
        ("servicenow_incident_events.csv",),
        "UCI 'Incident management process enriched event log' (CC BY 4.0), sampled",
    ),
    DataSet(
        "uptime/upptime_curc",
        ("checks_from_git_log.csv", "history/summary.json"),
        "the Upptime repository d33bs/upptime-curc (code MIT, data ODbL)",
    ),
    DataSet("invoices/ubl", ("*.xml",), "the examples of ConnectingEurope/eInvoicing-EN16931 (EUPL 1.2)"),
    DataSet(
        "invoices/cii",
        ("*.xml",),
        "ConnectingEurope/eInvoicing-EN16931 (EUPL 1.2), testout-* from ZUGFeRD/corpus (Apache-2.0)",
    ),
    DataSet("invoices/facturx_pdf", ("*.pdf",), "the samples of ZUGFeRD/corpus (Apache-2.0)"),
    DataSet(
        "invoices/xero",
        ("contacts.csv", "invoices.csv", "invoice_line_items.csv"),
        "the seeds of fivetran/dbt_xero (Apache-2.0)",
    ),
)


def missing_sets(folder: Path) -> list[DataSet]:
    """Sets that are not there, or not whole: a run without one would show its vendors as never invoiced."""
    return [one for one in REAL_DATA if not one.is_in(folder)]
