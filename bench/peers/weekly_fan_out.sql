-- The peer of the look-up: business time as public dbt packages for ticket systems compute it, written here as a plain
-- baseline. An interval is expanded into the weeks that it touches; each of its weeks meets the opening times of the
-- calendar, in minutes since Sunday, that are valid in that week; what they have in common is summed.
--
-- It reads bench.peer_intervals (interval_id, calendar_id, from_at, to_at: timestamps in UTC), bench.weeks (week_no) and
-- bench.schedules (calendar_id, opens_minute, closes_minute, valid_from, valid_until), where every change of clocks and
-- every week with a holiday has rows of its own. The packages build these schedules in each run; here they are given.

with intervals as (

    -- Grouped, so that what is computed here is computed once per interval and not once per week and opening time.
    select
        interval_id,
        calendar_id,
        cast(date_trunc('week', from_at + interval '1 day') - interval '1 day' as date) as sunday_date,
        date_part('epoch', from_at - (date_trunc('week', from_at + interval '1 day') - interval '1 day')) / 60 as from_minute,
        date_part('epoch', to_at - from_at) / 60 as length_minutes
    from bench.peer_intervals
    group by interval_id, calendar_id, from_at, to_at

),

weekly as (

    select
        intervals.*,
        weeks.week_no
    from intervals
    cross join bench.weeks
    where floor((intervals.from_minute + intervals.length_minutes) / 10080) >= weeks.week_no

),

parts as (

    select
        interval_id,
        calendar_id,
        sunday_date,
        week_no,
        greatest(0, from_minute - week_no * 10080) as from_minute,
        least(from_minute + length_minutes - week_no * 10080, 10080) as to_minute
    from weekly

),

scheduled as (

    select
        parts.interval_id,
        least(parts.to_minute, schedules.closes_minute) - greatest(parts.from_minute, schedules.opens_minute) as open_minutes
    from parts
    inner join bench.schedules
        on
            parts.from_minute <= schedules.closes_minute
            and parts.to_minute >= schedules.opens_minute
            and parts.calendar_id = schedules.calendar_id
            -- Which of the schedules is valid is told by dates, as in the packages.
            and cast(
                parts.sunday_date + interval '1 minute' * cast(parts.week_no * 10080 + parts.to_minute as integer) as date
            ) > schedules.valid_from
            and cast(
                parts.sunday_date + interval '1 minute' * cast(parts.week_no * 10080 + parts.from_minute as integer) as date
            ) < schedules.valid_until

)

select
    interval_id,
    sum(open_minutes) as open_minutes
from scheduled
group by interval_id
