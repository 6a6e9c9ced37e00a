"""What every penalty line must satisfy before it can become a cent that somebody owes."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="mart",
    table="penalties.fct_penalty_lines",
    checks=[
        gxe.UnexpectedRowsExpectation(
            description="each step only lowers a charge",
            unexpected_rows_query="""
                select vendor_id, month_date, penalty_line_id, repeated_amount, uncumulated_amount,
                    event_capped_amount, period_capped_amount, rolling_capped_amount, unexempted_amount
                from {batch}
                where line_kind = 'breach' and (
                    uncumulated_amount > repeated_amount
                    or event_capped_amount > uncumulated_amount
                    or period_capped_amount > event_capped_amount
                    or rolling_capped_amount > period_capped_amount
                    or unexempted_amount > rolling_capped_amount
                )
            """,
            meta={"why": "groups, caps and exemptions protect the vendor; none can raise what it owes"},
        ),
        gxe.UnexpectedRowsExpectation(
            description="a charge is no gift and a reversal no charge",
            unexpected_rows_query="""
                select vendor_id, month_date, penalty_line_id, line_kind, earned_back_amount, credit_amount
                from {batch}
                where (line_kind = 'earn_back' and credit_amount > 0)
                    or (line_kind <> 'earn_back' and credit_amount < 0)
                    or abs(credit_amount - earned_back_amount) >= 1
            """,
            meta={"why": "only an earn-back is negative, and rounding moves a line by less than one unit"},
        ),
        gxe.UnexpectedRowsExpectation(
            description="no reversal gives back more than was charged",
            unexpected_rows_query="""
                select vendor_id, month_date, clause_id, origin_month_date, credit_amount, total_amount
                from (
                    select *, sum(credit_amount) over (
                        partition by contract_version_id, clause_id, origin_month_date
                    ) as total_amount
                    from {batch}
                ) lines
                where total_amount < 0
            """,
            meta={"why": "an earn-back reverses a credit, at most all of it"},
        ),
        gxe.UnexpectedRowsExpectation(
            description="every line has its breach",
            unexpected_rows_query="""
                select vendor_id, month_date, penalty_line_id, event_id from {batch}
                where event_id not in (
                    select clock_id from facts.fct_ticket_clocks where outcome = 'breached'
                    union all
                    select availability_id from facts.fct_availability_months where outcome = 'breached'
                    union all
                    select milestone_id from facts.fct_milestones where outcome = 'breached'
                    union all
                    select indicator_month_id from facts.fct_indicator_months where outcome = 'breached'
                )
            """,
            meta={"why": "a credit without a breach cannot be explained to the vendor who disputes it"},
        ),
        gxe.UnexpectedRowsExpectation(
            description="no month exceeds its cap",
            unexpected_rows_query="""
                select lines.vendor_id, lines.month_date, lines.contract_id, lines.clause_id,
                    sum(lines.period_capped_amount) as capped_amount, max(limits.limit_amount) as limit_amount
                from {batch} lines
                join penalties.int_cap_limits limits
                    on limits.contract_version_id = lines.contract_version_id
                    and limits.cap_per = 'month' and limits.cap_scope = 'clause' and limits.is_capped
                    and limits.scope_key = lines.clause_id
                    and limits.month_no = extract(year from lines.month_date) * 12
                        + extract(month from lines.month_date) - 1
                group by lines.vendor_id, lines.contract_id, lines.clause_id, lines.month_date
                having sum(lines.period_capped_amount) > max(limits.limit_amount)
            """,
            meta={"why": "the cap is the vendor's protection, and the first thing its lawyer recomputes"},
        ),
    ],
)
