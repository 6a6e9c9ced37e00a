"""What every landed invoice must have: credits are percentages of these."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_einvoice.invoices",
    checks=[
        gxe.ExpectColumnValuesToNotBeNull(
            column="invoice_number", meta={"why": "BT-1 is what a credit note refers to (BT-25)"}
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="currency",
            regex=r"^[A-Z]{3}$",
            meta={"why": "an amount without its ISO 4217 currency (BT-5) is no amount"},
        ),
        gxe.UnexpectedRowsExpectation(
            description="totals follow EN 16931 BR-CO-13",
            unexpected_rows_query="""
                select _source_name, _batch_id, invoice_number, tax_basis_total, lines_total,
                    allowances_total, charges_total
                from {batch}
                where nullif(tax_basis_total, '') is not null and nullif(lines_total, '') is not null
                    and cast(tax_basis_total as numeric) <> cast(lines_total as numeric)
                        - coalesce(cast(nullif(allowances_total, '') as numeric), 0)
                        + coalesce(cast(nullif(charges_total, '') as numeric), 0)
            """,
            meta={"why": "the base of every percentage is BT-109; it must be BT-106 less BT-107 plus BT-108"},
        ),
        gxe.UnexpectedRowsExpectation(
            description="dates follow one another",
            unexpected_rows_query="""
                select _source_name, _batch_id, invoice_number, issue_date, period_start, period_end,
                    received_at
                from {batch}
                where issue_date < '2000' or period_start < '2000' or period_end < period_start
                    or issue_date > left(received_at, 10)
            """,
            meta={"why": "a date that is wrong moves the invoice, and the base with it, to another month"},
        ),
    ],
)
