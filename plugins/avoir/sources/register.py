"""The register: every vendor system Avoir can read. A new system is one module and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from avoir.sources import (
    einvoice_folder,
    einvoice_mail,
    einvoice_s3,
    einvoice_sftp,
    incident_log,
    jira,
    nagios_log,
    pingdom,
    probe_log,
    prometheus,
    request_tracker,
    servicenow,
    statuspage,
    upptime,
    uptimerobot,
    xero,
    zabbix,
)
from avoir.sources.model import SourceConnection, SourceError, System, Table

SYSTEMS: tuple[System, ...] = (
    servicenow.SYSTEM,
    jira.SYSTEM,
    request_tracker.SYSTEM,
    prometheus.SYSTEM,
    upptime.SYSTEM,
    statuspage.SYSTEM,
    probe_log.SYSTEM,
    nagios_log.SYSTEM,
    uptimerobot.SYSTEM,
    pingdom.SYSTEM,
    zabbix.SYSTEM,
    incident_log.SYSTEM,
    einvoice_folder.SYSTEM,
    einvoice_sftp.SYSTEM,
    einvoice_s3.SYSTEM,
    einvoice_mail.SYSTEM,
    xero.SYSTEM,
)

#: Every raw table once, by its full name: systems that bring the same documents another way share theirs.
RAW_TABLES: Mapping[str, tuple[System, Table]] = {
    f"{system.schema}.{table.name}": (system, table) for system in SYSTEMS for table in system.tables
}

RAW_SCHEMAS: tuple[str, ...] = tuple(dict.fromkeys(system.schema for system in SYSTEMS))
#: Systems whose staging folder offers tickets and their events in the common shape (macros/tickets.sql).
TICKET_SYSTEMS = (servicenow.SYSTEM, jira.SYSTEM, request_tracker.SYSTEM)


def system_of(source: SourceConnection) -> System:
    """The system of a connection.

    Raises:
        SourceError: no such line in the register.
    """
    for system in SYSTEMS:
        if system.name == source.system:
            return system
    known = ", ".join(system.name for system in SYSTEMS)
    raise SourceError(f"source {source.name}: system {source.system!r} is not in the register ({known})")
