"""What every landed Asana task must have before anything is computed from it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_asana.tasks",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="created_at",
            regex=r"^2\d{3}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$",
            meta={"why": "the clock starts here; Asana is younger than this century"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="completed",
            regex=r"^(true|false)$",
            meta={"why": "whether a task is done stops clocks"},
        ),
    ],
)
