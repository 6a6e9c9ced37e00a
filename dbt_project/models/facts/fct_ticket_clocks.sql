{{ config(
    materialized='incremental', incremental_strategy='append', on_schema_change='fail',
    pre_hook="{{ forget(ref('int_touched_tickets'), ['ticket_id']) }}",
    indexes=[{'columns': ['ticket_id']}, {'columns': ['is_settled']}, {'columns': ['contract_id', 'month_date']}]
) }}

with bounds as (

    select * from {{ ref('int_clock_bounds') }}

),

phases as (

    select * from {{ ref('int_clock_phases') }}

),

sums as (

    select * from {{ ref('int_clock_sums') }}

),

dues as (

    select * from {{ ref('int_clock_dues') }}

),

pauses as (

    select * from {{ ref('int_clock_pauses') }}

),

excluded_tickets as (

    select distinct
        contract_version_id,
        clause_id,
        ticket_number
    from {{ ref('int_exclusions') }}
    where ticket_number is not null

),

measured as (

    select
        bounds.clock_id,
        bounds.target_operator,
        phases.phase_no,
        phases.priority,
        phases.target_us,
        phases.counted_from_us,
        sums.business_us,
        sums.elapsed_us,
        sums.paused_us,
        dues.due_us,
        -- Where the contract rounds, the rounded time is judged.
        case
            when bounds.rounding_digits_no is null then sums.business_us
            else 1000000 * {{ rounded_measure('sums.business_us', '1000000', 'bounds') }}
        end as judged_us
    from bounds
    inner join phases on bounds.clock_id = phases.clock_id
    inner join sums on phases.phase_id = sums.phase_id
    left join dues on phases.phase_id = dues.phase_id

),

held as (

    select
        *,
        coalesce(
            case target_operator when '<' then judged_us >= target_us else judged_us > target_us end, false
        ) as is_breached
    from measured

),

ranked as (

    -- The phase that decides: the breached one that is furthest beyond its target, else the last.
    select
        *,
        row_number() over (
            partition by clock_id
            order by is_breached desc, case when is_breached then judged_us - target_us else 0 end desc, phase_no desc
        ) as deciding_rank,
        count(*) over (partition by clock_id) as phase_count,
        count(*) over (partition by clock_id) = count(business_us) over (partition by clock_id) as is_measured
    from held

),

last_pauses as (

    select
        clock_id,
        max(paused_to_us) as paused_to_us
    from pauses
    group by clock_id

),

judged as (

    select
        bounds.clock_id,
        bounds.ticket_id,
        bounds.ticket_number,
        bounds.source_name,
        bounds.contract_version_id,
        bounds.contract_id,
        bounds.vendor_id,
        bounds.service_id,
        bounds.clause_id,
        bounds.calendar_id,
        bounds.aggregation,
        bounds.cycle_no,
        cast(date_trunc('month', {{ local_date('bounds.started_us', 'bounds.timezone') }}) as date) as month_date,
        {{ to_instant('bounds.started_us') }} as started_at,
        {{ to_instant('bounds.stopped_us') }} as stopped_at,
        {{ to_instant('ranked.due_us') }} as due_at,
        bounds.started_us,
        bounds.stopped_us,
        ranked.counted_from_us,
        ranked.due_us,
        ranked.priority,
        cast(ranked.phase_count as integer) as phase_count,
        ranked.target_us / 1000000.0 as target_seconds,
        case when ranked.is_measured then ranked.business_us end as business_us,
        case when ranked.is_measured then ranked.business_us end / 1000000.0 as business_seconds,
        ranked.elapsed_us / 1000000.0 as elapsed_seconds,
        ranked.paused_us / 1000000.0 as paused_seconds,
        bounds.stopped_us is null and coalesce(last_pauses.paused_to_us >= bounds.ended_us, false) as is_paused,
        bounds.stopped_us is not null and ranked.is_measured as is_settled,
        case
            when excluded_tickets.ticket_number is not null then 'excluded'
            when not ranked.is_measured then 'no_data'
            when ranked.is_breached then 'breached'
            when bounds.stopped_us is null then 'running'
            else 'met'
        end as outcome
    from bounds
    inner join ranked on bounds.clock_id = ranked.clock_id and ranked.deciding_rank = 1
    left join last_pauses on bounds.clock_id = last_pauses.clock_id
    left join excluded_tickets
        on
            bounds.contract_version_id = excluded_tickets.contract_version_id
            and bounds.clause_id = excluded_tickets.clause_id
            and bounds.ticket_number = excluded_tickets.ticket_number

)

select * from judged
