"""A folder of files on this machine, walked whole; no links are followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from avoir.sources.model import SourceConnection, SourceError


@dataclass(frozen=True)
class FolderFile:
    """A file of the folder: its name below it, with ``/``, and when it was last written."""

    name: str
    path: Path
    modified_at: datetime


def files_of(source: SourceConnection, is_wanted: Callable[[str], bool]) -> list[FolderFile]:
    """The regular files below the source's folder whose own name is wanted, in the order of their names.

    Raises:
        SourceError: the folder is not there or cannot be read.
    """
    root = source.path
    if not root.is_dir():
        raise SourceError(f"source {source.name}: the folder {root} does not exist")

    def refuse(error: OSError) -> None:
        raise SourceError(f"source {source.name}: cannot read {error.filename}: {error.strerror}") from error

    found: list[FolderFile] = []
    for folder, folders, names in os.walk(root, onerror=refuse, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if not is_wanted(name):
                continue
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if not stat.S_ISREG(status.st_mode):
                continue
            label = os.fsencode(path.relative_to(root)).decode("utf-8", "replace")
            modified_at = datetime.fromtimestamp(status.st_mtime_ns // 1000 / 1_000_000, UTC)
            found.append(FolderFile(label, path, modified_at))
    return found


def bytes_of(source: SourceConnection, path: Path, most: int) -> bytes:
    """The bytes of a file, at most so many of them.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(most)
    except OSError as error:
        raise SourceError(f"source {source.name}: cannot read {path}: {error.strerror}") from error
