with events as (

    select * from {{ ref('int_penalty_events') }}

),

capped as (

    select * from {{ ref('int_penalty_term_caps') }}

),

months as (

    select * from {{ ref('contract_months') }}

),

charges as (

    select * from {{ source('reference', 'contract_charges') }}

),

thresholds as (

    -- The threshold of a month is that of the version in force at its end.
    select
        months.contract_id,
        months.month_no,
        months.month_date,
        charges.exemption_amount,
        charges.exemption_over
    from months
    left join charges on months.contract_version_id = charges.contract_version_id
    where months.part_from_end_no = 1

),

month_totals as (

    select
        events.contract_id,
        events.month_no,
        sum(capped.rolling_capped_amount) as month_amount,
        count(*) - count(capped.rolling_capped_amount) as unknown_count
    from events
    inner join capped on events.event_id = capped.event_id
    group by events.contract_id, events.month_no

),

accumulated as (

    select
        thresholds.*,
        coalesce(month_totals.month_amount, 0) as month_amount,
        coalesce(month_totals.unknown_count, 0) = 0 as is_month_known,
        sum(coalesce(month_totals.month_amount, 0)) over running as term_amount,
        sum(coalesce(month_totals.unknown_count, 0)) over running = 0 as is_term_known
    from thresholds
    left join month_totals
        on thresholds.contract_id = month_totals.contract_id and thresholds.month_no = month_totals.month_no
    window running as (
        partition by thresholds.contract_id order by thresholds.month_no
        rows between unbounded preceding and current row
    )

),

crossings as (

    -- The first month in which the contract's total is over the threshold; from it on all is due.
    select
        contract_id,
        min(month_no) as crossing_month_no,
        min(month_date) as crossing_month_date
    from accumulated
    where exemption_over = 'term' and is_term_known and term_amount > exemption_amount
    group by contract_id

),

judged as (

    select
        events.event_id,
        events.contract_id,
        events.month_no,
        events.month_date,
        capped.rolling_capped_amount,
        crossings.crossing_month_date,
        case
            when accumulated.exemption_amount is null then 'due'
            when accumulated.exemption_over = 'month' and not accumulated.is_month_known then 'unknown'
            when accumulated.exemption_over = 'month' and accumulated.month_amount > accumulated.exemption_amount then 'due'
            when accumulated.exemption_over = 'month' then 'exempt'
            when events.month_no >= crossings.crossing_month_no then 'due'
            when accumulated.is_term_known then 'exempt_so_far'
            else 'unknown'
        end as standing
    from events
    inner join capped on events.event_id = capped.event_id
    inner join accumulated
        on events.contract_id = accumulated.contract_id and events.month_no = accumulated.month_no
    left join crossings on events.contract_id = crossings.contract_id

),

charged as (

    select
        event_id || '|breach' as line_id,
        event_id,
        'breach' as line_kind,
        month_date,
        month_date as origin_month_date,
        case
            when standing = 'due' then rolling_capped_amount
            when standing in ('exempt', 'exempt_so_far') then 0
        end as unexempted_amount
    from judged
    union all
    -- The month that passes the threshold takes what was exempt before.
    select
        event_id || '|exemption_release' as line_id,
        event_id,
        'exemption_release' as line_kind,
        crossing_month_date as month_date,
        month_date as origin_month_date,
        rolling_capped_amount as unexempted_amount
    from judged
    where standing = 'exempt_so_far' and crossing_month_date is not null and rolling_capped_amount <> 0

)

select * from charged
