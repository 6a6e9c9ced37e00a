with terms as (

    select * from {{ ref('contract_terms') }}

),

caps as (

    select * from {{ source('reference', 'caps') }}

),

clauses as (

    select * from {{ ref('current_clauses') }}

),

stated as (

    select
        caps.contract_version_id,
        caps.cap_id,
        caps.cap_per,
        caps.cap_scope,
        caps.scope_key,
        caps.amount as cap_amount,
        caps.pct as cap_pct,
        caps.base_kind
    from caps
    union all
    -- The month cap of a clause is a cap like any other.
    select
        contract_version_id,
        'month_cap:' || clause_id as cap_id,
        'month' as cap_per,
        'clause' as cap_scope,
        clause_id as scope_key,
        month_cap_amount as cap_amount,
        month_cap_pct as cap_pct,
        case when month_cap_pct is not null then 'month_invoice' end as base_kind
    from clauses
    where month_cap_amount is not null or month_cap_pct is not null

),

served as (

    select
        stated.*,
        terms.contract_id,
        case stated.cap_scope
            when 'clause' then clauses.service_id
            when 'service' then stated.scope_key
        end as service_id
    from stated
    inner join terms on stated.contract_version_id = terms.contract_version_id
    left join clauses
        on
            stated.contract_version_id = clauses.contract_version_id
            and stated.cap_scope = 'clause'
            and stated.scope_key = clauses.clause_id

)

select * from served
