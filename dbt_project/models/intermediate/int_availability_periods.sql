with clauses as (

    select * from {{ ref('current_clauses') }}
    where indicator = 'availability'

),

months as (

    select * from {{ ref('contract_months') }}

),

terms as (

    select * from {{ ref('contract_terms') }}

),

keys as (

    select * from {{ ref('service_terms') }}

),

contract_hashes as (

    select * from {{ ref('int_contract_hashes') }}

),

new_batches as (

    select * from {{ ref('int_new_batches') }}

),

touched_monitors as (

    select * from {{ ref('int_touched_monitors') }}
    where landed_from_us is not null

),

-- Long, and imported once for each use: an import that is used twice would be copied whole.
earlier_intervals as (

    select * from {{ ref('int_probe_intervals') }}
    where from_us < {{ as_of_us() }}

),

later_intervals as (

    select * from {{ ref('int_probe_intervals') }}
    where from_us < {{ as_of_us() }}

),

ended_intervals as (

    select * from {{ ref('int_probe_intervals') }}
    where from_us < {{ as_of_us() }}

),

last_intervals as (

    select * from {{ ref('int_probe_intervals') }}
    where from_us < {{ as_of_us() }}

),

tolerances as (

    select * from {{ ref('int_probe_tolerances') }}

),

outages as (

    select * from {{ ref('int_reported_outages') }}

),

published as (

    select * from {{ ref('stg_upptime__published') }}

),

periods as (

    select
        clauses.contract_version_id,
        clauses.contract_id,
        clauses.vendor_id,
        clauses.service_id,
        clauses.clause_id,
        clauses.objective_value,
        clauses.objective_operator,
        clauses.unknown_policy,
        clauses.availability_method,
        clauses.rounding_digits_no,
        clauses.rounding_mode,
        clauses.rounding_unit_value,
        clauses.quorum_count,
        clauses.minimum_downtime_us,
        clauses.is_whole_minutes,
        clauses.minimum_volume_count,
        clauses.reporting_period,
        clauses.denominator_kind,
        case when clauses.availability_method = 'service_hours' then clauses.calendar_id end as calendar_id,
        cast(clauses.slice_seconds * 1000000 as bigint) as slice_us,
        cast(clauses.maintenance_notice_seconds * 1000000 as bigint) as notice_us,
        cast(clauses.probe_interval_seconds * 1500000 as bigint) as tolerance_us,
        months.month_date,
        months.is_complete,
        months.as_of_us,
        months.period_from_us,
        least(months.period_to_us, months.as_of_us) as period_to_us,
        cast(date_trunc('quarter', months.month_date) as date) as quarter_date,
        -- A version is judged by the quarter in the last of its months there.
        months.month_date = least(
            cast(date_trunc('quarter', months.month_date) + interval '2 months' as date),
            cast(date_trunc('month', cast(terms.valid_to_date - 1 as timestamp)) as date)
        ) as is_quarter_end
    from clauses
    inner join months on clauses.contract_version_id = months.contract_version_id
    inner join terms on clauses.contract_version_id = terms.contract_version_id

),

{% if not builds_everything() -%}
last_hashes as (

    {{ as_last_built('built_hashes', {'contract_id': 'text', 'terms_hash': 'text'}) }}

),

last_instants as (

    {{ as_last_built('built_instants', {'as_of_us': 'bigint'}) }}

),

last_months as (

    {{ as_last_built('fct_availability_months', {
        'contract_version_id': 'text', 'clause_id': 'text', 'month_date': 'date'
    }) }}

),

changed_contracts as (

    select contract_hashes.contract_id
    from contract_hashes
    left join last_hashes on contract_hashes.contract_id = last_hashes.contract_id
    where coalesce(contract_hashes.terms_hash <> last_hashes.terms_hash, true)

),

neighbours as (

    select
        touched_monitors.source_name,
        touched_monitors.monitor,
        touched_monitors.landed_from_us,
        touched_monitors.landed_to_us,
        tolerances.tolerance_us,
        (
            select max(earlier_intervals.from_us) from earlier_intervals
            where
                earlier_intervals.source_name = touched_monitors.source_name
                and earlier_intervals.monitor = touched_monitors.monitor
                and earlier_intervals.from_us < touched_monitors.landed_from_us
        ) as before_us,
        (
            select min(later_intervals.from_us) from later_intervals
            where
                later_intervals.source_name = touched_monitors.source_name
                and later_intervals.monitor = touched_monitors.monitor
                and later_intervals.from_us > touched_monitors.landed_to_us
        ) as after_us
    from touched_monitors
    cross join tolerances

),

probed as (

    -- From the sample before the new ones, which they end, to the one after them.
    select
        neighbours.source_name,
        neighbours.monitor as key_value,
        'monitor' as key_kind,
        least(neighbours.landed_from_us - neighbours.tolerance_us, ended.from_us) as touched_from_us,
        case
            when last_ones.from_us is not null and coalesce(last_ones.to_us, neighbours.after_us) is null then {{ as_of_us() }}
            else greatest(
                    neighbours.landed_to_us + neighbours.tolerance_us,
                    case when last_ones.from_us is not null then coalesce(last_ones.to_us, neighbours.after_us) end
                )
        end as touched_to_us
    from neighbours
    left join ended_intervals as ended
        on
            neighbours.source_name = ended.source_name
            and neighbours.monitor = ended.monitor
            and neighbours.before_us = ended.from_us
            and neighbours.landed_from_us = coalesce(ended.to_us, neighbours.landed_from_us)
    left join last_intervals as last_ones
        on
            neighbours.source_name = last_ones.source_name
            and neighbours.monitor = last_ones.monitor
            and neighbours.landed_to_us = last_ones.from_us

),

changed_outages as (

    -- Where an outage was and where it is now. One that was announced after the last build's instant was none for it.
    select
        outages.source_name,
        outages.outage_key
    from outages
    inner join new_batches on outages.batch_id = new_batches.batch_id
    union
    select
        source_name,
        outage_key
    from outages
    where
        announced_us >= (select min(last_instants.as_of_us) from last_instants)
        and announced_us < {{ as_of_us() }}

),

registered as (

    select
        outages.source_name,
        outages.service_key as key_value,
        'maintenance' as key_kind,
        outages.begin_us as touched_from_us,
        coalesce(outages.end_us, {{ as_of_us() }}) as touched_to_us
    from changed_outages
    inner join outages
        on changed_outages.source_name = outages.source_name and changed_outages.outage_key = outages.outage_key

),

followed_publications as (

    select
        *,
        -- A publication without a figure is none.
        coalesce(
            max(case when uptime_pct is not null then published_us end) over (
                partition by source_name, monitor
                order by published_us
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as previous_us
    from published

),

republished as (

    -- A figure counts for the months that had ended since the one before it, and for those that go on.
    select
        followed_publications.source_name,
        followed_publications.monitor as key_value,
        'monitor' as key_kind,
        followed_publications.previous_us as touched_from_us,
        {{ as_of_us() }} as touched_to_us
    from followed_publications
    left join new_batches on followed_publications.batch_id = new_batches.batch_id
    where
        new_batches.batch_id is not null
        or followed_publications.published_us >= (select min(last_instants.as_of_us) from last_instants)

),

ranges as (

    select * from probed
    union all
    select * from registered
    union all
    select * from republished

),

touched as (

    select
        periods.contract_version_id,
        periods.clause_id,
        periods.month_date
    from periods
    inner join keys
        on periods.contract_version_id = keys.contract_version_id and periods.service_id = keys.service_id
    inner join ranges
        on
            keys.source_name = ranges.source_name
            and keys.key_kind = ranges.key_kind
            and keys.key_value = ranges.key_value
            and periods.period_from_us <= ranges.touched_to_us + periods.minimum_downtime_us
            and periods.period_to_us >= ranges.touched_from_us - periods.minimum_downtime_us
    union
    -- What the last build had not seen to its end, or had not: an outage is judged by its length beyond the month, too.
    select
        periods.contract_version_id,
        periods.clause_id,
        periods.month_date
    from periods
    inner join months
        on periods.contract_version_id = months.contract_version_id and periods.month_date = months.month_date
    left join last_months
        on
            periods.contract_version_id = last_months.contract_version_id
            and periods.clause_id = last_months.clause_id
            and periods.month_date = last_months.month_date
    where
        last_months.clause_id is null
        or greatest(months.month_end_us, months.period_to_us + periods.minimum_downtime_us)
        > (select min(last_instants.as_of_us) from last_instants)
    union
    select
        periods.contract_version_id,
        periods.clause_id,
        periods.month_date
    from periods
    inner join changed_contracts on periods.contract_id = changed_contracts.contract_id

),

touched_quarters as (

    select distinct
        periods.contract_version_id,
        periods.clause_id,
        periods.quarter_date
    from periods
    inner join touched
        on
            periods.contract_version_id = touched.contract_version_id
            and periods.clause_id = touched.clause_id
            and periods.month_date = touched.month_date
    where periods.reporting_period = 'quarter'

),

taken_up as (

    select periods.*
    from periods
    left join touched
        on
            periods.contract_version_id = touched.contract_version_id
            and periods.clause_id = touched.clause_id
            and periods.month_date = touched.month_date
    left join touched_quarters
        on
            periods.contract_version_id = touched_quarters.contract_version_id
            and periods.clause_id = touched_quarters.clause_id
            and periods.quarter_date = touched_quarters.quarter_date
    where touched.clause_id is not null or touched_quarters.clause_id is not null

)

{% else -%}
taken_up as (

    select * from periods

)

{% endif -%}
select * from taken_up
