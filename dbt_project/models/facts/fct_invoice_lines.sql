{{ config(indexes=[{'columns': ['contract_id', 'month_date']}]) }}

with invoices as (

    select * from {{ ref('stg_einvoice__invoices') }}
    where received_at < cast('{{ var("as_of") }}' as timestamptz)

),

lines as (

    select * from {{ ref('stg_einvoice__invoice_lines') }}

),

bills as (

    select * from {{ ref('int_bills') }}

),

bill_lines as (

    select * from {{ ref('int_bill_lines') }}

),

item_terms as (

    select * from {{ ref('service_terms') }}
    where key_kind = 'invoice_line'

),

seller_terms as (

    select * from {{ ref('service_terms') }}
    where key_kind = 'invoice_seller'

),

ranked as (

    -- The same number sent twice is one invoice: the last one received, of copies the one with its lines.
    select
        *,
        row_number() over (
            partition by source_name, seller_key, invoice_number, type_code, currency, date_trunc('year', issue_date)
            order by received_at desc, line_count desc, document_id desc
        ) as copy_rank,
        coalesce(period_start_date, issue_date) as document_period_date
    from invoices

),

corrections as (

    -- A corrected invoice (384) takes the place of the one it names; of several, the last one received.
    select
        source_name,
        seller_key,
        currency,
        preceding_invoice,
        document_id,
        row_number() over (
            partition by source_name, seller_key, currency, preceding_invoice
            order by received_at desc, document_id desc
        ) as correction_rank
    from ranked
    where type_code = '384' and copy_rank = 1 and preceding_invoice <> ''

),

judged as (

    select
        ranked.*,
        case
            when ranked.copy_rank > 1 then 'duplicate'
            when ranked.type_code in ('381', '261', '396', '83', '81') then 'credit_note'
            when ranked.type_code = '384' and later.document_id <> ranked.document_id then 'replaced'
            when replacing.document_id is not null then 'replaced'
            else 'counted'
        end as standing
    from ranked
    left join corrections as replacing
        on
            ranked.source_name = replacing.source_name
            and ranked.seller_key = replacing.seller_key
            and ranked.currency = replacing.currency
            and ranked.invoice_number = replacing.preceding_invoice
            and replacing.correction_rank = 1
            and ranked.document_id <> replacing.document_id
    left join corrections as later
        on
            ranked.source_name = later.source_name
            and ranked.seller_key = later.seller_key
            and ranked.currency = later.currency
            and ranked.preceding_invoice = later.preceding_invoice
            and later.correction_rank = 1

),

line_counts as (

    select
        document_id,
        source_name,
        count(*) as line_count
    from lines
    where line_kind = 'line'
    group by document_id, source_name

),

detailed as (

    select
        judged.source_name,
        judged.seller_key,
        judged.document_id,
        judged.invoice_number,
        judged.type_code,
        judged.standing,
        judged.currency,
        judged.issue_date,
        lines.line_key,
        lines.line_kind,
        lines.item_key,
        lines.net_amount,
        coalesce(lines.period_start_date, judged.document_period_date) as service_date
    from judged
    inner join lines on judged.source_name = lines.source_name and judged.document_id = lines.document_id
    inner join line_counts
        on judged.source_name = line_counts.source_name and judged.document_id = line_counts.document_id
    union all
    -- Profiles such as MINIMUM and BASIC WL carry no lines: their tax basis is the one line there is.
    select
        judged.source_name,
        judged.seller_key,
        judged.document_id,
        judged.invoice_number,
        judged.type_code,
        judged.standing,
        judged.currency,
        judged.issue_date,
        'document' as line_key,
        'document' as line_kind,
        cast(null as text) as item_key,
        judged.tax_basis_amount as net_amount,
        judged.document_period_date as service_date
    from judged
    left join line_counts
        on judged.source_name = line_counts.source_name and judged.document_id = line_counts.document_id
    where line_counts.document_id is null
    union all
    select
        bills.source_name,
        bills.seller_key,
        bills.document_id,
        bills.invoice_number,
        bills.type_code,
        case when bills.type_code = '381' then 'credit_note' else 'counted' end as standing,
        bills.currency,
        bills.issue_date,
        bill_lines.line_key,
        'line' as line_kind,
        bill_lines.item_key,
        bill_lines.line_amount
        - case when bills.is_tax_inclusive then coalesce(bill_lines.tax_amount, 0) else 0 end as net_amount,
        bills.service_date
    from bills
    -- A later version of a bill brings all its lines anew; a line it no longer has is gone.
    inner join bill_lines
        on
            bills.source_name = bill_lines.source_name
            and bills.document_id = bill_lines.document_id
            and bills.document_version = bill_lines.document_version

),

keyed as (

    -- A line belongs to the service that claims its item, else to the one that claims its seller.
    select
        detailed.*,
        coalesce(items.contract_id, sellers.contract_id) as own_contract_id,
        coalesce(items.vendor_id, sellers.vendor_id) as own_vendor_id,
        coalesce(items.service_id, sellers.service_id) as service_id
    from detailed
    left join item_terms as items
        on
            detailed.source_name = items.source_name
            and detailed.item_key = items.key_value
            and detailed.service_date >= items.valid_from_date
            and detailed.service_date < items.valid_to_date
    left join seller_terms as sellers
        on
            detailed.source_name = sellers.source_name
            and detailed.seller_key = sellers.key_value
            and detailed.service_date >= sellers.valid_from_date
            and detailed.service_date < sellers.valid_to_date

),

owned as (

    -- An allowance or charge of the whole document follows the document's lines.
    select
        *,
        coalesce(own_contract_id, max(own_contract_id) over (partition by source_name, document_id)) as contract_id,
        coalesce(own_vendor_id, max(own_vendor_id) over (partition by source_name, document_id)) as vendor_id
    from keyed

),

identified as (

    select
        md5(source_name || '|' || document_id || '|' || line_key) as invoice_line_id,
        source_name,
        document_id,
        invoice_number,
        type_code,
        line_key,
        line_kind,
        item_key,
        vendor_id,
        contract_id,
        service_id,
        issue_date,
        cast(date_trunc('month', service_date) as date) as month_date,
        currency,
        net_amount,
        standing,
        standing = 'counted' as is_counted
    from owned

)

select * from identified
