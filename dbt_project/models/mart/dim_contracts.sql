with versions as (

    select * from {{ source('reference', 'contract_versions') }}
    where superseded_at is null

),

described as (

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
        document_sha256,
        file_path
    from versions

)

select * from described
