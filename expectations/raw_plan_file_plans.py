"""What every landed row of a plan file must have before anything is computed from it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_plan_file.plans",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="planned_at",
            regex=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\+00:00$",
            meta={"why": "the due date is read from here"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="version",
            regex=r"^\d+$",
            meta={"why": "versions of a plan are ordered by their number"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="service",
            regex=r".",
            meta={"why": "a milestone without its service falls under no contract"},
        ),
    ],
)
