with caps as (

    select * from {{ ref('current_caps') }}

),

months as (

    select * from {{ ref('contract_months') }}

),

bases as (

    select * from {{ ref('int_contract_bases') }}

),

scopes as (

    select distinct
        contract_id,
        cap_per,
        cap_scope,
        scope_key
    from caps

),

numbered as (

    -- Every part of every month of a contract that has such a cap in any version: a cap's use is walked through all.
    select
        scopes.contract_id,
        scopes.cap_per,
        scopes.cap_scope,
        scopes.scope_key,
        months.contract_version_id,
        months.month_no,
        months.order_amount,
        case scopes.cap_per
            when 'month' then months.month_no
            when 'quarter' then months.month_no / 3
            else 0
        end as window_no,
        cast(
            row_number() over (
                partition by scopes.contract_id, scopes.cap_per, scopes.cap_scope, scopes.scope_key
                order by months.month_no, months.period_from_date
            ) as integer
        ) as part_no
    from scopes
    inner join months on scopes.contract_id = months.contract_id

),

parts as (

    select
        numbered.*,
        caps.cap_id,
        caps.cap_amount,
        caps.cap_pct,
        caps.base_kind,
        caps.service_id
    from numbered
    left join caps
        on
            numbered.contract_version_id = caps.contract_version_id
            and numbered.cap_per = caps.cap_per
            and numbered.cap_scope = caps.cap_scope
            and numbered.scope_key = caps.scope_key

),

monthly_bases as (

    select
        contract_id,
        month_no,
        service_id,
        fee_amount,
        service_amount,
        invoice_amount
    from bases
    union all
    select
        contract_id,
        month_no,
        '' as service_id,
        cast(null as numeric) as fee_amount,
        cast(null as numeric) as service_amount,
        max(invoice_amount) as invoice_amount
    from bases
    group by contract_id, month_no

),

windowed as (

    -- Bases of the window up to and with the month.
    select
        parts.contract_id,
        parts.cap_per,
        parts.cap_scope,
        parts.scope_key,
        parts.part_no,
        parts.cap_id,
        count(*) as month_count,
        count(
            case parts.base_kind
                when 'month_invoice' then monthly_bases.invoice_amount
                when 'service_lines' then monthly_bases.service_amount
                when 'fixed_fee' then monthly_bases.fee_amount
            end
        ) as known_count,
        sum(
            case parts.base_kind
                when 'month_invoice' then case when monthly_bases.invoice_amount < 0 then 0 else monthly_bases.invoice_amount end
                when 'service_lines' then case when monthly_bases.service_amount < 0 then 0 else monthly_bases.service_amount end
                when 'fixed_fee' then monthly_bases.fee_amount
            end
        ) as window_amount
    from parts
    inner join monthly_bases
        on
            parts.contract_id = monthly_bases.contract_id
            and coalesce(parts.service_id, '') = monthly_bases.service_id
            and parts.month_no >= monthly_bases.month_no
            and (
                parts.cap_per = 'term'
                or (parts.cap_per = 'rolling_12_months' and monthly_bases.month_no > parts.month_no - 12)
                or (parts.cap_per = 'quarter' and monthly_bases.month_no / 3 = parts.month_no / 3)
                or (parts.cap_per = 'month' and parts.month_no = monthly_bases.month_no)
            )
    where parts.base_kind in ('month_invoice', 'service_lines', 'fixed_fee')
    group by parts.contract_id, parts.cap_per, parts.cap_scope, parts.scope_key, parts.part_no, parts.cap_id

),

based as (

    select
        parts.*,
        case
            when parts.base_kind = 'order_amount' then parts.order_amount
            when windowed.month_count = windowed.known_count then windowed.window_amount
        end as base_amount
    from parts
    left join windowed
        on
            parts.contract_id = windowed.contract_id
            and parts.cap_per = windowed.cap_per
            and parts.cap_scope = windowed.cap_scope
            and parts.scope_key = windowed.scope_key
            and parts.part_no = windowed.part_no
            and parts.cap_id = windowed.cap_id

),

limited as (

    -- The lower of both limits; a base that is not there leaves the limit unknown.
    select
        *,
        case
            when cap_pct is null then cap_amount
            when base_amount is not null
                then
                    least(cap_amount, {{ trimmed('cap_pct * base_amount / 100') }})
        end as limit_amount
    from based

),

lowest as (

    -- Two caps of one kind on one thing are one: the lower.
    select
        contract_version_id,
        contract_id,
        month_no,
        cap_per,
        cap_scope,
        scope_key,
        contract_id || '|' || scope_key as scope_id,
        part_no,
        cast(window_no as integer) as window_no,
        count(cap_id) > 0 as is_capped,
        case when count(*) = count(limit_amount) then min(limit_amount) end as limit_amount
    from limited
    group by contract_version_id, contract_id, month_no, cap_per, cap_scope, scope_key, part_no, window_no

)

select * from lowest
