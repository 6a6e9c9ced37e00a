-- A month of service hours outside of its calendar has no length, and no verdict. Any row is an instant over which the
-- calendar must be laid out.
with stretches as (

    select * from {{ ref('int_availability_stretches') }}
    where length_us is null

),

periods as (

    select * from {{ ref('int_availability_periods') }}

),

calendar_days as (

    select * from {{ source('reference', 'calendar_days') }}

)

select
    periods.calendar_id,
    periods.service_id,
    periods.clause_id,
    periods.month_date,
    {{ to_instant('case when calendar_days.day_no is null then stretches.stretch_from_us else stretches.stretch_to_us end') }}
        as instant_at
from stretches
inner join periods
    on
        stretches.contract_version_id = periods.contract_version_id
        and stretches.clause_id = periods.clause_id
        and stretches.month_date = periods.month_date
left join calendar_days
    on
        periods.calendar_id = calendar_days.calendar_id
        and {{ day_no('stretches.stretch_from_us') }} = calendar_days.day_no
