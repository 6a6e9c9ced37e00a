with contract_versions as (

    select * from {{ source('reference', 'contract_versions') }}
    where superseded_at is null

),

bounded as (

    select
        contract_version_id,
        contract_id,
        contract_name,
        vendor_id,
        version_no,
        valid_from as valid_from_date,
        valid_to as valid_to_date,
        timezone,
        currency,
        minor_units,
        order_amount,
        {{ to_us('judged_as_of') }} as judged_as_of_us,
        {{ local_midnight_us('valid_from', 'timezone') }} as valid_from_us,
        {{ local_midnight_us('valid_to', 'timezone') }} as valid_to_us
    from contract_versions

)

select * from bounded
