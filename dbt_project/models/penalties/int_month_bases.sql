with lines as (

    select * from {{ ref('fct_invoice_lines') }}
    where is_counted and contract_id is not null

),

summed as (

    -- Ex VAT; credit notes of the month are left out; an allowance of the document belongs to no service.
    select
        contract_id,
        month_date,
        currency,
        service_id,
        sum(net_amount) as service_amount
    from lines
    group by contract_id, month_date, currency, service_id

),

totalled as (

    select
        contract_id,
        month_date,
        currency,
        service_id,
        service_amount,
        sum(service_amount) over (partition by contract_id, month_date, currency) as invoice_amount
    from summed

)

select * from totalled
