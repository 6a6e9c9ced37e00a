"""What every landed story must have: the clocks are computed from these."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_asana.stories",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="story_id",
            regex=r"^\d+$",
            meta={"why": "stories of one instant are ordered by their number"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="created_at",
            regex=r"^2\d{3}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$",
            meta={"why": "pauses begin and end at this instant"},
        ),
    ],
)
