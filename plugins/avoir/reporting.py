"""The report a run leaves: one page with every published month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined


def write_report(path: Path, months: Sequence[dict[str, Any]], *, as_of: datetime | None) -> Path:
    """Write the page beside and rename it over, so that a reader never sees half of it."""
    template = resources.files("avoir").joinpath("templates", "report.html").read_text()
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    vendors: dict[str, list[dict[str, Any]]] = {}
    for month in months:
        vendors.setdefault(month["vendor"], []).append(month)
    page = environment.from_string(template).render(vendors=vendors, as_of=as_of)
    beside = path.with_suffix(".html.part")
    beside.write_text(page)
    beside.replace(path)
    return path
