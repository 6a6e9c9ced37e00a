"""Proofs of contract files, kept: what held for the same file, models and library need not run again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import psycopg

from avoir.contracts.proving import Proof, prove
from avoir.contracts.reading import ContractFile
from avoir.contracts.rules import Finding
from avoir.contracts.scratch import scratch_warehouse
from avoir.modelling import project_sha256


def differing_tests(
    url: str,
    environment: Mapping[str, str],
    files: Sequence[ContractFile],
    *,
    project: Path,
    as_of: datetime,
) -> dict[str, list[Finding]]:
    """Return, by file, the worked tests that do not hold; what is not proven yet runs in one build.

    Args:
        url: the warehouse as ``avoir_transformer``.
        environment: how dbt reaches it.
        files: good contract files.
        project: the dbt project.
        as_of: the instant of the load that asks.

    Raises:
        ModellingError: dbt failed.
    """
    tested = [file for file in files if file.versions and file.versions[0].contract.tests]
    code = code_sha256(project)
    keys = {file.shown: _proof_sha256(file, code) for file in tested}
    with psycopg.connect(url, application_name="avoir") as connection:
        known = {
            row[0]
            for row in connection.execute(
                "select proof_sha256 from reference.proofs where proof_sha256 = any(%s)",
                (list(keys.values()),),
            )
        }
    missing = [file for file in tested if keys[file.shown] not in known]
    if missing:
        with scratch_warehouse(url, environment, project=project, own_raw=True) as scratch:
            proofs = prove(scratch, missing)
        _keep(url, proofs, keys, as_of)
    with psycopg.connect(url, application_name="avoir") as connection:
        failed = {
            (sha256, name): (failure, mend)
            for sha256, name, failure, mend in connection.execute(
                """
                select proof_sha256, test_name, failure, mend from reference.proofs
                where proof_sha256 = any(%s) and failure is not null
                """,
                (list(keys.values()),),
            )
        }
    findings: dict[str, list[Finding]] = {}
    for file in tested:
        for number, test in enumerate(file.versions[0].contract.tests):
            if (found := failed.get((keys[file.shown], test.name))) is not None:
                findings.setdefault(file.shown, []).append(Finding(("tests", number), *found))
    return findings


def told(proof: Proof) -> tuple[str, str] | None:
    """Return what differs in a proof and how to mend it; None when it holds."""
    first = proof.first_difference
    if first is None:
        return None
    message = (
        f"the test {proof.test!r} expects {first.name} {first.expected} of {first.selection}, got {first.got}"
    )
    return message, f"correct the terms or the test; {first.name} is the first step that differs"


def _keep(url: str, proofs: Sequence[Proof], keys: Mapping[str, str], as_of: datetime) -> None:
    with psycopg.connect(url, application_name="avoir") as connection, connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into reference.proofs (proof_sha256, contract_id, test_name, failure, mend, proven_as_of)
            values (%s, %s, %s, %s, %s, %s) on conflict do nothing
            """,
            [
                (keys[proof.shown], proof.contract_id, proof.test, *(told(proof) or (None, None)), as_of)
                for proof in proofs
            ],
        )


def _proof_sha256(file: ContractFile, code: str) -> str:
    return hashlib.sha256(code.encode() + b"\0" + file.path.read_bytes()).hexdigest()


def code_sha256(project: Path) -> str:
    """Return the hash of all code that can change what a contract comes to: models, format, calendars."""
    digest = hashlib.sha256(project_sha256(project).encode())
    for path in sorted(Path(__file__).parent.glob("*")):
        if path.suffix in {".py", ".sql"}:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
