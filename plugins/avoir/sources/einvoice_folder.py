"""A drop folder of electronic invoices: UBL and CII files, and Factur-X PDFs.

The folder is walked whole, no links are followed. One that is not there or holds no invoice at all stops the
load, since that is what a lost mount looks like. What is found lands as :mod:`avoir.sources.einvoice_landing`
says.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from avoir.sources.einvoice_landing import (
    MAX_FILE_BYTES,
    SCHEMA,
    TABLES,
    Delivery,
    is_invoice_file,
    land,
    received_from_option,
)
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
    root = source.path
    if not root.is_dir():
        raise SourceError(f"source {source.name}: the folder {root} does not exist")

    def refuse(error: OSError) -> None:
        raise SourceError(f"source {source.name}: cannot read {error.filename}: {error.strerror}") from error

    found: list[Delivery] = []
    for folder, folders, names in os.walk(root, onerror=refuse, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if not is_invoice_file(name):
                continue
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if not stat.S_ISREG(status.st_mode):
                continue
            label = os.fsencode(path.relative_to(root)).decode("utf-8", "replace")
            modified_at = datetime.fromtimestamp(status.st_mtime_ns // 1000 / 1_000_000, UTC)
            found.append(Delivery(label, modified_at, partial(_bytes, source, path)))
    return found


def _bytes(source: SourceConnection, path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_FILE_BYTES)
    except OSError as error:
        raise SourceError(f"source {source.name}: cannot read {path}: {error.strerror}") from error


SYSTEM = System(
    name="einvoice_folder",
    tables=TABLES,
    fetch=fetch,
    overlap=timedelta(days=1),
    reads="files",
    options={"received_from": received_from_option("mtime", "the file's own date")},
    schema_name=SCHEMA,
)
