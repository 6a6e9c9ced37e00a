with terms as (

    select * from {{ ref('contract_terms') }}

),

months as (

    -- Every month in which a contract was in force, up to the one that as_of falls in anywhere on earth.
    select
        cast(month_start as date) as month_date,
        cast(month_start + interval '1 month' as date) as next_month_date
    from generate_series(
            (select cast(date_trunc('month', min(valid_from_date)) as timestamp) from terms),
            cast('{{ var("as_of") }}' as timestamptz) at time zone 'UTC' + interval '14 hours',
            interval '1 month'
        ) as month_start

),

clipped as (

    select
        terms.contract_version_id,
        terms.contract_id,
        terms.vendor_id,
        terms.timezone,
        terms.currency,
        terms.minor_units,
        terms.order_amount,
        terms.version_no,
        coalesce(terms.judged_as_of_us, {{ as_of_us() }}) as as_of_us,
        months.month_date,
        greatest(terms.valid_from_date, months.month_date) as period_from_date,
        least(terms.valid_to_date, months.next_month_date) as period_to_date
    from terms
    inner join months
        on terms.valid_from_date < months.next_month_date
            and terms.valid_to_date > months.month_date

),

bounded as (

    select
        *,
        {{ month_no('month_date') }} as month_no,
        period_to_date - period_from_date as part_days,
        cast(month_date + interval '1 month' as date) - month_date as month_days,
        {{ local_midnight_us('period_from_date', 'timezone') }} as period_from_us,
        {{ local_midnight_us('period_to_date', 'timezone') }} as period_to_us,
        {{ local_midnight_us('cast(month_date + interval \'1 month\' as date)', 'timezone') }} as month_end_us
    from clipped

),

shared as (

    -- All days of the contract in the month: what an amendment cuts is shared between its parts.
    select
        *,
        cast(sum(part_days) over (partition by contract_id, month_date) as integer) as contract_days
    from bounded

),

judged as (

    select
        *,
        -- Of the parts that have begun: one that begins after as_of is not known yet.
        cast(row_number() over (partition by contract_id, month_date order by period_from_date desc) as integer)
            as part_from_end_no,
        month_end_us <= as_of_us as is_complete
    from shared
    where period_from_us < as_of_us

)

select
    contract_version_id,
    contract_id,
    vendor_id,
    timezone,
    currency,
    minor_units,
    order_amount,
    version_no,
    month_date,
    month_no,
    period_from_date,
    period_to_date,
    part_days,
    month_days,
    contract_days,
    part_from_end_no,
    period_from_us,
    period_to_us,
    month_end_us,
    as_of_us,
    is_complete
from judged
