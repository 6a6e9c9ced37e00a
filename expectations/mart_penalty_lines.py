"""What every penalty line must satisfy before it can become a cent that somebody owes."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="mart",
    table="penalties.fct_penalty_lines",
    checks=[
        gxe.UnexpectedRowsExpectation(
            description="a line never exceeds its formula",
            unexpected_rows_query="""
                select penalty_line_id, formula_amount, capped_amount, credit_amount from {batch}
                where capped_amount > formula_amount or credit_amount < 0
                    or abs(credit_amount - capped_amount) >= 1
            """,
            meta={"why": "caps only lower an amount, and rounding moves it by less than one unit"},
        ),
        gxe.UnexpectedRowsExpectation(
            description="every line has its breach",
            unexpected_rows_query="""
                select penalty_line_id, event_id from {batch}
                where event_id not in (
                    select clock_id from facts.fct_ticket_clocks where outcome = 'breached'
                    union all
                    select availability_id from facts.fct_availability_months where outcome = 'breached'
                    union all
                    select milestone_id from facts.fct_milestones where outcome = 'breached'
                )
            """,
            meta={"why": "a credit without a breach cannot be explained to the vendor who disputes it"},
        ),
        gxe.UnexpectedRowsExpectation(
            description="no month exceeds its cap",
            unexpected_rows_query="""
                select contract_version_id, clause_id, month_date,
                    sum(credit_amount) as credit_amount, max(month_cap_amount) as month_cap_amount
                from {batch} where month_cap_amount is not null
                group by contract_version_id, clause_id, month_date
                having sum(credit_amount) > round(max(month_cap_amount), 2)
            """,
            meta={"why": "the cap is the vendor's protection, and the first thing its lawyer recomputes"},
        ),
    ],
)
