"""The register: every vendor system Avoir can read. A new system is one module and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from avoir.sources import (
    asana,
    datadog,
    einvoice_folder,
    einvoice_mail,
    einvoice_s3,
    einvoice_sftp,
    github,
    gitlab,
    incident_log,
    jira,
    nagios_log,
    pingdom,
    plan_file,
    probe_log,
    prometheus,
    redmine,
    register_confluence,
    register_file,
    register_sharepoint,
    request_tracker,
    servicenow,
    statuspage,
    ticket_files,
    tryton,
    upptime,
    uptimerobot,
    xero,
    xero_api,
    zabbix,
    zendesk,
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
    datadog.SYSTEM,
    incident_log.SYSTEM,
    einvoice_folder.SYSTEM,
    einvoice_sftp.SYSTEM,
    einvoice_s3.SYSTEM,
    einvoice_mail.SYSTEM,
    xero.SYSTEM,
    zendesk.SYSTEM,
    ticket_files.SYSTEM,
    redmine.SYSTEM,
    asana.SYSTEM,
    plan_file.SYSTEM,
    gitlab.SYSTEM,
    github.SYSTEM,
    register_file.SYSTEM,
    register_confluence.SYSTEM,
    register_sharepoint.SYSTEM,
    xero_api.SYSTEM,
    tryton.SYSTEM,
)

#: Every raw table once, by its full name: systems that bring the same documents another way share theirs.
RAW_TABLES: Mapping[str, tuple[System, Table]] = {
    f"{system.schema}.{table.name}": (system, table) for system in SYSTEMS for table in system.tables
}

RAW_SCHEMAS: tuple[str, ...] = tuple(dict.fromkeys(system.schema for system in SYSTEMS))
#: Systems whose staging folder offers tickets and their events in the common shape (macros/tickets.sql).
TICKET_SYSTEMS = (
    servicenow.SYSTEM,
    jira.SYSTEM,
    request_tracker.SYSTEM,
    zendesk.SYSTEM,
    ticket_files.SYSTEM,
    redmine.SYSTEM,
    asana.SYSTEM,
)
#: Systems whose staging folder offers releases and what happened to their plans (macros/releases.sql).
RELEASE_SYSTEMS = (servicenow.SYSTEM, plan_file.SYSTEM, gitlab.SYSTEM, github.SYSTEM, jira.SYSTEM)
#: Systems whose staging folder offers bills of the company's own books and their lines (macros/bills.sql).
BILL_SYSTEMS = (xero.SYSTEM, tryton.SYSTEM)


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
