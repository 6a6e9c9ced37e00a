with events as (

    select * from {{ ref('int_penalty_events') }}

),

clauses as (

    select * from {{ ref('current_clauses') }}

),

months as (

    select distinct
        contract_id,
        month_date,
        is_complete
    from {{ ref('contract_months') }}

),

charges as (

    select * from {{ source('reference', 'contract_charges') }}

),

formulas as (

    select * from {{ ref('int_penalty_formulas') }}

),

repeats as (

    select * from {{ ref('int_penalty_repeats') }}

),

cumulations as (

    select * from {{ ref('int_penalty_cumulations') }}

),

event_caps as (

    select * from {{ ref('int_penalty_event_caps') }}

),

period_caps as (

    select * from {{ ref('int_penalty_quarter_caps') }}

),

rolling_caps as (

    select * from {{ ref('int_penalty_term_caps') }}

),

exemptions as (

    select * from {{ ref('int_penalty_exemptions') }}

),

indexations as (

    select * from {{ ref('int_penalty_indexations') }}

),

earn_backs as (

    select * from {{ ref('int_penalty_earn_backs') }}

),

lines as (

    select
        exemptions.line_id,
        exemptions.event_id,
        exemptions.line_kind,
        exemptions.month_date,
        exemptions.origin_month_date,
        exemptions.unexempted_amount,
        indexations.index_coefficient,
        indexations.indexed_amount,
        indexations.indexed_amount as earned_back_amount
    from exemptions
    inner join indexations on exemptions.line_id = indexations.line_id
    union all
    select
        line_id,
        event_id,
        line_kind,
        month_date,
        origin_month_date,
        cast(0 as numeric) as unexempted_amount,
        cast(null as numeric) as index_coefficient,
        cast(0 as numeric) as indexed_amount,
        earned_back_amount
    from earn_backs

),

explained as (

    -- A release or a reversal went through the first steps with its breach: they are not summed twice.
    select
        lines.*,
        events.vendor_id,
        events.contract_id,
        events.contract_version_id,
        events.service_id,
        events.clause_id,
        events.subject_name,
        events.event_us,
        events.currency,
        events.minor_units,
        clauses.indicator,
        clauses.objective_unit,
        charges.settlement_document,
        charges.vat_treatment,
        formulas.formula,
        formulas.measured_value,
        formulas.base_kind,
        formulas.base_amount,
        formulas.band_no,
        formulas.unit_quantity,
        formulas.points_value,
        repeats.failing_month_no,
        repeats.repeat_multiplier,
        event_caps.event_cap_amount,
        case when lines.line_kind = 'breach' then formulas.formula_amount else 0 end as formula_amount,
        case when lines.line_kind = 'breach' then repeats.repeated_amount else 0 end as repeated_amount,
        case when lines.line_kind = 'breach' then cumulations.uncumulated_amount else 0 end as uncumulated_amount,
        case when lines.line_kind = 'breach' then event_caps.event_capped_amount else 0 end as event_capped_amount,
        case when lines.line_kind = 'breach' then period_caps.period_capped_amount else 0 end as period_capped_amount,
        case when lines.line_kind = 'breach' then rolling_caps.rolling_capped_amount else 0 end as rolling_capped_amount
    from lines
    inner join events on lines.event_id = events.event_id
    inner join clauses
        on events.contract_version_id = clauses.contract_version_id and events.clause_id = clauses.clause_id
    inner join charges on events.contract_version_id = charges.contract_version_id
    inner join formulas on lines.event_id = formulas.event_id
    inner join repeats on lines.event_id = repeats.event_id
    inner join cumulations on lines.event_id = cumulations.event_id
    inner join event_caps on lines.event_id = event_caps.event_id
    inner join period_caps on lines.event_id = period_caps.event_id
    inner join rolling_caps on lines.event_id = rolling_caps.event_id

),

accumulated as (

    -- Rounding the running total keeps the sum of a month's lines equal to its total rounded once.
    select
        *,
        sum(earned_back_amount) over (
            partition by contract_version_id, clause_id, month_date, line_kind, origin_month_date
            order by event_us, {{ in_byte_order('subject_name') }}, event_id
            rows between unbounded preceding and current row
        ) as running_amount
    from explained

),

settled as (

    select
        *,
        {{ round_money('running_amount', 'minor_units') }}
        - {{ round_money('running_amount - earned_back_amount', 'minor_units') }} as credit_amount
    from accumulated

),

identified as (

    select
        md5(
            settled.contract_version_id || '|' || settled.clause_id || '|' || settled.origin_month_date || '|'
            || settled.event_id
            || case when settled.line_kind = 'breach' then '' else '|' || settled.line_kind end
        ) as penalty_line_id,
        settled.line_kind,
        settled.vendor_id,
        settled.contract_id,
        settled.contract_version_id,
        settled.service_id,
        settled.clause_id,
        settled.month_date,
        settled.origin_month_date,
        months.is_complete,
        settled.indicator,
        settled.event_id,
        settled.subject_name,
        settled.measured_value,
        settled.objective_unit as measured_unit,
        settled.formula,
        settled.base_kind,
        settled.base_amount,
        settled.band_no,
        settled.unit_quantity,
        settled.points_value,
        settled.formula_amount,
        settled.failing_month_no,
        settled.repeat_multiplier,
        settled.repeated_amount,
        settled.uncumulated_amount,
        settled.event_cap_amount,
        settled.event_capped_amount,
        settled.period_capped_amount,
        settled.rolling_capped_amount,
        settled.unexempted_amount,
        settled.index_coefficient,
        settled.indexed_amount,
        settled.earned_back_amount,
        settled.credit_amount,
        settled.settlement_document,
        settled.vat_treatment,
        settled.currency
    from settled
    inner join months on settled.contract_id = months.contract_id and settled.month_date = months.month_date

)

select * from identified
