# ruff: noqa: E501 - the texts stand as they do in the models
"""Mistakes to plant in the models: one replaced text each, by the step of the pipeline that it breaks.

The worked tests of the contracts must notice every one of them. What a contract's test cannot state (that an
amount is unknown) shows in the lines that follow from it: an earn-back of an unknown amount is a line, one of
nothing is none, and a total that is unknown passes no exemption.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"

STEPS = (
    "measure",
    "exclude",
    "breach",
    "formula",
    "repeat",
    "non_cumulation",
    "event_cap",
    "cap_limits",
    "capping",
    "exemption",
    "indexation",
    "earn_back",
    "settlement",
)
"""Steps of the pipeline in their order; each has its mutants."""


@dataclass(frozen=True)
class Mutant:
    """One mistake: ``text`` stands once in ``file`` (under dbt_project) and becomes ``replacement``."""

    step: str
    name: str
    file: str
    text: str
    replacement: str

    def applied(self, original: str) -> str:
        """Return the file's text with the mistake in it.

        Raises:
            ValueError: the text that it replaces is not there, or there more than once.
        """
        count = original.count(self.text)
        if count != 1:
            msg = f"{self.name!r}: its text stands {count} times in {self.file}, not once:\n{self.text}"
            raise ValueError(msg)
        return original.replace(self.text, self.replacement)

    def models(self, project: Path = PROJECT) -> tuple[str, ...]:
        """Return the models whose own text changes: the file's, or those that use its macro."""
        path = project / self.file
        if not self.file.startswith("macros/"):
            return (path.stem,)
        before = path.read_text().partition(self.text)[0]
        macro = re.findall(r"{%-? macro (\w+)\(", before)[-1]
        return tuple(sorted(_users(macro, project)))


def _users(macro: str, project: Path) -> set[str]:
    """Names of the models that use a macro, by themselves or through another macro."""
    calls = re.compile(rf"\b{macro}\(")
    found = {path.stem for path in project.glob("models/**/*.sql") if calls.search(path.read_text())}
    for path in project.glob("macros/*.sql"):
        for name, body in _macros(path.read_text()):
            if name != macro and calls.search(body):
                found |= _users(name, project)
    return found


def _macros(text: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"{%-? macro (\w+)\(.*?\) -?%}(.*?){%-? endmacro", text, re.DOTALL):
        yield match[1], match[2]


_INDICATORS = "models/facts/fct_indicator_months.sql"
_CLOCKS = "models/facts/fct_ticket_clocks.sql"
_RUNS = "models/intermediate/int_clock_runs.sql"
_BOUNDS = "models/intermediate/int_clock_bounds.sql"
_PAUSES = "models/intermediate/int_clock_pauses.sql"
_PHASES = "models/intermediate/int_clock_phases.sql"
_INSTANTS = "models/intermediate/int_clock_instants.sql"
_DUES = "models/intermediate/int_clock_dues.sql"
_OUTAGES = "models/facts/fct_outages.sql"
_AVAILABILITY = "models/facts/fct_availability_months.sql"
_PERIODS = "models/intermediate/int_availability_periods.sql"
_STATES = "models/intermediate/int_availability_states.sql"
_STRETCHES = "models/intermediate/int_availability_stretches.sql"
_SLICES = "models/intermediate/int_probe_slices.sql"
_MILESTONES = "models/facts/fct_milestones.sql"
_EXCLUSIONS = "models/intermediate/int_exclusions.sql"
_TIME = "macros/time.sql"
_JUDGING = "macros/judging.sql"
_CAPPING = "macros/capping.sql"
_MONEY = "macros/money.sql"
_EVENTS = "models/penalties/int_penalty_events.sql"
_FORMULAS = "models/penalties/int_penalty_formulas.sql"
_BASES = "models/penalties/int_contract_bases.sql"
_REPEATS = "models/penalties/int_penalty_repeats.sql"
_CUMULATIONS = "models/penalties/int_penalty_cumulations.sql"
_EVENT_CAPS = "models/penalties/int_penalty_event_caps.sql"
_LIMITS = "models/penalties/int_cap_limits.sql"
_MONTH_CAPS = "models/penalties/int_penalty_month_caps.sql"
_EXEMPTIONS = "models/penalties/int_penalty_exemptions.sql"
_INDEXATIONS = "models/penalties/int_penalty_indexations.sql"
_EARN_BACKS = "models/penalties/int_penalty_earn_backs.sql"
_LINES = "models/penalties/fct_penalty_lines.sql"

MUTANTS = (
    # --- measure ------------------------------------------------------------------------------------------
    Mutant(
        "measure",
        "A share counts what still runs as decided",
        _INDICATORS,
        "when ranked.outcome in ('met', 'breached') then 1",
        "when ranked.outcome in ('met', 'breached', 'running') then 1",
    ),
    Mutant(
        "measure",
        "A mean divides by what is decided, not by what has ended",
        _INDICATORS,
        "nullif(ended_count, 0) * unit_quantity",
        "nullif(decided_count, 0) * unit_quantity",
    ),
    Mutant(
        "measure",
        "The nearest rank is one too high",
        _INDICATORS,
        "ranked.value_rank >= ceil(",
        "ranked.value_rank > ceil(",
    ),
    Mutant(
        "measure",
        "The nearest rank is rounded down",
        _INDICATORS,
        "ranked.value_rank >= ceil(",
        "ranked.value_rank >= floor(",
    ),
    Mutant(
        "measure",
        "Ranks run on from month to month",
        _INDICATORS,
        "partition by contract_version_id, clause_id, month_date, is_ended order by event_quantity",
        "partition by contract_version_id, clause_id, is_ended order by event_quantity",
    ),
    Mutant(
        "measure",
        "Two pauses that overlap count twice",
        _PAUSES,
        "greatest(paused_from_us, covered_to_us) as paused_from_us",
        "paused_from_us",
    ),
    Mutant(
        "measure",
        "A pause counts from before its phase began",
        _INSTANTS,
        "greatest(pauses.paused_from_us, phases.counted_from_us) as paused_from_us",
        "pauses.paused_from_us",
    ),
    Mutant(
        "measure",
        "A clock belongs to the month in which it ended",
        _CLOCKS,
        "date_trunc('month', {{ local_date('bounds.started_us'",
        "date_trunc('month', {{ local_date('bounds.ended_us'",
    ),
    Mutant(
        "measure",
        "The last stop ends a clock",
        _RUNS,
        "lag(role) over (",
        "lead(role, 1, 'reopen') over (",
    ),
    Mutant(
        "measure",
        "A stop at the instant of the start is none",
        _RUNS,
        "next_us as stopped_us",
        "case when next_us > event_us then next_us end as stopped_us",
    ),
    Mutant(
        "measure",
        "The mean of the slices is the share of all samples",
        _AVAILABILITY,
        "sum(error_quantity) as error_quantity\n    from sliced",
        "count(*) * cast(sum(failed_count) as numeric) / sum(sample_count) as error_quantity\n    from sliced",
    ),
    Mutant(
        "measure",
        "A slice without a sample is good where the contract says down",
        _AVAILABILITY,
        "case when unknown_policy = 'down' then scope_count - sampled_count",
        "case when unknown_policy = 'never' then scope_count - sampled_count",
    ),
    Mutant(
        "measure",
        "Unknown time that is excluded stays in the month",
        _AVAILABILITY,
        "\n        - case when unknown_policy = 'exclude' then unknown_us else 0 end as in_scope_us",
        " as in_scope_us",
    ),
    Mutant(
        "measure",
        "Unknown time is up where the contract says down",
        _STRETCHES,
        "is_down or (is_unknown and unknown_policy = 'down') as is_out",
        "is_down as is_out",
    ),
    Mutant(
        "measure",
        "A sample holds for one interval, not for one and a half",
        _PERIODS,
        "clauses.probe_interval_seconds * 1500000",
        "clauses.probe_interval_seconds * 1000000",
    ),
    Mutant(
        "measure",
        "A run that joins begins a cycle",
        _RUNS,
        "not (is_joined or reopen_policy = 'resume')",
        "not (reopen_policy = 'resume')",
    ),
    Mutant(
        "measure",
        "A clock that resumes begins a cycle",
        _RUNS,
        "not (is_joined or reopen_policy = 'resume')",
        "not is_joined",
    ),
    Mutant(
        "measure",
        "A reopening after exactly the time of use is too late to join",
        _RUNS,
        "<= runs.join_within_us",
        "< runs.join_within_us",
    ),
    Mutant(
        "measure",
        "The time of use goes on at night",
        _RUNS,
        "({{ open_until('runs.event_us', 'days') }}) - ({{ open_until('runs.previous_us', 'previous_days') }})",
        "runs.event_us - runs.previous_us",
    ),
    Mutant(
        "measure",
        "What runs is reopened",
        _RUNS,
        "or (role = 'reopen' and previous_role = 'stop')",
        "or role = 'reopen'",
    ),
    Mutant(
        "measure",
        "What stands is stopped again",
        _RUNS,
        "or (role = 'stop' and previous_role <> 'stop')",
        "or role = 'stop'",
    ),
    Mutant(
        "measure",
        "A stop that would reopen reopens",
        _RUNS,
        "where role <> 'reopen' or role_rank = 1",
        "where true",
    ),
    Mutant(
        "measure",
        "A clock that resumes counts the time it stood",
        _RUNS,
        "case when reopen_policy = 'resume' then previous_us end as halted_us",
        "cast(null as bigint) as halted_us",
    ),
    Mutant(
        "measure",
        "A cycle ends with its first stop",
        _BOUNDS,
        "then max(stopped_us) end as stopped_us",
        "then min(stopped_us) end as stopped_us",
    ),
    Mutant(
        "measure",
        "A cycle that was reopened is stopped",
        _BOUNDS,
        "case when count(stopped_us) = count(*) then max(stopped_us) end as stopped_us",
        "max(stopped_us) as stopped_us",
    ),
    Mutant(
        "measure",
        "A cycle that starts as a version ends is that version's as well",
        _BOUNDS,
        "and cycles.started_us < terms.valid_to_us",
        "and cycles.started_us <= terms.valid_to_us",
    ),
    Mutant(
        "measure",
        "A pause of events ends with its value",
        _PAUSES,
        "resuming.clause_id is not null as is_of_events",
        "false as is_of_events",
    ),
    Mutant(
        "measure",
        "What pauses and resumes resumes",
        _PAUSES,
        "min(told_apart.role) as role",
        "max(told_apart.role) as role",
    ),
    Mutant(
        "measure",
        "A pause of events that begins before the clock is none",
        _PAUSES,
        "and {{ meets('events', 'told_apart') }}\n            and bounds.ended_us > events.event_us",
        "and {{ meets('events', 'told_apart') }}\n            and bounds.ended_us > events.event_us\n            and bounds.started_us <= events.event_us",
    ),
    Mutant(
        "measure",
        "A reset does not count anew",
        _PHASES,
        "events.event_us as cut_us,\n        1 as is_anew",
        "events.event_us as cut_us,\n        0 as is_anew",
    ),
    Mutant(
        "measure",
        "A reset beside a change of priority is none",
        _PHASES,
        "max(is_anew) as is_anew",
        "min(is_anew) as is_anew",
    ),
    Mutant(
        "measure",
        "A new priority counts from the start where it restarts",
        _PHASES,
        "case when priority_policy = 'restart' then 1 else 0 end as is_anew",
        "0 as is_anew",
    ),
    Mutant(
        "measure",
        "A new priority restarts where it counts from the start",
        _PHASES,
        "case when priority_policy = 'restart' then 1 else 0 end as is_anew",
        "1 as is_anew",
    ),
    Mutant(
        "measure",
        "Every priority has the target of its clause",
        _PHASES,
        "coalesce(cast(targets.target_value * 1000000 as bigint), followed.target_us)",
        "followed.target_us",
    ),
    Mutant(
        "measure",
        "A priority that stays what it was is a change",
        _PHASES,
        "and coalesce(priority, '') <> coalesce(priority_before, '')",
        "and true",
    ),
    Mutant(
        "measure",
        "A priority at the instant of the start comes too late for it",
        _PHASES,
        "priorities.held_to_us is null\n                or priorities.held_to_us\n                > case",
        "priorities.held_to_us is null\n                or priorities.held_to_us\n                >= case",
    ),
    Mutant(
        "measure",
        "A phase after a reset has its own priority where the first is kept",
        _PHASES,
        "            and priorities.held_from_us\n            <= case when followed.priority_policy = 'keep' then followed.started_us else followed.phase_from_us end\n            and (\n                priorities.held_to_us is null\n                or priorities.held_to_us\n                > case when followed.priority_policy = 'keep' then followed.started_us else followed.phase_from_us end\n            )",
        "            and priorities.held_from_us <= followed.phase_from_us\n            and (priorities.held_to_us is null or priorities.held_to_us > followed.phase_from_us)",
    ),
    Mutant(
        "measure",
        "A pause after the time is used up defers its end",
        _DUES,
        "where paused_from_open_us - open_from_us - paused_before_us < target_us",
        "where true",
    ),
    Mutant(
        "measure",
        "A pause that begins as the time is used up defers its end",
        _DUES,
        "where paused_from_open_us - open_from_us - paused_before_us < target_us",
        "where paused_from_open_us - open_from_us - paused_before_us <= target_us",
    ),
    Mutant(
        "measure",
        "Pauses defer nothing",
        _DUES,
        "coalesce(deferred.deferred_us, 0)",
        "0",
    ),
    Mutant(
        "measure",
        "Time that ends with a piece of a day never ends",
        _TIME,
        "when {{ open_us }} <= {% for passed",
        "when {{ open_us }} < {% for passed",
    ),
    Mutant(
        "measure",
        "One monitor that is down is enough whatever the quorum",
        _STRETCHES,
        "swept.down_depth >= periods.quorum_count as is_down",
        "swept.down_depth > 0 as is_down",
    ),
    Mutant(
        "measure",
        "A quorum that one down and one unknown could make is up",
        _STRETCHES,
        "and swept.down_depth + swept.unknown_depth >= periods.quorum_count as is_unknown",
        "and swept.unknown_depth >= periods.quorum_count as is_unknown",
    ),
    Mutant(
        "measure",
        "An outage exactly as long as the minimum is too short",
        _STRETCHES,
        "sized.outage_us >= sized.minimum_downtime_us",
        "sized.outage_us > sized.minimum_downtime_us",
    ),
    Mutant(
        "measure",
        "An outage is as long as what of it lies in the month",
        _STRETCHES,
        "sum(next_us - at_us) over (",
        "sum(case when is_judged then next_us - at_us end) over (",
    ),
    Mutant(
        "measure",
        "An outage is as long as what planned work leaves of it",
        _STRETCHES,
        "sum(next_us - at_us) over (",
        "sum(case when not is_left_out then next_us - at_us end) over (",
    ),
    Mutant(
        "measure",
        "An outage is as long as its open time",
        _STRETCHES,
        "sized.outage_us >= sized.minimum_downtime_us, false) as is_counted",
        "coalesce(({{ open_until('sized.next_us', 'to_days') }}) - ({{ open_until('sized.at_us', 'from_days') }}) >= sized.minimum_downtime_us, sized.outage_us >= sized.minimum_downtime_us), false) as is_counted",
    ),
    Mutant(
        "measure",
        "Each stretch is an outage of its own",
        _STRETCHES,
        "sum(case when is_out then is_turned else 0 end) over (",
        "sum(case when is_out then 1 else 0 end) over (",
    ),
    Mutant(
        "measure",
        "An outage that began just now is not seen in the next month",
        _STATES,
        "least(period_to_us + minimum_downtime_us, as_of_us) as seen_to_us",
        "period_to_us as seen_to_us",
    ),
    Mutant(
        "measure",
        "An outage that began before the month is not seen",
        _STATES,
        "period_from_us - minimum_downtime_us as seen_from_us",
        "period_from_us as seen_from_us",
    ),
    Mutant(
        "measure",
        "Seconds count where the contract counts whole minutes",
        _OUTAGES,
        "when periods.is_whole_minutes then summed.counted_us",
        "when false then summed.counted_us",
    ),
    Mutant(
        "measure",
        "Each stretch of an outage is cut to whole minutes",
        _OUTAGES,
        "group by contract_version_id, clause_id, month_date, unit_key, outage_no",
        "group by contract_version_id, clause_id, month_date, unit_key, outage_no, stretch_from_us",
    ),
    Mutant(
        "measure",
        "In service hours the closed ones count as well",
        _PERIODS,
        "case when clauses.availability_method = 'service_hours' then clauses.calendar_id end as calendar_id",
        "cast(null as text) as calendar_id",
    ),
    Mutant(
        "measure",
        "A deployed monitor counts from before its first sample",
        _STATES,
        "greatest(periods.seen_from_us, first_states.first_us) as seen_from_us",
        "periods.seen_from_us",
    ),
    Mutant(
        "measure",
        "Deployed minutes are those of the service",
        _STATES,
        "periods.availability_method = 'deployed_minutes' as is_deployed",
        "false as is_deployed",
    ),
    Mutant(
        "measure",
        "Time before the first sample is up",
        _STATES,
        "    from probed\n    where is_first",
        "    from probed\n    where is_first and false",
    ),
    Mutant(
        "measure",
        "Too few executions are judged all the same",
        _AVAILABILITY,
        "when availability_method = 'executions' and total_quantity < minimum_volume_count then null",
        "when availability_method = 'executions' and total_quantity < 0 then null",
    ),
    Mutant(
        "measure",
        "Exactly enough executions are too few",
        _AVAILABILITY,
        "when availability_method = 'executions' and total_quantity < minimum_volume_count then null",
        "when availability_method = 'executions' and total_quantity <= minimum_volume_count then null",
    ),
    Mutant(
        "measure",
        "The sample that landed first holds",
        _SLICES,
        "order by samples.batch_id desc, samples.source_row desc",
        "order by samples.batch_id, samples.source_row",
    ),
    Mutant(
        "measure",
        "A slice with too few samples counts as one with enough",
        _SLICES,
        "sample_count >= minimum_volume_count",
        "sample_count > 0",
    ),
    Mutant(
        "measure",
        "A slice with exactly enough samples has too few",
        _SLICES,
        "sample_count >= minimum_volume_count",
        "sample_count > minimum_volume_count",
    ),
    Mutant(
        "measure",
        "A quarter is judged in each of its months",
        _AVAILABILITY,
        "when reporting_period = 'quarter' and not is_quarter_end then null",
        "when reporting_period = 'never' then null",
    ),
    Mutant(
        "measure",
        "A quarter is down as long as its last month",
        _AVAILABILITY,
        "sum(part_unavailable_quantity) over (partition by contract_version_id, clause_id, quarter_date)",
        "part_unavailable_quantity",
    ),
    Mutant(
        "measure",
        "A quarter is as long as its last month",
        _AVAILABILITY,
        "sum(part_total_quantity) over (partition by contract_version_id, clause_id, quarter_date)",
        "part_total_quantity",
    ),
    Mutant(
        "measure",
        "A version that ends waits for the end of its quarter",
        _PERIODS,
        "cast(terms.valid_to_date - 1 as timestamp)",
        "cast(terms.valid_to_date + 99 as timestamp)",
    ),
    Mutant(
        "measure",
        "A begun day counts where the contract cuts it off",
        _MILESTONES,
        "case when clauses.started_day_kind = 'floor' then 1 else 0 end as open_days",
        "0 as open_days",
    ),
    Mutant(
        "measure",
        "A begun calendar day counts where the contract cuts it off",
        _MILESTONES,
        " - bounds.open_days - bounds.due_date",
        " - bounds.due_date",
    ),
    Mutant(
        "measure",
        "A begun business day counts where the contract cuts it off",
        _MILESTONES,
        "coalesce(bounds.delivered_date, bounds.as_of_date) - bounds.open_days\n                        - date",
        "coalesce(bounds.delivered_date, bounds.as_of_date)\n                        - date",
    ),
    # --- exclude ------------------------------------------------------------------------------------------
    Mutant(
        "exclude",
        "A decision for one service excludes the time of all",
        _EXCLUSIONS,
        "(decisions.service_id is null or decisions.service_id = clauses.service_id)",
        "true",
    ),
    Mutant(
        "exclude",
        "A ground covers clauses that it does not name",
        _EXCLUSIONS,
        "and clauses.clause_id = grounds.clause_id",
        "and grounds.clause_id = (select min(one.clause_id) from grounds as one"
        " where grounds.contract_version_id = one.contract_version_id and grounds.ground_id = one.ground_id)",
    ),
    Mutant(
        "exclude",
        "An excluded ticket is judged",
        _CLOCKS,
        "when excluded_tickets.ticket_number is not null then 'excluded'",
        "when excluded_tickets.ticket_number is not null and ranked.business_us is null then 'excluded'",
    ),
    Mutant(
        "exclude",
        "An excluded release is judged",
        _MILESTONES,
        "when is_excluded then 'excluded'",
        "when is_excluded and delay_days is null then 'excluded'",
    ),
    Mutant(
        "exclude",
        "Excluded time does not stop a clock",
        _PAUSES,
        "greatest(exclusions.from_us, bounds.started_us) as paused_from_us",
        "least(exclusions.to_us, bounds.ended_us) as paused_from_us",
    ),
    Mutant(
        "exclude",
        "A share counts what is excluded as decided",
        _INDICATORS,
        "when ranked.outcome in ('met', 'breached') then 1",
        "when ranked.outcome in ('met', 'breached', 'excluded') then 1",
    ),
    Mutant(
        "exclude",
        "Time left out stays in the month that is judged",
        _AVAILABILITY,
        "- case when denominator_kind = 'total' then 0 else maintenance_us end",
        "- 0",
    ),
    Mutant(
        "exclude",
        "Time left out is down all the same",
        _OUTAGES,
        "sum(case when is_counted and not is_left_out then length_us end)",
        "sum(case when is_counted then length_us end)",
    ),
    Mutant(
        "exclude",
        "Planned work must be announced a moment before its notice",
        _STATES,
        "and outages.announced_us <= outages.begin_us - periods.notice_us",
        "and outages.announced_us < outages.begin_us - periods.notice_us",
    ),
    Mutant(
        "exclude",
        "The sample at the end of excluded time is left out",
        _SLICES,
        "and sampled.sampled_us < left_out.stretch_to_us",
        "and sampled.sampled_us <= left_out.stretch_to_us",
    ),
    Mutant(
        "exclude",
        "A slice that is left out in part leaves the mean",
        _AVAILABILITY,
        "- ceil(cast(left_out.from_us - periods.period_from_us as numeric) / periods.slice_us)",
        "- floor(cast(left_out.from_us - periods.period_from_us as numeric) / periods.slice_us)",
    ),
    Mutant(
        "exclude",
        "Time left out leaves the total where the contract counts all of it",
        _AVAILABILITY,
        "case when denominator_kind = 'total' then 0 else maintenance_us end",
        "maintenance_us",
    ),
    Mutant(
        "exclude",
        "Slices left out leave the total where the contract counts all of them",
        _AVAILABILITY,
        "case when periods.denominator_kind = 'total' then coalesce(left_out_slices.slice_count, 0) else 0 end as kept_count",
        "0 as kept_count",
    ),
    Mutant(
        "exclude",
        "Executions left out leave the total where the contract counts all of them",
        _SLICES,
        "where not is_left_out or (availability_method = 'executions' and denominator_kind = 'total')",
        "where not is_left_out",
    ),
    Mutant(
        "exclude",
        "Executions left out have failed where the contract counts all of them",
        _SLICES,
        "case when is_up or is_left_out then 0 else 1 end",
        "case when is_up then 0 else 1 end",
    ),
    Mutant(
        "exclude",
        "Unknown time that was left out leaves twice",
        _AVAILABILITY,
        "sum(case when is_unknown and not is_left_out then length_us else 0 end) as unknown_us",
        "sum(case when is_unknown then length_us else 0 end) as unknown_us",
    ),
    # --- breach -------------------------------------------------------------------------------------------
    Mutant(
        "breach",
        "At least is more than",
        _JUDGING,
        "when '>=' then {{ numerator }} >= {{ level }}",
        "when '>=' then {{ numerator }} > {{ level }}",
    ),
    Mutant(
        "breach",
        "More than is at least",
        _JUDGING,
        "when '>' then {{ numerator }} > {{ level }}",
        "when '>' then {{ numerator }} >= {{ level }}",
    ),
    Mutant(
        "breach",
        "At most is less than",
        _JUDGING,
        "when '<=' then {{ numerator }} <= {{ level }}",
        "when '<=' then {{ numerator }} < {{ level }}",
    ),
    Mutant(
        "breach",
        "Less than is at most",
        _JUDGING,
        "when '<' then {{ numerator }} < {{ level }}",
        "when '<' then {{ numerator }} <= {{ level }}",
    ),
    Mutant(
        "breach",
        "A clock that stops at its target is late",
        _CLOCKS,
        "else judged_us > target_us end, false",
        "else judged_us >= target_us end, false",
    ),
    Mutant(
        "breach",
        "A clock that must stop before its target may stop at it",
        _CLOCKS,
        "case target_operator when '<' then judged_us >= target_us",
        "case target_operator when '<' then judged_us > target_us",
    ),
    Mutant(
        "breach",
        "A clock is judged as measured where the contract rounds",
        _CLOCKS,
        "when bounds.rounding_digits_no is null then sums.business_us",
        "when sums.business_us is not null then sums.business_us",
    ),
    Mutant(
        "breach",
        "A release on the last day of its grace is late",
        _MILESTONES,
        "when delay_days > target_value then 'breached'",
        "when delay_days >= target_value then 'breached'",
    ),
    Mutant(
        "breach",
        "A release that is judged by the month costs by itself as well",
        _EVENTS,
        "select * from {{ ref('fct_milestones') }}\n    where outcome = 'breached' and aggregation = 'each'",
        "select * from {{ ref('fct_milestones') }}\n    where outcome = 'breached'",
    ),
    Mutant(
        "breach",
        "What is judged by the month falls at its beginning",
        _EVENTS,
        "coalesce(breaches.event_us, months.period_to_us) as event_us",
        "coalesce(breaches.event_us, months.period_from_us) as event_us",
    ),
    Mutant(
        "breach",
        "The last phase decides",
        _CLOCKS,
        "is_breached desc, case when is_breached then judged_us - target_us else 0 end desc, phase_no desc",
        "phase_no desc",
    ),
    Mutant(
        "breach",
        "The first of equally late phases decides",
        _CLOCKS,
        "case when is_breached then judged_us - target_us else 0 end desc, phase_no desc",
        "case when is_breached then judged_us - target_us else 0 end desc, phase_no",
    ),
    Mutant(
        "breach",
        "The longest of the breached phases decides",
        _CLOCKS,
        "case when is_breached then judged_us - target_us else 0 end",
        "case when is_breached then judged_us else 0 end",
    ),
    Mutant(
        "breach",
        "A clock that is late still runs",
        _CLOCKS,
        "when ranked.is_breached then 'breached'",
        "when ranked.is_breached and bounds.stopped_us is not null then 'breached'",
    ),
    # --- formula ------------------------------------------------------------------------------------------
    Mutant(
        "formula",
        "A percentage is always of the month's invoice",
        _FORMULAS,
        "when formula = 'percent_of_invoice_per_event' then base_amount * rate_pct / 100",
        "when formula = 'percent_of_invoice_per_event' then invoice_amount * rate_pct / 100",
    ),
    Mutant(
        "formula",
        "A fixed amount is multiplied by the measure",
        _FORMULAS,
        "when formula = 'fixed_per_event' then fixed_amount",
        "when formula = 'fixed_per_event' then fixed_amount * judged_numerator / judged_denominator",
    ),
    Mutant(
        "formula",
        "The whole downtime and the excess change places",
        _FORMULAS,
        "when formula = 'proportional' and proportional_on = 'whole_downtime'",
        "when formula = 'proportional' and proportional_on = 'excess'",
    ),
    Mutant(
        "formula",
        "The excess is a share of the allowance, not of the month",
        _FORMULAS,
        "                        '100 * total_quantity'\n",
        "                        '(100 - objective_value) * total_quantity'\n",
    ),
    Mutant(
        "formula",
        "A rounded availability is priced by its excess where the whole downtime is meant",
        _FORMULAS,
        "rounding_digits_no is not null and proportional_on = 'whole_downtime'",
        "rounding_digits_no is not null and proportional_on = 'excess'",
    ),
    Mutant(
        "formula",
        "A band's rate is of the month's invoice",
        _FORMULAS,
        "then base_amount * band_rate_pct / 100",
        "then invoice_amount * band_rate_pct / 100",
    ),
    Mutant(
        "formula",
        "A band's amount is charged by the unit",
        _FORMULAS,
        "band_amount is not null then band_amount",
        "band_amount is not null then band_amount * counted_numerator / judged_denominator",
    ),
    Mutant(
        "formula",
        "An amount for each unit is charged once",
        _FORMULAS,
        "then unit_quantity * fixed_amount",
        "then fixed_amount",
    ),
    Mutant(
        "formula",
        "A rate for each unit is charged once",
        _FORMULAS,
        "then unit_quantity * rate_pct * base_amount / 100",
        "then rate_pct * base_amount / 100",
    ),
    Mutant(
        "formula",
        "The delay does not multiply the value",
        _FORMULAS,
        "quotient('base_amount * unit_quantity', 'divisor_value')",
        "quotient('base_amount', 'divisor_value')",
    ),
    Mutant(
        "formula",
        "Points cost what one point costs",
        _FORMULAS,
        "then charged_points_value * point_amount",
        "then point_amount",
    ),
    Mutant(
        "formula",
        "Points of a rate cost what one point costs",
        _FORMULAS,
        "then charged_points_value * point_rate_pct * base_amount / 100",
        "then point_rate_pct * base_amount / 100",
    ),
    Mutant(
        "formula",
        "The pool is left out of the amount at risk",
        _FORMULAS,
        "base_amount * at_risk_pct * pool_pct * allocation_pct / 1000000",
        "base_amount * at_risk_pct * allocation_pct / 10000",
    ),
    Mutant(
        "formula",
        "A value on the lower limit of a band is outside it",
        _FORMULAS,
        "or (bands.is_lower_held and counted.counted_numerator",
        "or (false and counted.counted_numerator",
    ),
    Mutant(
        "formula",
        "A value on the upper limit of a band is outside it",
        _FORMULAS,
        "or (bands.is_upper_held and counted.counted_numerator",
        "or (false and counted.counted_numerator",
    ),
    Mutant(
        "formula",
        "The bands of a clause hold their lower limits, whatever they say",
        _FORMULAS,
        """\
                or (bands.is_lower_held and counted.counted_numerator = bands.lower_value * counted.judged_denominator)
            )
            and (
                bands.upper_value is null
                or counted.counted_numerator < bands.upper_value * counted.judged_denominator
                or (bands.is_upper_held and""",
        """\
                or counted.counted_numerator = bands.lower_value * counted.judged_denominator
            )
            and (
                bands.upper_value is null
                or counted.counted_numerator < bands.upper_value * counted.judged_denominator
                or (false and""",
    ),
    Mutant(
        "formula",
        "The bands of a clause hold their upper limits, whatever they say",
        _FORMULAS,
        """\
                or (bands.is_lower_held and counted.counted_numerator = bands.lower_value * counted.judged_denominator)
            )
            and (
                bands.upper_value is null
                or counted.counted_numerator < bands.upper_value * counted.judged_denominator
                or (bands.is_upper_held and""",
        """\
            )
            and (
                bands.upper_value is null
                or counted.counted_numerator < bands.upper_value * counted.judged_denominator
                or (true and""",
    ),
    Mutant(
        "formula",
        "Half a digit is rounded down",
        _JUDGING,
        "when 'half_up' then round({{ value }}, {{ digits }})",
        "when 'half_up' then ceil({{ value }} * power(cast(10 as numeric), {{ digits }}) - 0.5)"
        " / power(cast(10 as numeric), {{ digits }})",
    ),
    Mutant(
        "formula",
        "What is rounded down is rounded to the nearest",
        _JUDGING,
        "when 'down' then floor({{ value }} * ",
        "when 'down' then round({{ value }} * ",
    ),
    Mutant(
        "formula",
        "What is rounded up is rounded to the nearest",
        _JUDGING,
        "when 'up' then ceil({{ value }} * ",
        "when 'up' then round({{ value }} * ",
    ),
    Mutant(
        "formula",
        "A unit that has just been completed begins the next",
        _FORMULAS,
        "            when 'started'\n                then ceil(",
        "            when 'started'\n                then 1 + floor(",
    ),
    Mutant(
        "formula",
        "A unit that is half full is full",
        _FORMULAS,
        "            when 'full'\n                then floor(",
        "            when 'full'\n                then round(",
    ),
    Mutant(
        "formula",
        "Exact units are counted in hundredths",
        _FORMULAS,
        """\
            when 'exact'
                then {{ quotient('counted.counted_numerator', 'counted.judged_denominator * counted.unit_size_value') }}
""",
        """\
            when 'exact'
                then round({{ quotient('counted.counted_numerator', 'counted.judged_denominator * counted.unit_size_value') }}, 2)
""",
    ),
    Mutant(
        "formula",
        "The excess beyond a limit that must not be reached is counted backwards",
        _FORMULAS,
        "counted_on = 'excess' and objective_operator in ('<=', '<')",
        "counted_on = 'excess' and objective_operator in ('<=')",
    ),
    Mutant(
        "formula",
        "What is judged by the month is priced on its share of the whole month's invoice",
        _FORMULAS,
        """\
                    case
                        when events.is_monthly
                            then {{ quotient('bases.invoice_amount * events.part_days', 'events.contract_days') }}""",
        """\
                    case
                        when events.is_monthly
                            then {{ quotient('bases.invoice_amount * events.part_days', 'events.month_days') }}""",
    ),
    Mutant(
        "formula",
        "What is judged by the month is priced on all of the month's lines",
        _FORMULAS,
        "{{ quotient('bases.service_amount * events.part_days', 'events.contract_days') }}",
        "bases.service_amount",
    ),
    Mutant(
        "formula",
        "A part of the month has its share of a fee of the contract's days",
        _FORMULAS,
        "quotient('services.fee_amount * events.part_days', 'events.month_days')",
        "quotient('services.fee_amount * events.part_days', 'events.contract_days')",
    ),
    Mutant(
        "formula",
        "An event is priced on the fee of a whole month in a month that is cut",
        _FORMULAS,
        "else bases.fee_amount",
        "else services.fee_amount",
    ),
    Mutant(
        "formula",
        "A negative base makes a negative penalty",
        _FORMULAS,
        "case when stated_amount < 0 then 0 else stated_amount end as base_amount",
        "stated_amount as base_amount",
    ),
    Mutant(
        "formula",
        "A base that is not there counts as zero",
        _FORMULAS,
        "case when stated_amount < 0 then 0 else stated_amount end as base_amount",
        "case when stated_amount > 0 then stated_amount else 0 end as base_amount",
    ),
    Mutant(
        "formula",
        "What lies beyond the target of a priority is counted from its clause's",
        _FORMULAS,
        "coalesce(events.own_target_value, clauses.objective_value) as objective_value",
        "clauses.objective_value",
    ),
    # --- repeat -------------------------------------------------------------------------------------------
    Mutant(
        "repeat",
        "A good month does not end the row",
        _REPEATS,
        "month_no - row_number() over (partition by contract_id, clause_id order by month_no) as run_no",
        "0 as run_no",
    ),
    Mutant(
        "repeat",
        "The clauses of a contract share one row of failing months",
        _REPEATS,
        "month_no - row_number() over (partition by contract_id, clause_id order by month_no) as run_no",
        "month_no - row_number() over (partition by contract_id order by month_no, clause_id) as run_no",
    ),
    Mutant(
        "repeat",
        "The last multiplier ends after its month",
        _REPEATS,
        "numbered.failing_month_no > multipliers.failing_month_no",
        "numbered.failing_month_no > multipliers.failing_month_no + 1",
    ),
    Mutant(
        "repeat",
        "The first failing month counts as the second",
        _REPEATS,
        "cast(row_number() over (partition by contract_id, clause_id, run_no order by month_no) as integer)",
        "cast(1 + row_number() over (partition by contract_id, clause_id, run_no order by month_no) as integer)",
    ),
    # --- non-cumulation -----------------------------------------------------------------------------------
    Mutant(
        "non_cumulation",
        "The lowest charge of an incident stays",
        _CUMULATIONS,
        "coalesce(clause_amount, 0) desc",
        "coalesce(clause_amount, 0)",
    ),
    Mutant(
        "non_cumulation",
        "Of equal charges that of the last clause stays",
        _CUMULATIONS,
        "                clause_no\n        ) as charge_rank",
        "                clause_no desc\n        ) as charge_rank",
    ),
    Mutant(
        "non_cumulation",
        "The customer's choice falls on a clause without a charge",
        _CUMULATIONS,
        "when choice_no is not null and clause_amount > 0 then choice_no",
        "when choice_no is not null then choice_no",
    ),
    Mutant(
        "non_cumulation",
        "The customer's choice is read from its end",
        _CUMULATIONS,
        "clause_amount > 0 then choice_no else",
        "clause_amount > 0 then -choice_no else",
    ),
    Mutant(
        "non_cumulation",
        "A group per month compares incident by incident",
        _CUMULATIONS,
        "case members.cumulation_per when 'month' then",
        "case members.cumulation_per when 'never' then",
    ),
    Mutant(
        "non_cumulation",
        "Two groups of one incident are one",
        _CUMULATIONS,
        "events.contract_version_id || '|' || members.group_id || '|'",
        "events.contract_version_id || '|'",
    ),
    Mutant(
        "non_cumulation",
        "A charge that is not known counts as nothing",
        _CUMULATIONS,
        "when not ranked.is_known then null",
        "when not ranked.is_known and ranked.charge_rank > 1 then 0",
    ),
    # --- event cap ----------------------------------------------------------------------------------------
    Mutant(
        "event_cap",
        "The higher of the two caps of a breach holds",
        _FORMULAS,
        "                    least(\n                        event_cap_amount,",
        "                    greatest(\n                        event_cap_amount,",
    ),
    Mutant(
        "event_cap",
        "A penalty without a base has no cap of the month's invoice",
        _FORMULAS,
        "event_cap_pct * event_cap_base_amount / 100",
        "event_cap_pct * base_amount / 100",
    ),
    Mutant(
        "event_cap",
        "The cap of a part of the month is of the whole month's invoice",
        _FORMULAS,
        """\
            when events.is_monthly
                then {{ quotient('bases.invoice_amount * events.part_days', 'events.contract_days') }}
            else bases.invoice_amount
        end as invoice_amount""",
        """\
            when events.is_monthly
                then bases.invoice_amount
            else bases.invoice_amount
        end as invoice_amount""",
    ),
    Mutant(
        "event_cap",
        "A breach costs its cap, whatever it costs",
        _EVENT_CAPS,
        "then least(cumulations.uncumulated_amount, formulas.event_cap_amount)",
        "then formulas.event_cap_amount",
    ),
    Mutant(
        "event_cap",
        "A cap of a breach that is not known is none",
        _EVENT_CAPS,
        "when not formulas.has_event_cap then",
        "when formulas.event_cap_amount is null then",
    ),
    # --- cap limits ---------------------------------------------------------------------------------------
    Mutant(
        "cap_limits",
        "The higher of amount and percentage is the cap",
        _LIMITS,
        "least(cap_amount, {{ trimmed(",
        "greatest(cap_amount, {{ trimmed(",
    ),
    Mutant(
        "cap_limits",
        "Any three months are a quarter",
        _LIMITS,
        "monthly_bases.month_no / 3 = parts.month_no / 3",
        "monthly_bases.month_no > parts.month_no - 3",
    ),
    Mutant(
        "cap_limits",
        "Twelve months of invoices are thirteen",
        _LIMITS,
        "monthly_bases.month_no > parts.month_no - 12",
        "monthly_bases.month_no >= parts.month_no - 12",
    ),
    Mutant(
        "cap_limits",
        "The invoices of the term are those of its last twelve months",
        _LIMITS,
        "                parts.cap_per = 'term'\n",
        "                (parts.cap_per = 'term' and monthly_bases.month_no > parts.month_no - 12)\n",
    ),
    Mutant(
        "cap_limits",
        "Months to come raise the cap",
        _LIMITS,
        "and parts.month_no >= monthly_bases.month_no",
        "and parts.month_no + 2 >= monthly_bases.month_no",
    ),
    Mutant(
        "cap_limits",
        "The order is always the first one's",
        _LIMITS,
        "when parts.base_kind = 'order_amount' then parts.order_amount",
        "when parts.base_kind = 'order_amount' then min(parts.order_amount) over (partition by parts.contract_id)",
    ),
    Mutant(
        "cap_limits",
        "A negative month lowers the cap of its quarter",
        _LIMITS,
        "case when monthly_bases.invoice_amount < 0 then 0 else monthly_bases.invoice_amount end",
        "monthly_bases.invoice_amount",
    ),
    Mutant(
        "cap_limits",
        "A month without an invoice counts as nothing in the cap of its quarter",
        _LIMITS,
        "when windowed.month_count = windowed.known_count then windowed.window_amount",
        "else windowed.window_amount",
    ),
    Mutant(
        "cap_limits",
        "Quarters begin a month early",
        _LIMITS,
        "when 'quarter' then months.month_no / 3",
        "when 'quarter' then (months.month_no + 1) / 3",
    ),
    Mutant(
        "cap_limits",
        "Each part of a month has a cap of its own",
        _LIMITS,
        "when 'month' then months.month_no\n",
        "when 'month' then months.month_no * 100 + months.version_no\n",
    ),
    Mutant(
        "cap_limits",
        "A cap of the fee is of a whole month's in a month that is cut",
        _BASES,
        "        {{ trimmed('fees.fee_amount') }} as fee_amount",
        "        max({{ trimmed('fees.fee_amount') }}) over (partition by fees.contract_id, fees.service_id) as fee_amount",
    ),
    # --- capping ------------------------------------------------------------------------------------------
    Mutant(
        "capping",
        "A new window begins with what the last one used",
        _CAPPING,
        "case when parts.window_no = walk.window_no then walk.used_amount else 0 end as used_amount",
        "walk.used_amount",
    ),
    Mutant(
        "capping",
        "Each month has the whole cap of its window",
        _CAPPING,
        "case when parts.window_no = walk.window_no then walk.used_amount else 0 end as used_amount",
        "cast(0 as numeric) as used_amount",
    ),
    Mutant(
        "capping",
        "Twelve months look back on twelve others",
        _CAPPING,
        "case when parts.month_no = walk.month_no then walk.used_11_amount else 0 end as used_amount",
        "walk.used_11_amount as used_amount",
    ),
    Mutant(
        "capping",
        "Twelve months look back on ten others",
        _CAPPING,
        "for back in range(1, 11) %} + walk.used_",
        "for back in range(1, 10) %} + walk.used_",
    ),
    Mutant(
        "capping",
        "A second part of a month moves the twelve months on",
        _CAPPING,
        "case when parts.month_no = walk.month_no then walk.used_{{ back }}_amount else",
        "case when false then walk.used_{{ back }}_amount else",
    ),
    Mutant(
        "capping",
        "The cap of the service comes before that of the clause",
        _MONTH_CAPS,
        """\
{{ capped('clause_capped', 'uncapped', 'month', 'clause') }},

{{ capped('service_capped', 'clause_capped', 'month', 'service') }},
""",
        """\
{{ capped('clause_capped', 'uncapped', 'month', 'service') }},

{{ capped('service_capped', 'clause_capped', 'month', 'clause') }},
""",
    ),
    Mutant(
        "capping",
        "A cap is used up clause by clause",
        _CAPPING,
        "order by lines.event_us, {{ in_byte_order('lines.clause_id') }}, ",
        "order by {{ in_byte_order('lines.clause_id') }}, lines.event_us, ",
    ),
    Mutant(
        "capping",
        "At one instant the ticket comes before the clause",
        _CAPPING,
        "{{ in_byte_order('lines.clause_id') }}, {{ in_byte_order('lines.subject_name') }}",
        "{{ in_byte_order('lines.subject_name') }}, {{ in_byte_order('lines.clause_id') }}",
    ),
    Mutant(
        "capping",
        "An amount that is not known uses nothing of a cap",
        _CAPPING,
        "case when count(*) = count(amount) then sum(amount) end as total_amount",
        "coalesce(sum(amount), 0) as total_amount",
    ),
    Mutant(
        "capping",
        "What was used beyond a lowered cap is free again",
        _CAPPING,
        "then greatest(0, least(total_amount, left_amount))",
        "then least(total_amount, left_amount)",
    ),
    Mutant(
        "capping",
        "Each breach may use the whole cap",
        _CAPPING,
        """\
                    least(covered.running_amount, walk.allowed_amount)
                    - least(covered.running_amount - covered.amount, walk.allowed_amount)""",
        """\
                    least(covered.amount, walk.allowed_amount)""",
    ),
    # --- exemption ----------------------------------------------------------------------------------------
    Mutant(
        "exemption",
        "A total at the threshold is due",
        _EXEMPTIONS,
        "term_amount > exemption_amount",
        "term_amount >= exemption_amount",
    ),
    Mutant(
        "exemption",
        "A month at the threshold is due",
        _EXEMPTIONS,
        "accumulated.month_amount > accumulated.exemption_amount",
        "accumulated.month_amount >= accumulated.exemption_amount",
    ),
    Mutant(
        "exemption",
        "What was exempt before stays exempt",
        _EXEMPTIONS,
        "crossing_month_date is not null and rolling_capped_amount <> 0",
        "crossing_month_date is not null and rolling_capped_amount < 0",
    ),
    Mutant(
        "exemption",
        "The total begins anew each month",
        _EXEMPTIONS,
        "sum(coalesce(month_totals.month_amount, 0)) over running as term_amount",
        "coalesce(month_totals.month_amount, 0) as term_amount",
    ),
    Mutant(
        "exemption",
        "A month is held against the total since the first day",
        _EXEMPTIONS,
        "accumulated.month_amount > accumulated.exemption_amount",
        "accumulated.term_amount > accumulated.exemption_amount",
    ),
    Mutant(
        "exemption",
        "The month that passes the threshold is still exempt",
        _EXEMPTIONS,
        "when events.month_no >= crossings.crossing_month_no then 'due'",
        "when events.month_no > crossings.crossing_month_no then 'due'",
    ),
    Mutant(
        "exemption",
        "A total that is not known passes the threshold",
        _EXEMPTIONS,
        "where exemption_over = 'term' and is_term_known and term_amount",
        "where exemption_over = 'term' and term_amount",
    ),
    # --- indexation ---------------------------------------------------------------------------------------
    Mutant(
        "indexation",
        "The index is that of the month itself",
        _INDEXATIONS,
        "events.month_no - charges.index_lag_months = index_values.month_no",
        "events.month_no = index_values.month_no",
    ),
    Mutant(
        "indexation",
        "The index is a month too old",
        _INDEXATIONS,
        "events.month_no - charges.index_lag_months = index_values.month_no",
        "events.month_no - charges.index_lag_months - 1 = index_values.month_no",
    ),
    Mutant(
        "indexation",
        "The coefficient is shown rounded and applied unrounded",
        _INDEXATIONS,
        "when coefficient_digits is null then {{ quotient('unexempted_amount * index_value', 'index_base_value') }}",
        "when index_value is not null then {{ quotient('unexempted_amount * index_value', 'index_base_value') }}",
    ),
    Mutant(
        "indexation",
        "The index divides",
        _INDEXATIONS,
        "quotient('unexempted_amount * index_value', 'index_base_value')",
        "quotient('unexempted_amount * index_base_value', 'index_value')",
    ),
    Mutant(
        "indexation",
        "A month without a value makes the amount zero",
        _INDEXATIONS,
        "        index_values.index_value\n    from lines",
        "        coalesce(index_values.index_value, 0) as index_value\n    from lines",
    ),
    Mutant(
        "indexation",
        "A month without a value takes the line away",
        _INDEXATIONS,
        "left join index_values",
        "inner join index_values",
    ),
    # --- earn-back ----------------------------------------------------------------------------------------
    Mutant(
        "earn_back",
        "One good month more is asked for",
        _EARN_BACKS,
        "and promises.earn_back_month_count = earned.held_count",
        "and promises.earn_back_month_count < earned.held_count",
    ),
    Mutant(
        "earn_back",
        "One good month fewer is enough",
        _EARN_BACKS,
        "and promises.earn_back_month_count = earned.held_count",
        "and promises.earn_back_month_count <= earned.held_count + 1",
    ),
    Mutant(
        "earn_back",
        "The objective is enough where a higher level is asked for",
        _EARN_BACKS,
        "        clauses.earn_back_value,\n",
        "        clauses.objective_value as earn_back_value,\n",
    ),
    Mutant(
        "earn_back",
        "All comes back where a part is agreed",
        _EARN_BACKS,
        "'-indexations.indexed_amount * promises.earn_back_pct / 100'",
        "'-indexations.indexed_amount'",
    ),
    Mutant(
        "earn_back",
        "What is earned back is charged once more",
        _EARN_BACKS,
        "'-indexations.indexed_amount * ",
        "'indexations.indexed_amount * ",
    ),
    Mutant(
        "earn_back",
        "What is earned back falls in the month of the breach",
        _EARN_BACKS,
        "earned.last_month_date as month_date",
        "lines.month_date",
    ),
    Mutant(
        "earn_back",
        "A month with a breach earns back where events are judged one by one",
        _EARN_BACKS,
        "when not promises.is_monthly then clause_months.breach_count = 0",
        "when not promises.is_monthly then true",
    ),
    Mutant(
        "earn_back",
        "One good part of a month is enough",
        _EARN_BACKS,
        "min(case when is_held then 1 else 0 end) as held_count",
        "max(case when is_held then 1 else 0 end) as held_count",
    ),
    Mutant(
        "earn_back",
        "A month that is not over earns back",
        _EARN_BACKS,
        "when not clause_months.is_complete then false",
        "when false then false",
    ),
    # --- settlement ---------------------------------------------------------------------------------------
    Mutant(
        "settlement",
        "Each line is rounded by itself",
        _LINES,
        """\
        {{ round_money('running_amount', 'minor_units') }}
        - {{ round_money('running_amount - earned_back_amount', 'minor_units') }} as credit_amount""",
        "        {{ round_money('earned_back_amount', 'minor_units') }} as credit_amount",
    ),
    Mutant(
        "settlement",
        "The clauses of a month are rounded together",
        _LINES,
        "partition by contract_version_id, clause_id, month_date, line_kind, origin_month_date",
        "partition by contract_version_id, month_date, line_kind, origin_month_date",
    ),
    Mutant(
        "settlement",
        "The months of a clause are rounded together",
        _LINES,
        "partition by contract_version_id, clause_id, month_date, line_kind, origin_month_date",
        "partition by contract_version_id, clause_id",
    ),
    Mutant(
        "settlement",
        "Releases of two months are rounded together",
        _LINES,
        "partition by contract_version_id, clause_id, month_date, line_kind, origin_month_date",
        "partition by contract_version_id, clause_id, month_date, line_kind",
    ),
    Mutant(
        "settlement",
        "Half a cent is dropped",
        _MONEY,
        "round(round({{ amount }}, 15), {{ minor_units }})",
        "trunc(round({{ amount }}, 15), {{ minor_units }})",
    ),
    Mutant(
        "settlement",
        "The error of a quotient tips half a cent",
        _MONEY,
        "round(round({{ amount }}, 15), {{ minor_units }})",
        "round({{ amount }}, {{ minor_units }})",
    ),
    Mutant(
        "settlement",
        "Every currency has cents",
        _MONEY,
        "round(round({{ amount }}, 15), {{ minor_units }})",
        "round(round({{ amount }}, 15), 2 + 0 * {{ minor_units }})",
    ),
    # --- what is not there, and what is not accepted yet --------------------------------------------------
    Mutant(
        "exclude",
        "A decision counts only after the day it was accepted on",
        _EXCLUSIONS,
        "<= coalesce(clauses.as_of_us, {{ as_of_us() }})",
        "< coalesce(clauses.as_of_us, {{ as_of_us() }})",
    ),
    Mutant(
        "exclude",
        "A decision counts before it is accepted",
        _EXCLUSIONS,
        "<= coalesce(clauses.as_of_us, {{ as_of_us() }})",
        "<= coalesce(clauses.as_of_us, {{ as_of_us() }}) + 86400000000",
    ),
    Mutant(
        "indexation",
        "A month without an index value is not revised",
        _INDEXATIONS,
        "quotient('unexempted_amount * index_value', 'index_base_value')",
        "quotient('unexempted_amount * coalesce(index_value, index_base_value)', 'index_base_value')",
    ),
)
