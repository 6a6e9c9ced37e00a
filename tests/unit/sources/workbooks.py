"""Excel workbooks to test against: as openpyxl writes them, and with parts of their archive changed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence

import openpyxl


def workbook(*rows: Sequence[object], sheets: Sequence[str] = ("Sheet",)) -> bytes:
    """A workbook with these rows on its first sheet."""
    book = openpyxl.Workbook()
    for name in sheets[1:]:
        book.create_sheet(name)
    sheet = book.worksheets[0]
    sheet.title = sheets[0]
    for row in rows:
        sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def repacked(content: bytes, change: Callable[[str, bytes], bytes], **added: bytes) -> bytes:
    """An archive with its parts changed and others added."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.infolist():
            new.writestr(part.filename, change(part.filename, old.read(part)))
        for name, data in added.items():
            new.writestr(name, data)
    return buffer.getvalue()


def with_cells(content: bytes, **cells: str) -> bytes:
    """A workbook in whose first sheet some cells, by name, are these XML elements, without their ``r``."""

    def put(name: str, data: bytes) -> bytes:
        if not name.endswith("sheet1.xml"):
            return data
        text = data.decode()
        for cell, written in cells.items():
            start = text.index(f'<c r="{cell}"')
            end = text.index("</c>", start) + len("</c>")
            text = text[:start] + written.replace("<c", f'<c r="{cell}"', 1) + text[end:]
        return text.encode()

    return repacked(content, put)
