with bounds as (

    select
        cast(date_trunc('year', min(valid_from_date)) as date) as first_date,
        cast(date_trunc('year', cast('{{ var("as_of") }}' as timestamptz) at time zone 'UTC') as date) as last_year_date
    from {{ ref('contract_terms') }}

),

days as (

    select cast(day_start as date) as calendar_date
    from generate_series(
            (select cast(first_date as timestamp) from bounds),
            (select cast(last_year_date as timestamp) + interval '1 year' - interval '1 day' from bounds),
            interval '1 day'
        ) as day_start

),

described as (

    select
        calendar_date,
        cast(date_trunc('month', calendar_date) as date) as month_date,
        cast(extract(isoyear from calendar_date) as integer) as iso_year,
        cast(extract(week from calendar_date) as integer) as iso_week,
        cast(extract(isodow from calendar_date) as integer) as iso_weekday,
        cast(extract(quarter from calendar_date) as integer) as quarter_number,
        extract(isodow from calendar_date) >= 6 as is_weekend
    from days

)

select * from described
