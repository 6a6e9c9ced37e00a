with periods as (

    select * from {{ ref('int_availability_periods') }}

),

states as (

    select * from {{ ref('int_availability_states') }}

),

from_days as (

    select * from {{ source('reference', 'calendar_days') }}

),

to_days as (

    select * from {{ source('reference', 'calendar_days') }}

),

edges as (

    select
        contract_version_id,
        clause_id,
        month_date,
        unit_key,
        from_us as at_us,
        state,
        1 as step
    from states
    union all
    select
        contract_version_id,
        clause_id,
        month_date,
        unit_key,
        to_us as at_us,
        state,
        -1 as step
    from states

),

stepped as (

    select
        contract_version_id,
        clause_id,
        month_date,
        unit_key,
        at_us,
        sum(case when state = 'judged' then step else 0 end) as judged_step,
        sum(case when state = 'maintenance' then step else 0 end) as maintenance_step,
        sum(case when state = 'down' then step else 0 end) as down_step,
        sum(case when state = 'unknown' then step else 0 end) as unknown_step,
        sum(case when state = 'reported' then step else 0 end) as reported_step
    from edges
    group by contract_version_id, clause_id, month_date, unit_key, at_us

),

swept as (

    -- A sweep over all edges: overlapping outages count once, planned work before down before unknown.
    select
        contract_version_id,
        clause_id,
        month_date,
        unit_key,
        at_us,
        lead(at_us) over ordered as next_us,
        sum(judged_step) over ordered as judged_depth,
        sum(maintenance_step) over ordered as maintenance_depth,
        sum(down_step) over ordered as down_depth,
        sum(unknown_step) over ordered as unknown_depth,
        sum(reported_step) over ordered as reported_depth
    from stepped
    window ordered as (partition by contract_version_id, clause_id, month_date, unit_key order by at_us)

),

named as (

    select
        swept.contract_version_id,
        swept.clause_id,
        swept.month_date,
        swept.unit_key,
        swept.at_us,
        swept.next_us,
        swept.judged_depth > 0 as is_judged,
        swept.maintenance_depth > 0 as is_left_out,
        swept.reported_depth > 0 as is_reported,
        swept.down_depth >= periods.quorum_count as is_down,
        swept.down_depth < periods.quorum_count
        and swept.down_depth + swept.unknown_depth >= periods.quorum_count as is_unknown,
        periods.unknown_policy,
        periods.calendar_id,
        periods.minimum_downtime_us
    from swept
    inner join periods
        on
            swept.contract_version_id = periods.contract_version_id
            and swept.clause_id = periods.clause_id
            and swept.month_date = periods.month_date
    where swept.next_us is not null

),

followed as (

    -- Where an outage begins: the time counts as down and did not just before.
    select
        *,
        is_down or (is_unknown and unknown_policy = 'down') as is_out,
        case
            when
                lag(is_down or (is_unknown and unknown_policy = 'down')) over (
                    partition by contract_version_id, clause_id, month_date, unit_key order by at_us
                )
                then 0
            else 1
        end as is_turned
    from named

),

numbered as (

    select
        *,
        sum(case when is_out then is_turned else 0 end) over (
            partition by contract_version_id, clause_id, month_date, unit_key
            order by at_us
            rows between unbounded preceding and current row
        ) as outage_no
    from followed

),

sized as (

    -- An outage is judged by its whole length, whatever planned work or the end of a month says.
    select
        *,
        sum(next_us - at_us) over (
            partition by contract_version_id, clause_id, month_date, unit_key, is_out, outage_no
        ) as outage_us
    from numbered

),

measured as (

    select
        sized.contract_version_id,
        sized.clause_id,
        sized.month_date,
        sized.unit_key,
        case when sized.is_out then sized.outage_no end as outage_no,
        sized.at_us,
        sized.next_us,
        sized.is_left_out,
        sized.is_reported,
        sized.is_down,
        sized.is_unknown,
        coalesce(sized.is_out and sized.outage_us >= sized.minimum_downtime_us, false) as is_counted,
        -- In service hours every length is open time.
        case
            when sized.calendar_id is null then sized.next_us - sized.at_us
            else
                ({{ open_until('sized.next_us', 'to_days') }}) - ({{ open_until('sized.at_us', 'from_days') }})
        end as length_us
    from sized
    left join from_days
        on sized.calendar_id = from_days.calendar_id and {{ day_no('sized.at_us') }} = from_days.day_no
    left join to_days
        on sized.calendar_id = to_days.calendar_id and {{ day_no('sized.next_us') }} = to_days.day_no
    where sized.is_judged

)

select
    contract_version_id,
    clause_id,
    month_date,
    unit_key,
    at_us as stretch_from_us,
    next_us as stretch_to_us,
    cast(outage_no as integer) as outage_no,
    is_down,
    is_unknown,
    is_left_out,
    is_reported,
    is_counted,
    length_us
from measured
