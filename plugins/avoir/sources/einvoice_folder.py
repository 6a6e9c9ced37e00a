"""A drop folder of electronic invoices: UBL and CII files, and Factur-X PDFs.

The folder is walked whole, no links are followed. One that is not there or holds no invoice at all stops the
load, since that is what a lost mount looks like. What is found lands as :mod:`avoir.sources.einvoice_landing`
says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from avoir.sources.einvoice_landing import (
    MAX_FILE_BYTES,
    SCHEMA,
    TABLES,
    Delivery,
    is_invoice_file,
    land,
    received_from_option,
)
from avoir.sources.local_folder import bytes_of, files_of
from avoir.sources.model import Landed, Rejected, Rows, SourceConnection, SourceError, System, Window


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every new invoice of the folder that arrived before the window's end.

    Raises:
        SourceError: the folder is missing, unreadable or without any invoice file.
    """
    deliveries = _deliveries(source)
    if not deliveries:
        message = f"source {source.name}: {source.path} holds no .xml or .pdf file at all; is it mounted?"
        raise SourceError(message)
    yield from land(deliveries, window, landed, received_from=source.option("received_from"))


def _deliveries(source: SourceConnection) -> list[Delivery]:
    return [
        Delivery(one.name, one.modified_at, partial(bytes_of, source, one.path, MAX_FILE_BYTES))
        for one in files_of(source, is_invoice_file)
    ]


SYSTEM = System(
    name="einvoice_folder",
    tables=TABLES,
    fetch=fetch,
    overlap=timedelta(days=1),
    reads="files",
    options={"received_from": received_from_option("mtime", "the file's own date")},
    schema_name=SCHEMA,
)
