"""The XML inside a Factur-X or ZUGFeRD PDF, taken out by a worker process that may not harm us.

A PDF is a hostile program for its reader: streams that inflate without end, loops, deep nesting. Reading
happens in one worker process with bounded memory; a document that takes too long costs the worker its
life, and the next document gets a new one.

Run as a module it is that worker: it reads documents from its standard input and answers on its output,
each message eight bytes of length and then its bytes.
"""

from __future__ import annotations

import io
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from avoir.sources.einvoice import MAX_XML_BYTES, UnusableInvoiceError
from avoir.sources.model import SourceError

MAX_PDF_BYTES = 30 * 1024 * 1024
MEMORY_BYTES = 1024 * 1024 * 1024
SECONDS_PER_DOCUMENT = 20.0

#: Names the profiles give to the attachment, newest first; compared without case.
ATTACHMENT_NAMES = ("factur-x.xml", "xrechnung.xml", "zugferd-invoice.xml")

ATTEMPTS = 2
_GOES_SECONDS = 5
#: Whoever ends a worker so ends the load as well, or means to.
_STOPPED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_OK = b"+"
_REFUSED = b"-"


class PdfExtractor:
    """Takes invoices out of PDFs; use it as a context manager, so that its worker ends with it."""

    def __init__(self, *, seconds_per_document: float = SECONDS_PER_DOCUMENT) -> None:
        self._seconds = seconds_per_document
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def invoice_xml(self, pdf: bytes) -> bytes:
        """The XML of the invoice attached to a PDF.

        Raises:
            UnusableInvoiceError: the PDF is too large, unreadable, has no invoice or several, or its reading
                took too long or too much memory.
            SourceError: somebody ended the worker, which says nothing of the PDF.
        """
        if len(pdf) > MAX_PDF_BYTES:
            raise UnusableInvoiceError(
                "too_large", f"{len(pdf)} bytes of PDF, at most {MAX_PDF_BYTES} are read"
            )
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._answer(pdf)
                break
            except (BrokenPipeError, EOFError):
                ended_by = self._stop()
                if ended_by in _STOPPED:
                    message = (
                        f"the process that reads PDFs was ended by {ended_by.name}; load the window again"
                    )
                    raise SourceError(message) from None
                # The kernel may have wanted its memory for somebody else.
                if ended_by is not signal.SIGKILL or attempt == ATTEMPTS:
                    reason = "reading the PDF took too much memory or crashed"
                    raise UnusableInvoiceError("pdf_unreadable", reason) from None
            except TimeoutError:
                self._stop()
                message = f"reading the PDF took longer than {self._seconds:g} seconds"
                raise UnusableInvoiceError("pdf_too_slow", message) from None
        if answer[:1] == _OK:
            return answer[1:]
        code, _, reason = answer[1:].decode("utf-8", "replace").partition("\n")
        raise UnusableInvoiceError(code, reason)

    def _answer(self, pdf: bytes) -> bytes:
        worker = self._running()
        deadline = time.monotonic() + self._seconds
        given, answered = _pipes(worker)
        given.write(_framed(pdf))
        given.flush()
        return _read_message(answered, lambda: _readable(answered, deadline))

    def _running(self) -> subprocess.Popen[bytes]:
        if self._worker is None:
            library = Path(__file__).resolve().parents[2]
            environment = {"PATH": os.defpath, "PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": "1"}
            self._worker = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        return self._worker

    def _stop(self) -> signal.Signals | None:
        """End the worker; the signal that had ended it before, if one had."""
        worker, self._worker = self._worker, None
        if worker is None:
            return None
        with suppress(subprocess.TimeoutExpired):
            # Where it is going by itself its pipes close a moment before it has gone.
            worker.wait(_GOES_SECONDS if worker.stdout is not None and _is_at_end(worker.stdout) else 0)
        ended_by = worker.poll()
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        return signal.Signals(-ended_by) if ended_by is not None and ended_by < 0 else None


def attached_invoice(pdf: bytes) -> bytes:
    """The XML attached to a PDF under one of :data:`ATTACHMENT_NAMES`. Runs in the worker.

    Raises:
        UnusableInvoiceError: see :meth:`PdfExtractor.invoice_xml`.
    """
    # Only the worker pays for the import.
    from pypdf import PdfReader  # noqa: PLC0415
    from pypdf.errors import LimitReachedError, PyPdfError  # noqa: PLC0415

    if not pdf.startswith(b"%PDF-"):
        raise UnusableInvoiceError("pdf_unreadable", "the file does not begin as a PDF does")
    found: set[bytes] = set()
    try:
        reader = PdfReader(io.BytesIO(pdf))
        is_encrypted = reader.is_encrypted
        if not is_encrypted:
            attachments = reader.attachment_list
            found = {item.content for item in attachments if item.name.lower() in ATTACHMENT_NAMES}
    except (LimitReachedError, MemoryError, RecursionError) as error:
        raise UnusableInvoiceError(
            "pdf_too_large_inside", f"the PDF inflates beyond bounds: {error}"
        ) from None
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, OSError) as error:
        raise UnusableInvoiceError("pdf_unreadable", f"the PDF cannot be read: {error}") from None
    if is_encrypted:
        raise UnusableInvoiceError("pdf_encrypted", "the PDF is encrypted")
    if not found:
        names = ", ".join(ATTACHMENT_NAMES)
        raise UnusableInvoiceError("pdf_without_invoice", f"the PDF has no attachment named {names}")
    if len(found) > 1:
        raise UnusableInvoiceError("pdf_several_invoices", "the PDF has several different invoices attached")
    xml = next(iter(found))
    if len(xml) > MAX_XML_BYTES:
        raise UnusableInvoiceError("too_large", f"{len(xml)} bytes of XML, at most {MAX_XML_BYTES} are read")
    return xml


def _framed(message: bytes) -> bytes:
    return struct.pack(">Q", len(message)) + message


def _pipes(worker: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if worker.stdin is None or worker.stdout is None:
        raise ValueError("the worker was started without pipes")
    return worker.stdin, worker.stdout


def _readable(stream: IO[bytes], deadline: float) -> None:
    ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
    if not ready:
        raise TimeoutError


def _is_at_end(stream: IO[bytes]) -> bool:
    ready, _, _ = select.select([stream], [], [], 0)
    return bool(ready) and os.read(stream.fileno(), 1) == b""


def _read_message(stream: IO[bytes], wait: Callable[[], None]) -> bytes:
    """One message; ``wait`` returns when there is more to read. ``EOFError`` when the stream ends first."""

    def exactly(size: int) -> bytes:
        pieces = bytearray()
        while len(pieces) < size:
            wait()
            piece = os.read(stream.fileno(), min(size - len(pieces), 1 << 20))
            if not piece:
                raise EOFError
            pieces += piece
        return bytes(pieces)

    return exactly(struct.unpack(">Q", exactly(8))[0])


def _work() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    while True:
        try:
            pdf = _read_message(sys.stdin.buffer, lambda: None)
        except EOFError:
            return
        try:
            answer = _OK + attached_invoice(pdf)
        except UnusableInvoiceError as error:
            answer = _REFUSED + f"{error.code}\n{error.reason}".encode()
        sys.stdout.buffer.write(_framed(answer))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _work()
