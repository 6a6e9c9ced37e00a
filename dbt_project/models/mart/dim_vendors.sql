with vendors as (

    select * from {{ source('reference', 'vendors') }}

),

terms as (

    select * from {{ ref('contract_terms') }}

),

counted as (

    select
        vendors.vendor_id,
        vendors.vendor_name,
        cast(count(distinct terms.contract_id) as integer) as contract_count,
        min(terms.valid_from_date) as first_contract_date
    from vendors
    inner join terms on vendors.vendor_id = terms.vendor_id
    group by vendors.vendor_id, vendors.vendor_name

)

select * from counted
