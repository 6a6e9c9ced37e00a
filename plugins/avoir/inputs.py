"""What a build depends on, as one hash: a mart whose inputs have not changed need not be built again."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

import psycopg

from avoir.modelling import project_sha256
from avoir.settings import Settings


def inputs_sha256(connection: psycopg.Connection, settings: Settings, as_of: datetime) -> str:
    """Hash of everything the published numbers depend on.

    Raw rows (by the newest batch that landed any, per source), watermarks, contract files, models,
    expectations, the library's own code, and ``as_of``.
    """
    landed = connection.execute(
        """
        select w.source_name, w.watermark, coalesce(max(b.batch_id), 0)
        from loads.watermarks w
        left join loads.batches b on b.source_name = w.source_name and b.rows_landed > 0
        group by w.source_name, w.watermark order by w.source_name
        """
    ).fetchall()
    parts = [
        as_of.isoformat(),
        *(f"{name} {watermark.isoformat()} {batch}" for name, watermark, batch in landed),
        files_sha256(settings.contracts_dir, (".yml", ".csv")),
        project_sha256(settings.checkout / "dbt_project"),
        files_sha256(settings.checkout / "expectations", (".py",)),
        files_sha256(Path(__file__).parent, (".py", ".sql")),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def software_sha256(settings: Settings) -> str:
    """Hash of the models and of the library, in whatever they say."""
    library = files_sha256(Path(__file__).parent, (".py", ".sql", ".html"))
    models = project_sha256(settings.checkout / "dbt_project")
    return hashlib.sha256(f"{models}{library}".encode()).hexdigest()


def files_sha256(directory: Path, suffixes: tuple[str, ...]) -> str:
    """Hash of the files below a directory that end so, by their paths within it."""
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.suffix in suffixes:
            digest.update(str(path.relative_to(directory)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def last_build_sha256(connection: psycopg.Connection) -> str | None:
    """The inputs of the last build that was published; None before the first."""
    row = connection.execute(
        "select inputs_sha256 from checks.builds order by build_no desc limit 1"
    ).fetchone()
    return row[0] if row else None
