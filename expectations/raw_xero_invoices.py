"""What every bill of an accounting export must have before a percentage is taken of it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_xero.invoices",
    checks=[
        gxe.ExpectColumnValuesToNotBeNull(
            column="invoice_id", meta={"why": "a bill without its key has no lines"}
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="type",
            value_set=["ACCPAY", "ACCREC"],
            meta={"why": "only ACCPAY is what a vendor bills; a third kind would be left out in silence"},
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="status",
            value_set=["DRAFT", "SUBMITTED", "AUTHORISED", "PAID", "VOIDED", "DELETED"],
            meta={"why": "an unknown status is neither counted nor refused; somebody must decide"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="currency_code",
            regex=r"^[A-Z]{3}$",
            meta={"why": "an amount without its ISO 4217 currency is no amount"},
        ),
    ],
)
