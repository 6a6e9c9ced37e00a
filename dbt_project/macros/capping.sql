{#-
    CTEs that hold one kind of cap (cap_per x cap_scope) against the lines of a relation, used up breach by breach.

    `lines` has event_id, contract_version_id, contract_id, clause_id, service_id, month_no, event_us, subject_name and
    `amount` (null: unknown). The last CTE, `<name>`, has the same columns with the amount after the cap.

    A cap walks its parts of months in time: a part may use what the earlier ones of its window left, under the cap of
    its own version. Within the part the running total is cut, so each line takes what was left for it.
-#}
{% macro capped(name, lines, cap_per, cap_scope) -%}
{%- if cap_per not in ('month', 'quarter', 'rolling_12_months', 'term') or cap_scope not in ('clause', 'service', 'contract') -%}
    {{ exceptions.raise_compiler_error("capped knows no cap per " ~ cap_per ~ " of the " ~ cap_scope) }}
{%- endif -%}
{%- set rolling = cap_per == 'rolling_12_months' -%}
{{ name }}_limits as (

    select * from limits
    where cap_per = '{{ cap_per }}' and cap_scope = '{{ cap_scope }}'

),

{{ name }}_covered as (

    select
        lines.event_id,
        lines.amount,
        limits.scope_id,
        limits.part_no,
        sum(lines.amount) over (
            partition by limits.scope_id, limits.part_no
            order by lines.event_us, {{ in_byte_order('lines.clause_id') }}, {{ in_byte_order('lines.subject_name') }}, lines.event_id
            rows between unbounded preceding and current row
        ) as running_amount
    from {{ lines }} as lines
    inner join {{ name }}_limits as limits
        on
            lines.contract_version_id = limits.contract_version_id
            and lines.month_no = limits.month_no
            {%- if cap_scope == 'clause' %}
            and lines.clause_id = limits.scope_key
            {%- elif cap_scope == 'service' %}
            and lines.service_id = limits.scope_key
            {%- endif %}
    where limits.is_capped

),

{{ name }}_totals as (

    select
        scope_id,
        part_no,
        case when count(*) = count(amount) then sum(amount) end as total_amount,
        count(*) as line_count
    from {{ name }}_covered
    group by scope_id, part_no

),

{{ name }}_parts as (

    select
        limits.scope_id,
        limits.part_no,
        limits.month_no,
        limits.window_no,
        limits.limit_amount,
        coalesce(totals.line_count, 0) as line_count,
        totals.total_amount
    from {{ name }}_limits as limits
    left join {{ name }}_totals as totals
        on limits.scope_id = totals.scope_id and limits.part_no = totals.part_no

),

{{ name }}_walk as (

    -- least() would take a limit for an amount that is not there, so what is unknown is told apart first.
    select
        scope_id,
        part_no,
        month_no,
        window_no,
        case
            when line_count = 0 then 0
            when total_amount is not null and limit_amount is not null then greatest(0, least(total_amount, limit_amount))
        end as allowed_amount
        {%- if rolling %}
        ,
        case
            when line_count = 0 then 0
            when total_amount is not null and limit_amount is not null then greatest(0, least(total_amount, limit_amount))
        end as used_0_amount
        {%- for back in range(1, 12) %}
        ,
        cast(0 as numeric) as used_{{ back }}_amount
        {%- endfor %}
        {%- else %}
        ,
        case
            when line_count = 0 then 0
            when total_amount is not null and limit_amount is not null then greatest(0, least(total_amount, limit_amount))
        end as used_amount
        {%- endif %}
    from {{ name }}_parts
    where part_no = 1
    union all
    select
        scope_id,
        part_no,
        month_no,
        window_no,
        allowed_amount
        {%- if rolling %}
        ,
        used_0_amount + allowed_amount as used_0_amount
        {%- for back in range(1, 12) %}
        ,
        used_{{ back }}_amount
        {%- endfor %}
        {%- else %}
        ,
        used_amount + allowed_amount as used_amount
        {%- endif %}
    from (
        select
            *,
            case
                when line_count = 0 then 0
                when total_amount is not null and limit_amount is not null and left_amount is not null
                    then greatest(0, least(total_amount, left_amount))
            end as allowed_amount
        from (
            select
                *,
                limit_amount - used_amount as left_amount
            from (
                select
                    parts.scope_id,
                    parts.part_no,
                    parts.month_no,
                    parts.window_no,
                    parts.line_count,
                    parts.total_amount,
                    parts.limit_amount,
                    {%- if rolling %}
                    {%- for back in range(0, 12) %}
                    case when parts.month_no = walk.month_no then walk.used_{{ back }}_amount else
                        {%- if back == 0 %} 0{% else %} walk.used_{{ back - 1 }}_amount{% endif %} end as used_{{ back }}_amount,
                    {%- endfor %}
                    walk.used_0_amount
                    {%- for back in range(1, 11) %} + walk.used_{{ back }}_amount{% endfor %}
                    + case when parts.month_no = walk.month_no then walk.used_11_amount else 0 end as used_amount
                    {%- else %}
                    case when parts.window_no = walk.window_no then walk.used_amount else 0 end as used_amount
                    {%- endif %}
                from {{ name }}_walk as walk
                inner join {{ name }}_parts as parts
                    on walk.scope_id = parts.scope_id and parts.part_no = walk.part_no + 1
            ) as followed
        ) as left_over
    ) as allowed

),

{{ name }}_shared as (

    select
        covered.event_id,
        case
            when walk.allowed_amount is not null
                then
                    least(covered.running_amount, walk.allowed_amount)
                    - least(covered.running_amount - covered.amount, walk.allowed_amount)
        end as amount
    from {{ name }}_covered as covered
    inner join {{ name }}_walk as walk
        on covered.scope_id = walk.scope_id and covered.part_no = walk.part_no

),

{{ name }} as (

    select
        lines.event_id,
        lines.contract_version_id,
        lines.contract_id,
        lines.clause_id,
        lines.service_id,
        lines.month_no,
        lines.event_us,
        lines.subject_name,
        case when shared.event_id is null then lines.amount else shared.amount end as amount
    from {{ lines }} as lines
    left join {{ name }}_shared as shared on lines.event_id = shared.event_id

)
{%- endmacro %}
