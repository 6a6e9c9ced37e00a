"""What every landed entry of a register must have before anybody looks at it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_register.entries",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="entry_key",
            regex=r"[^|]",
            meta={"why": "an entry without its key cannot be told from another"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="version_no",
            regex=r"^\d+$",
            meta={"why": "states of an entry are ordered by their number"},
        ),
    ],
)
