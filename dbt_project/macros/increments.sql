{#-
    What a nightly build has to compute anew. Models that grow with the company are incremental; what they take up
    is named once, in int_touched_tickets and int_availability_periods, from what landed, what was still open and which
    terms changed since the last build. The last build is what built_* say: they are written when all facts stand.
-#}

{#-
    Whether every ticket and month is computed: the first build, a full refresh, or a table is missing. While dbt only
    reads the project the answer is no: the longer way names every model that either way reads.
-#}
{% macro builds_everything() -%}
    {%- if not execute -%}{{ return(false) }}{%- endif -%}
    {%- if flags.FULL_REFRESH -%}{{ return(true) }}{%- endif -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.config.materialized == 'incremental' -%}
        {%- if adapter.get_relation(database=node.database, schema=node.schema, identifier=node.alias) is none -%}
            {{ return(true) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(false) }}
{%- endmacro %}

{#-
    Rows as a model left them in the last build, or none: `columns` names each with its type. Not a ref, since the
    model that is read comes after the one that reads.
-#}
{% macro as_last_built(model, columns) -%}
    {%- set room = {'fct': 'facts', 'int': 'intermediate', 'built': 'builds'}[model.split('_')[0]] -%}
    {%- set schema = generate_schema_name(room, none) -%}
    {%- set relation = adapter.get_relation(database=target.database, schema=schema, identifier=model)
        if execute and not flags.FULL_REFRESH else none -%}
    select
        {%- for name, kind in columns.items() %}
        {% if relation is none %}cast(null as {{ kind }}) as {% endif %}{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    {%- if relation is none %}
    where 1 = 0
    {%- else %}
    from {{ relation }}
    {%- endif %}
{%- endmacro %}

{#- A pre-hook of an incremental model: what is computed anew goes first, in the same transaction. -#}
{% macro forget(touched, columns) -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where ({{ columns | join(', ') }}) in (select {{ columns | join(', ') }} from {{ touched }})
    {%- endif -%}
{%- endmacro %}

{#- A pre-hook beside it: months of versions that are no longer in force, or that are not known yet. -#}
{% macro forget_ended(months) -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where not exists (
            select 1 from {{ months }} as months
            where
                months.contract_version_id = {{ this }}.contract_version_id
                and months.month_date = {{ this }}.month_date
        )
    {%- endif -%}
{%- endmacro %}

{#- Whether this run adds to the table of a model: what it computes is then bounded by what was touched. -#}
{% macro computes_only_touched() -%}
    {{ return(is_incremental()) }}
{%- endmacro %}
