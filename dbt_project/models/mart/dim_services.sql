with services as (

    select * from {{ source('reference', 'services') }}

),

terms as (

    select * from {{ ref('contract_terms') }}

),

described as (

    select
        services.contract_version_id || '/' || services.service_id as service_version_id,
        services.contract_version_id,
        services.service_id,
        services.service_name,
        terms.contract_id,
        terms.vendor_id,
        services.fee_kind,
        services.fee_amount,
        terms.currency
    from services
    inner join terms on services.contract_version_id = terms.contract_version_id

)

select * from described
