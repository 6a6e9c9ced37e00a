with clauses as (

    select * from {{ source('reference', 'clauses') }}

),

terms as (

    select * from {{ ref('contract_terms') }}

),

current_terms as (

    select
        clauses.*,
        terms.contract_id,
        terms.vendor_id,
        terms.currency,
        terms.minor_units,
        terms.timezone
    from clauses
    inner join terms on clauses.contract_version_id = terms.contract_version_id

)

select * from current_terms
