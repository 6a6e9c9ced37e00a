"""What every landed version of a Jira project must have before anything is computed from it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_jira.versions",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="released",
            regex=r"^(true|false)$",
            meta={"why": "of a released version the date is no plan"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="name",
            regex=r".",
            meta={"why": "a version is known by its name"},
        ),
    ],
)
