"""Names that the services and the lineage share: where events wait, and by which transport they get there."""

from __future__ import annotations

from pathlib import Path

NAMESPACE = "avoir"
"""The namespace of every job of ours."""

TRANSPORT = "avoir.lineage.spool.SpoolTransport"


def spool_of(profile_home: Path) -> Path:
    """Directory in which a profile's events wait."""
    return profile_home / "lineage" / "spool"


def transport_config(profile_home: Path) -> dict[str, str]:
    """The transport as ``openlineage-python`` wants it configured."""
    return {"type": TRANSPORT, "directory": str(spool_of(profile_home))}
