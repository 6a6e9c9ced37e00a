with events as (

    select * from {{ ref('int_penalty_events') }}

),

bases as (

    select * from {{ ref('int_month_bases') }}

),

services as (

    select * from {{ source('reference', 'services') }}

),

invoice_bases as (

    select distinct
        contract_id,
        month_date,
        currency,
        invoice_amount
    from bases

),

based as (

    select
        events.*,
        invoice_bases.invoice_amount,
        case events.base_kind
            when 'month_invoice' then invoice_bases.invoice_amount
            when 'service_lines' then service_bases.service_amount
            when 'fixed_fee' then services.fee_amount
        end as base_amount
    from events
    inner join services
        on events.contract_version_id = services.contract_version_id and events.service_id = services.service_id
    left join invoice_bases
        on
            events.contract_id = invoice_bases.contract_id
            and events.month_date = invoice_bases.month_date
            and events.currency = invoice_bases.currency
    left join bases as service_bases
        on
            events.contract_id = service_bases.contract_id
            and events.month_date = service_bases.month_date
            and events.currency = service_bases.currency
            and events.service_id = service_bases.service_id

),

formulated as (

    -- Unrounded; a base that is not there leaves the amount unknown, never zero.
    select
        *,
        case formula
            when 'percent_of_invoice_per_event' then base_amount * rate_pct / 100
            when 'fixed_per_event' then fixed_amount
            when 'proportional'
                then
                    case proportional_on
                        when 'whole_downtime' then base_amount * downtime_us / in_scope_us
                        when 'excess'
                            then
                                base_amount
                                * (downtime_us - (100 - objective_value) * in_scope_us / 100)
                                / in_scope_us
                    end
        end as formula_amount,
        least(month_cap_amount, month_cap_pct * invoice_amount / 100) as month_cap,
        month_cap_pct is null or invoice_amount is not null as is_cap_known
    from based

),

accumulated as (

    select
        *,
        sum(formula_amount) over (
            partition by contract_version_id, clause_id, month_date
            order by event_us, event_id
            rows between unbounded preceding and current row
        ) as running_amount
    from formulated

),

capped as (

    -- The cap is used up event by event, in their order; least() would take a cap for an amount that is not there.
    select
        *,
        case when formula_amount is not null and is_cap_known then least(running_amount, month_cap) end
            as running_capped_amount,
        case
            when formula_amount is not null and is_cap_known
                then least(running_amount - formula_amount, month_cap)
        end as before_capped_amount
    from accumulated

),

rounded as (

    -- Rounding the running total keeps the sum of a month's lines equal to its total rounded once.
    select
        *,
        {{ round_money('running_capped_amount', 'minor_units') }}
        - {{ round_money('before_capped_amount', 'minor_units') }} as credit_amount
    from capped

),

identified as (

    select
        md5(contract_version_id || '|' || clause_id || '|' || month_date || '|' || event_id) as penalty_line_id,
        vendor_id,
        contract_id,
        contract_version_id,
        service_id,
        clause_id,
        month_date,
        is_complete,
        indicator,
        event_id,
        measured_value,
        objective_unit as measured_unit,
        formula,
        base_kind,
        base_amount,
        formula_amount,
        month_cap as month_cap_amount,
        running_capped_amount - before_capped_amount as capped_amount,
        credit_amount,
        currency
    from rounded

)

select * from identified
