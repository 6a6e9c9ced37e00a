with calendar_days as (

    select * from {{ source('reference', 'calendar_days') }}
    where open_day_us > 0

),

stretched as (

    -- A UTC day has 24 hours at most and touches two buckets of 24.
    select
        calendar_id,
        day_no,
        {{ open_bucket_no('open_before_us') }} as first_no,
        {{ open_bucket_no('open_before_us + open_day_us - 1') }} as last_no
    from calendar_days

),

spread as (

    select
        calendar_id,
        first_no as bucket_no,
        day_no
    from stretched
    union all
    select
        calendar_id,
        last_no as bucket_no,
        day_no
    from stretched
    where last_no > first_no

)

select * from spread
