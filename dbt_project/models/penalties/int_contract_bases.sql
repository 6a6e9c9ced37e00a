with months as (

    select * from {{ ref('contract_months') }}

),

terms as (

    select * from {{ ref('contract_terms') }}

),

services as (

    select * from {{ source('reference', 'services') }}

),

bases as (

    select * from {{ ref('int_month_bases') }}

),

invoices as (

    select
        contract_id,
        month_date,
        currency,
        max(invoice_amount) as invoice_amount
    from bases
    group by contract_id, month_date, currency

),

contract_months as (

    select distinct
        contract_id,
        month_date,
        month_no,
        month_days
    from months

),

in_force as (

    select
        contract_months.contract_id,
        contract_months.month_date,
        contract_months.month_no,
        contract_months.month_days,
        terms.contract_version_id,
        terms.currency,
        least(terms.valid_to_date, contract_months.month_date + contract_months.month_days)
        - greatest(terms.valid_from_date, contract_months.month_date) as day_count
    from contract_months
    inner join terms
        on
            contract_months.contract_id = terms.contract_id
            and contract_months.month_date + contract_months.month_days > terms.valid_from_date
            and contract_months.month_date < terms.valid_to_date

),

fees as (

    -- A fixed fee is due by days: the month's is the sum of what each version is in force for, begun or not.
    select
        in_force.contract_id,
        in_force.month_date,
        in_force.month_no,
        in_force.currency,
        services.service_id,
        sum({{ quotient('services.fee_amount * in_force.day_count', 'in_force.month_days') }}) as fee_amount
    from in_force
    inner join services on in_force.contract_version_id = services.contract_version_id
    group by in_force.contract_id, in_force.month_date, in_force.month_no, in_force.currency, services.service_id

),

joined as (

    select
        fees.contract_id,
        fees.service_id,
        fees.month_date,
        fees.month_no,
        invoices.invoice_amount,
        bases.service_amount,
        {{ trimmed('fees.fee_amount') }} as fee_amount
    from fees
    left join invoices
        on
            fees.contract_id = invoices.contract_id
            and fees.month_date = invoices.month_date
            and fees.currency = invoices.currency
    left join bases
        on
            fees.contract_id = bases.contract_id
            and fees.month_date = bases.month_date
            and fees.currency = bases.currency
            and fees.service_id = bases.service_id

)

select * from joined
