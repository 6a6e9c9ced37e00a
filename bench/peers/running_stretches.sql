-- What the fan-out needs of a ticket with pauses: the stretches between its changes of state in which the clock ran.
-- It reads bench.peer_instants (phase_id, calendar_id, at: timestamp in UTC, sign).

with followed as (

    select
        phase_id as interval_id,
        calendar_id,
        at as from_at,
        lead(at) over changes as to_at,
        -- A clock counts down where it begins and up at its end, a pause the other way: while it runs, the sum is -1.
        sum(sign) over changes as state
    from bench.peer_instants
    window changes as (partition by phase_id order by at, sign rows unbounded preceding)

)

select
    interval_id,
    calendar_id,
    from_at,
    to_at
from followed
where state = -1 and to_at > from_at
