"""What every update of a component must have: it begins or ends an outage that the vendor reports."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_statuspage.component_changes",
    checks=[
        gxe.ExpectColumnValuesToBeInSet(
            column="new_status",
            value_set=[
                "operational",
                "degraded_performance",
                "partial_outage",
                "major_outage",
                "under_maintenance",
            ],
            meta={"why": "a status that is not known would count as no outage"},
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="display_at", meta={"why": "a status holds from this instant to the next"}
        ),
    ],
)
