"""What every supplier invoice of Tryton must have before a percentage is taken of it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_tryton.invoices",
    checks=[
        gxe.ExpectColumnValuesToNotBeNull(
            column="invoice_id", meta={"why": "an invoice without its key has no lines"}
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="state",
            value_set=["posted", "paid", "cancelled"],
            meta={"why": "a state that nobody asked for is neither counted nor refused; one must decide"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="currency",
            regex=r"^[A-Z]{3}$",
            meta={"why": "an amount without its ISO 4217 currency is no amount"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="version_at",
            regex=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$",
            meta={"why": "versions are ordered by this text; in another form the wrong one is last"},
        ),
    ],
)
