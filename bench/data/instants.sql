-- All that started or stopped the clocks, one kind after the other, as the project's model lays them out.
create unlogged table intermediate.int_clock_instants as
select phase_id, calendar_id, 1 as run_sign, 0 as pause_sign, phase_to_us as at_us
from intermediate.int_clock_phases
union all
select phase_id, calendar_id, -1, 0, counted_from_us
from intermediate.int_clock_phases
union all
select phase_id, calendar_id, 0, 1, paused_to_us
from intermediate.int_clock_pauses inner join intermediate.int_clock_phases using (clock_id)
union all
select phase_id, calendar_id, 0, -1, paused_from_us
from intermediate.int_clock_pauses inner join intermediate.int_clock_phases using (clock_id)
