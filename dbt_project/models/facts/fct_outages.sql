{{ config(
    materialized='incremental', incremental_strategy='append', on_schema_change='fail',
    pre_hook=[
        "{{ forget(ref('int_availability_periods'), ['contract_version_id', 'clause_id', 'month_date']) }}",
        "{{ forget_ended(ref('contract_months')) }}"
    ],
    indexes=[{'columns': ['contract_version_id', 'clause_id', 'month_date']}]
) }}

with periods as (

    select * from {{ ref('int_availability_periods') }}

),

stretches as (

    select * from {{ ref('int_availability_stretches') }}
    where outage_no is not null

),

summed as (

    select
        contract_version_id,
        clause_id,
        month_date,
        unit_key,
        outage_no,
        min(stretch_from_us) as from_us,
        max(stretch_to_us) as to_us,
        -- What lies outside of its calendar has no length; a data test says so.
        coalesce(sum(case when is_counted and not is_left_out then length_us end), 0) as counted_us,
        sum(case when is_reported then stretch_to_us - stretch_from_us else 0 end) as reported_us
    from stretches
    group by contract_version_id, clause_id, month_date, unit_key, outage_no

),

cut as (

    select
        md5(
            summed.contract_version_id || '|' || summed.clause_id || '|' || summed.month_date || '|' || summed.unit_key
            || '|' || summed.from_us
        ) as outage_id,
        summed.contract_version_id,
        periods.contract_id,
        periods.vendor_id,
        periods.service_id,
        summed.clause_id,
        summed.month_date,
        summed.unit_key as monitor_key,
        {{ to_instant('summed.from_us') }} as from_at,
        {{ to_instant('summed.to_us') }} as to_at,
        summed.from_us,
        summed.to_us,
        cast(
            case
                when periods.is_whole_minutes then summed.counted_us - summed.counted_us % 60000000
                else summed.counted_us
            end
            as bigint
        ) as counted_us,
        summed.reported_us / 1000000.0 as reported_seconds
    from summed
    inner join periods
        on
            summed.contract_version_id = periods.contract_version_id
            and summed.clause_id = periods.clause_id
            and summed.month_date = periods.month_date

)

select * from cut
