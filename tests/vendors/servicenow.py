"""A ServiceNow instance with one table: it announces how many records match, and caps its pages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from tests.vendors.serving import Reply, Request

FIELDS = (
    "sys_id", "number", "sys_created_on", "sys_updated_on", "opened_at", "state", "hold_reason", "priority",
    "assignment_group", "business_service", "caller_id", "opened_by", "contact_type", "short_description",
    "resolved_at", "closed_at", "close_code", "reopen_count", "sys_mod_count",
)  # fmt: skip


@dataclass
class ServiceNowInstance:
    records: list[dict[str, str]] = field(default_factory=list)

    def open(self, at: datetime) -> None:
        number = len(self.records) + 1
        written = f"{at:%Y-%m-%d %H:%M:%S}"
        record = {**dict.fromkeys(FIELDS, ""), "sys_id": f"{number:032x}", "number": f"INC{number:07}"}
        self.records.append(
            record | dict.fromkeys(("sys_created_on", "sys_updated_on", "opened_at"), written)
        )

    def __call__(self, request: Request) -> Reply:
        bounds = re.match(
            r"sys_updated_on>=(.{19})\^sys_updated_on<(.{19})\^", request.parameters["sysparm_query"]
        )
        assert bounds is not None
        found = sorted(
            (r for r in self.records if bounds[1] <= r["sys_updated_on"] < bounds[2]),
            key=lambda r: (r["sys_updated_on"], r["sys_id"]),
        )
        offset, limit = (int(request.parameters[f"sysparm_{name}"]) for name in ("offset", "limit"))
        page = found[offset : offset + limit]
        return Reply.json({"result": page}, headers={"X-Total-Count": str(len(found))})
