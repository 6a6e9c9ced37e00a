with terms as (

    select * from {{ ref('contract_terms') }}

),

keys as (

    select * from {{ source('reference', 'service_keys') }}

),

matched as (

    select
        keys.source_name,
        keys.key_kind,
        keys.key_value,
        keys.service_id,
        terms.contract_version_id,
        terms.contract_id,
        terms.vendor_id,
        terms.currency,
        terms.timezone,
        terms.valid_from_date,
        terms.valid_to_date,
        terms.valid_from_us,
        terms.valid_to_us
    from keys
    inner join terms on keys.contract_version_id = terms.contract_version_id

)

select * from matched
