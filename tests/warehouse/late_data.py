"""Data that come after a month has closed, landed as a load would land them: raw rows are added, never
changed.
"""

from __future__ import annotations

from datetime import date

import psycopg


def new_batch(connection: psycopg.Connection, source: str, system: str, first: str, last: str) -> int:
    """A batch of a source over a window, and its id."""
    row = connection.execute(
        """
        insert into loads.batches (
            source_name, system, window_from, window_to, rows_read, rows_landed, rows_duplicate,
            rows_rejected, started_at
        )
        values (%s, %s, %s, %s, 0, 0, 0, 0, '2026-07-08T03:00:00Z') returning batch_id
        """,
        (source, system, first, last),
    ).fetchone()
    assert row is not None
    return int(row[0])


def correct_invoice(connection: psycopg.Connection, vendor: str, number: str, *, less: str) -> None:
    """A corrected invoice (384) that names the first one (BT-25) and asks for less on its first line."""
    batch = new_batch(
        connection, f"{vendor}_invoices", "einvoice_folder", "2026-07-07T00:00Z", "2026-07-08T00:00Z"
    )
    document = f"corrected-{number}"
    taken = connection.execute(
        """
        insert into raw_einvoice.invoices
        select (r).* from (
            select jsonb_populate_record(i, jsonb_build_object(
                '_batch_id', %(batch)s::bigint, '_row_hash', md5(%(document)s),
                'document_id', %(document)s::text, 'type_code', '384',
                'invoice_number', i.invoice_number || 'C', 'preceding_invoice', i.invoice_number,
                'issue_date', '2026-07-06', 'received_at', '2026-07-07T09:00:00+00:00',
                'lines_total', (i.lines_total::numeric - %(less)s::numeric)::text,
                'tax_basis_total', (i.tax_basis_total::numeric - %(less)s::numeric)::text
            )) as r
            from raw_einvoice.invoices i where i.invoice_number = %(number)s
        ) corrected
        """,
        {"batch": batch, "document": document, "number": number, "less": less},
    )
    assert taken.rowcount == 1, number
    connection.execute(
        """
        insert into raw_einvoice.invoice_lines
        select (r).* from (
            select jsonb_populate_record(l, jsonb_build_object(
                '_batch_id', %(batch)s::bigint, '_row_hash', md5(%(document)s || l.line_no),
                'document_id', %(document)s::text, 'invoice_number', l.invoice_number || 'C',
                'net_amount', (l.net_amount::numeric - case when l.line_no = '1' then %(less)s::numeric else
                0 end)::text
            )) as r
            from raw_einvoice.invoice_lines l where l.invoice_number = %(number)s
        ) corrected
        """,
        {"batch": batch, "document": document, "number": number, "less": less},
    )
    connection.execute(
        """
        insert into raw_einvoice.invoice_adjustments
        select (r).* from (
            select jsonb_populate_record(a, jsonb_build_object(
                '_batch_id', %(batch)s::bigint, '_row_hash', md5(%(document)s || a.kind || a.line_no),
                'document_id', %(document)s::text, 'invoice_number', a.invoice_number || 'C'
            )) as r
            from raw_einvoice.invoice_adjustments a where a.invoice_number = %(number)s
        ) corrected
        """,
        {"batch": batch, "document": document, "number": number},
    )


def withdraw_outages(connection: psycopg.Connection, vendor: str, month: date) -> None:
    """The register learns that what was measured as outages of a month was planned work, announced in
    time.
    """
    batch = new_batch(
        connection, f"{vendor}_servicenow", "servicenow", "2026-07-07T00:00Z", "2026-07-08T00:00Z"
    )
    planned = connection.execute(
        """
        insert into raw_servicenow.cmdb_ci_outage
        select (r).* from (
            select jsonb_populate_record(t, jsonb_build_object(
                '_batch_id', %(batch)s::bigint, '_row_hash', md5(o.outage_id), 'sys_id', o.outage_id,
                'number', 'OUT9' || o.outage_id, 'type', 'planned',
                'begin_at', to_char(o.from_at at time zone 'UTC' - interval '10 minutes', 'YYYY-MM-DD
                HH24:MI:SS'), 'end_at', to_char(o.to_at at time zone 'UTC' + interval '10 minutes',
                'YYYY-MM-DD HH24:MI:SS'), 'sys_created_on', '2026-04-02 08:00:00', 'sys_updated_on',
                '2026-07-07 08:00:00'
            )) as r
            from facts.fct_outages o
            join raw_servicenow.cmdb_ci_outage t on t.ctid = (
                select min(ctid) from raw_servicenow.cmdb_ci_outage where _source_name = %(source)s
            )
            where o.vendor_id = %(vendor)s and o.month_date = %(month)s
        ) made
        """,
        {"batch": batch, "vendor": vendor, "month": month, "source": f"{vendor}_servicenow"},
    )
    assert planned.rowcount > 0, "there was no outage to withdraw"
