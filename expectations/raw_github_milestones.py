"""What every landed GitHub milestone must have before anything is computed from it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_github.milestones",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="title",
            regex=r".",
            meta={"why": "a milestone is known by its title"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="created_at",
            regex=r"^\d{4}-\d{2}-\d{2}T",
            meta={"why": "the first plan is as old as its milestone"},
        ),
    ],
)
