"""The JSON Schema of the contract format, for completion and inline errors in editors.

Run ``python -m avoir.contracts.schema contracts/contract.schema.json`` after a change of the model. A
contract file asks for it with the first line
``# yaml-language-server: $schema=../../contract.schema.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from avoir.contracts.model import Contract


def contract_schema() -> dict[str, Any]:
    """Return the schema of a contract file, as the typed model states it."""
    schema = Contract.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Avoir contract"}


def schema_text() -> str:
    """Return the schema as the file holds it."""
    return json.dumps(contract_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")
