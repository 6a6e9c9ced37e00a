-- What a clause costs in a month, rounded once, must be the sum of its lines to the cent. Any row is not.
with summed as (

    select
        lines.contract_version_id,
        lines.clause_id,
        lines.month_date,
        lines.line_kind,
        lines.origin_month_date,
        terms.minor_units,
        sum(lines.credit_amount) as credit_amount,
        sum(lines.earned_back_amount) as total_amount
    from {{ ref('fct_penalty_lines') }} as lines
    inner join {{ ref('contract_terms') }} as terms on lines.contract_version_id = terms.contract_version_id
    where lines.credit_amount is not null
    group by
        lines.contract_version_id,
        lines.clause_id,
        lines.month_date,
        lines.line_kind,
        lines.origin_month_date,
        terms.minor_units

)

select * from summed
where credit_amount <> {{ round_money('total_amount', 'minor_units') }}
