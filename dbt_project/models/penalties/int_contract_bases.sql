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

fees as (

    -- A fixed fee is due by days: the month's is the sum of what each version is in force for, begun or not.
    select
        contract_months.contract_id,
        contract_months.month_date,
        contract_months.month_no,
        terms.currency,
        services.service_id,
        sum(
            {{ quotient(
                'services.fee_amount * (least(terms.valid_to_date, contract_months.month_date + contract_months.month_days)'
                ~ ' - greatest(terms.valid_from_date, contract_months.month_date))',
                'contract_months.month_days'
            ) }}
        ) as fee_amount
    from contract_months
    inner join terms
        on
            contract_months.contract_id = terms.contract_id
            and terms.valid_from_date < contract_months.month_date + contract_months.month_days
            and terms.valid_to_date > contract_months.month_date
    inner join services on terms.contract_version_id = services.contract_version_id
    group by
        contract_months.contract_id, contract_months.month_date, contract_months.month_no, terms.currency, services.service_id

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
