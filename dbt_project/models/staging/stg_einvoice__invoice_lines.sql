with lines as (

    select
        *,
        {{ version_rank('document_id, line_no', '_batch_id') }}
    from {{ source('raw_einvoice', 'invoice_lines') }}

),

adjustments as (

    select
        *,
        {{ version_rank('document_id, kind, line_no', '_batch_id') }}
    from {{ source('raw_einvoice', 'invoice_adjustments') }}

),

renamed as (

    select
        {{ evidence_columns() }},
        document_id,
        'line' as line_kind,
        'line:' || line_no as line_key,
        nullif(item_id, '') as item_key,
        item_name as description,
        cast(net_amount as numeric) as net_amount,
        cast(nullif(period_start, '') as date) as period_start_date
    from lines
    where version_rank = 1

),

adjusted as (

    select
        {{ evidence_columns() }},
        document_id,
        kind as line_kind,
        kind || ':' || line_no as line_key,
        cast(null as text) as item_key,
        reason as description,
        case when kind = 'allowance' then -cast(amount as numeric) else cast(amount as numeric) end as net_amount,
        cast(null as date) as period_start_date
    from adjustments
    where version_rank = 1

)

select * from renamed
union all
select * from adjusted
