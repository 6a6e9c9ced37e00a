with events as (

    select * from {{ ref('int_penalty_events') }}

),

repeats as (

    select * from {{ ref('int_penalty_repeats') }}

),

members as (

    select * from {{ source('reference', 'non_cumulation') }}
    where keep <> 'sum'

),

grouped as (

    -- Charges that stand for one failure: of one incident, or of one month.
    select
        events.event_id,
        events.clause_id,
        members.group_id,
        members.cumulation_per,
        members.choice_no,
        members.clause_no,
        repeats.repeated_amount,
        events.contract_version_id || '|' || members.group_id || '|'
        || case members.cumulation_per when 'month' then cast(events.month_date as text) else events.incident_key end
            as failure_key
    from events
    inner join repeats on events.event_id = repeats.event_id
    inner join members
        on events.contract_version_id = members.contract_version_id and events.clause_id = members.clause_id

),

totalled as (

    select
        failure_key,
        clause_id,
        choice_no,
        clause_no,
        case when count(*) = count(repeated_amount) then sum(repeated_amount) end as clause_amount
    from grouped
    group by failure_key, clause_id, choice_no, clause_no

),

ranked as (

    -- The customer's order among those that charge anything, else the highest; of equals the clause named first.
    select
        failure_key,
        clause_id,
        count(*) over (partition by failure_key) = count(clause_amount) over (partition by failure_key) as is_known,
        row_number() over (
            partition by failure_key
            order by
                case when choice_no is not null and clause_amount > 0 then choice_no else 1000000 end,
                coalesce(clause_amount, 0) desc,
                clause_no
        ) as charge_rank
    from totalled

),

kept as (

    select
        events.event_id,
        grouped.group_id,
        grouped.event_id is null or ranked.charge_rank = 1 as is_kept,
        case
            when grouped.event_id is null then repeats.repeated_amount
            when not ranked.is_known then null
            when ranked.charge_rank = 1 then repeats.repeated_amount
            else 0
        end as uncumulated_amount
    from events
    inner join repeats on events.event_id = repeats.event_id
    left join grouped on events.event_id = grouped.event_id
    left join ranked on grouped.failure_key = ranked.failure_key and grouped.clause_id = ranked.clause_id

)

select * from kept
