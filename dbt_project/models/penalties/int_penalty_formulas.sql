with events as (

    select * from {{ ref('int_penalty_events') }}

),

clauses as (

    select * from {{ ref('current_clauses') }}

),

terms as (

    select * from {{ ref('contract_terms') }}

),

services as (

    select * from {{ source('reference', 'services') }}

),

bases as (

    select * from {{ ref('int_contract_bases') }}

),

bands as (

    select * from {{ source('reference', 'clause_bands') }}

),

based as (

    -- What is judged by the month is priced on its part of it, an event on the whole month.
    select
        events.event_id,
        events.contract_version_id,
        events.clause_id,
        events.measured_numerator,
        events.measured_denominator,
        events.unavailable_quantity,
        events.total_quantity,
        clauses.objective_operator,
        coalesce(events.own_target_value, clauses.objective_value) as objective_value,
        clauses.rounding_digits_no,
        clauses.rounding_mode,
        clauses.rounding_unit_value,
        clauses.formula,
        clauses.counted_on,
        clauses.unit_size_value,
        clauses.unit_rounding,
        clauses.rate_pct,
        clauses.fixed_amount,
        clauses.proportional_on,
        clauses.divisor_value,
        clauses.points_value,
        clauses.point_amount,
        clauses.point_rate_pct,
        clauses.pool_pct,
        clauses.allocation_pct,
        clauses.at_risk_pct,
        clauses.event_cap_pct,
        clauses.event_cap_amount,
        clauses.base_kind,
        case
            when events.is_monthly
                then {{ quotient('bases.invoice_amount * events.part_days', 'events.contract_days') }}
            else bases.invoice_amount
        end as invoice_amount,
        case clauses.base_kind
            when 'month_invoice'
                then
                    case
                        when events.is_monthly
                            then {{ quotient('bases.invoice_amount * events.part_days', 'events.contract_days') }}
                        else bases.invoice_amount
                    end
            when 'service_lines'
                then
                    case
                        when events.is_monthly
                            then {{ quotient('bases.service_amount * events.part_days', 'events.contract_days') }}
                        else bases.service_amount
                    end
            when 'fixed_fee'
                then
                    case
                        when events.is_monthly
                            then {{ quotient('services.fee_amount * events.part_days', 'events.month_days') }}
                        else bases.fee_amount
                    end
            when 'order_amount' then terms.order_amount
            when 'stated' then clauses.stated_base_amount
        end as stated_amount
    from events
    inner join clauses
        on events.contract_version_id = clauses.contract_version_id and events.clause_id = clauses.clause_id
    inner join terms on events.contract_version_id = terms.contract_version_id
    inner join services
        on events.contract_version_id = services.contract_version_id and events.service_id = services.service_id
    left join bases
        on
            events.contract_id = bases.contract_id
            and events.service_id = bases.service_id
            and events.month_no = bases.month_no

),

rounded as (

    -- A measure that the contract rounds is priced as rounded; a base below nothing is nothing.
    select
        *,
        case when stated_amount < 0 then 0 else stated_amount end as base_amount,
        case
            -- A penalty without a base of its own is capped on the month's invoice; the base of points is not its own.
            when (base_kind is null or point_rate_pct is not null) and invoice_amount < 0 then 0
            when base_kind is null or point_rate_pct is not null then invoice_amount
            when stated_amount < 0 then 0
            else stated_amount
        end as event_cap_base_amount,
        case
            when rounding_digits_no is null then measured_numerator
            else
                {{ rounded_measure('measured_numerator', 'measured_denominator') }}
        end as judged_numerator,
        case when rounding_digits_no is null then measured_denominator else 1 end as judged_denominator
    from based

),

counted as (

    select
        *,
        case
            when counted_on = 'excess' and objective_operator in ('<=', '<')
                then judged_numerator - objective_value * judged_denominator
            when counted_on = 'excess' then objective_value * judged_denominator - judged_numerator
            else judged_numerator
        end as counted_numerator
    from rounded

),

banded as (

    -- Limits are compared without a division, so a value on a limit is on it.
    select
        counted.event_id,
        bands.band_no,
        bands.rate_pct as band_rate_pct,
        bands.amount as band_amount,
        bands.point_count as band_points_value
    from counted
    inner join bands
        on
            counted.contract_version_id = bands.contract_version_id
            and counted.clause_id = bands.clause_id
            and (
                bands.lower_value is null
                or counted.counted_numerator > bands.lower_value * counted.judged_denominator
                or (bands.is_lower_held and counted.counted_numerator = bands.lower_value * counted.judged_denominator)
            )
            and (
                bands.upper_value is null
                or counted.counted_numerator < bands.upper_value * counted.judged_denominator
                or (bands.is_upper_held and counted.counted_numerator = bands.upper_value * counted.judged_denominator)
            )

),

measured as (

    select
        counted.*,
        banded.band_no,
        banded.band_rate_pct,
        banded.band_amount,
        coalesce(banded.band_points_value, counted.points_value) as charged_points_value,
        case counted.unit_rounding
            when 'started'
                then ceil({{ quotient('counted.counted_numerator', 'counted.judged_denominator * counted.unit_size_value') }})
            when 'full'
                then floor({{ quotient('counted.counted_numerator', 'counted.judged_denominator * counted.unit_size_value') }})
            when 'exact'
                then {{ quotient('counted.counted_numerator', 'counted.judged_denominator * counted.unit_size_value') }}
        end as unit_quantity
    from counted
    left join banded on counted.event_id = banded.event_id

),

priced as (

    -- Unrounded; a base that is not there leaves the amount unknown, never zero.
    select
        *,
        case
            when formula = 'percent_of_invoice_per_event' then base_amount * rate_pct / 100
            when formula = 'fixed_per_event' then fixed_amount
            when formula = 'proportional' and rounding_digits_no is not null and proportional_on = 'whole_downtime'
                then {{ quotient('base_amount * (100 * judged_denominator - judged_numerator)', '100 * judged_denominator') }}
            when formula = 'proportional' and rounding_digits_no is not null
                then
                    {{ quotient(
                        'base_amount * (objective_value * judged_denominator - judged_numerator)', '100 * judged_denominator'
                    ) }}
            when formula = 'proportional' and proportional_on = 'whole_downtime'
                then {{ quotient('base_amount * unavailable_quantity', 'total_quantity') }}
            when formula = 'proportional'
                then
                    {{ quotient(
                        'base_amount * (100 * unavailable_quantity - (100 - objective_value) * total_quantity)',
                        '100 * total_quantity'
                    ) }}
            when formula = 'tiers' and band_no is null then 0
            when formula = 'tiers' and band_rate_pct is not null then base_amount * band_rate_pct / 100
            when formula = 'tiers' and band_amount is not null then band_amount
            when formula in ('points', 'tiers') and point_amount is not null then charged_points_value * point_amount
            when formula in ('points', 'tiers') then charged_points_value * point_rate_pct * base_amount / 100
            when formula = 'linear' and rate_pct is null then unit_quantity * fixed_amount
            when formula = 'linear' then unit_quantity * rate_pct * base_amount / 100
            when formula = 'value_times_delay' then {{ quotient('base_amount * unit_quantity', 'divisor_value') }}
            when formula = 'at_risk_pool' then base_amount * at_risk_pct * pool_pct * allocation_pct / 1000000
        end as formula_amount
    from measured

),

bounded as (

    select
        event_id,
        formula,
        base_kind,
        {{ trimmed('base_amount') }} as base_amount,
        {{ trimmed(quotient('measured_numerator', 'measured_denominator')) }} as measured_value,
        band_no,
        {{ trimmed('unit_quantity') }} as unit_quantity,
        case when formula in ('points', 'tiers') then charged_points_value end as points_value,
        {{ trimmed('formula_amount') }} as formula_amount,
        case
            when event_cap_pct is null then event_cap_amount
            when event_cap_base_amount is not null
                then
                    least(
                        event_cap_amount,
                        {{ trimmed('event_cap_pct * event_cap_base_amount / 100') }}
                    )
        end as event_cap_amount,
        event_cap_pct is not null or event_cap_amount is not null as has_event_cap
    from priced

)

select * from bounded
