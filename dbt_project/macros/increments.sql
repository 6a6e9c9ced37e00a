{#-
    What a nightly build has to compute anew. Models that grow with the company are incremental; what they take up
    is named once, in int_touched_tickets and int_availability_periods, from what landed, what was still open and which
    terms changed since the last build. The last build is what built_* say: they are written when all facts stand.
-#}

{#-
    Whether every ticket and month is computed: the first build, a full refresh, a table is missing, or the instant is
    earlier than one that was built, which unknows things. While dbt only reads the project the answer is no: the longer
    way names every model that either way reads.
-#}
{% macro builds_everything() -%}
    {%- if not execute -%}{{ return(false) }}{%- endif -%}
    {%- if flags.FULL_REFRESH -%}{{ return(true) }}{%- endif -%}
    {%- for node in graph.nodes.values()
        if node.resource_type == 'model' and (node.config.materialized == 'incremental' or node.name.startswith('built_')) -%}
        {%- if adapter.get_relation(database=node.database, schema=node.schema, identifier=node.alias) is none -%}
            {{ return(true) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(asked('select max(as_of_us) > ' ~ as_of_us() ~ ' from ' ~ last_built_relation('built_instants'))) }}
{%- endmacro %}

{#-
    Whether the terms of any contract differ from those of the last build; asked before the statement is made, since a
    branch that yields nothing still costs the planner's tables. Yes while dbt only reads the project.
-#}
{% macro terms_changed(present) -%}
    {%- if not execute -%}{{ return(true) }}{%- endif -%}
    {%- set last = last_built_relation('built_hashes') -%}
    {%- if last is none -%}{{ return(true) }}{%- endif -%}
    {%- set question -%}
        select exists (
            select 1
            from {{ present }} as present
            full outer join {{ last }} as last on present.contract_id = last.contract_id
            where present.terms_hash is distinct from last.terms_hash
        )
    {%- endset -%}
    {{ return(asked(question)) }}
{%- endmacro %}

{#- What the database answers to a question of yes or no. -#}
{% macro asked(question) -%}
    {{ return(run_query(question).rows[0][0]) }}
{%- endmacro %}

{#- The table of a model as an earlier build left it, or none. -#}
{% macro last_built_relation(model) -%}
    {%- set room = {'fct': 'facts', 'int': 'intermediate', 'built': 'builds'}[model.split('_')[0]] -%}
    {%- set schema = generate_schema_name(room, none) -%}
    {{ return(adapter.get_relation(database=target.database, schema=schema, identifier=model) if execute else none) }}
{%- endmacro %}

{#-
    Rows as a model left them in the last build, or none: `columns` names each with its type. Not a ref, since the
    model that is read comes after the one that reads.
-#}
{% macro as_last_built(model, columns) -%}
    {%- set relation = last_built_relation(model) if execute and not flags.FULL_REFRESH else none -%}
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

{#-
    The post-hook of int_contract_hashes, before any table is added to: from here on what stands may be of this
    build's terms and instant as well as of the last one's. A build that breaks off leaves it said, so that the next one
    finds these terms changed, even back to what they were, and its instant among those of the last build.
-#}
{% macro mark_begun() -%}
    {%- set hashes, instants = last_built_relation('built_hashes'), last_built_relation('built_instants') -%}
    {%- if hashes is not none and instants is not none -%}
        update {{ hashes }} as built
        set terms_hash = ''
        where not exists (
            select 1 from {{ this }} as present
            where present.contract_id = built.contract_id and present.terms_hash = built.terms_hash
        );
        insert into {{ hashes }} (contract_id, terms_hash)
        select present.contract_id, '' from {{ this }} as present
        where not exists (select 1 from {{ hashes }} as built where built.contract_id = present.contract_id);
        insert into {{ instants }} (as_of_us)
        select {{ as_of_us() }}
        where not exists (select 1 from {{ instants }} as built where built.as_of_us = {{ as_of_us() }})
    {%- endif -%}
{%- endmacro %}

{#- Whether this run adds to the table of a model: what it computes is then bounded by what was touched. -#}
{% macro computes_only_touched() -%}
    {{ return(is_incremental()) }}
{%- endmacro %}

{#- Rows of the tickets that this build computes: all of them in a table that is made anew. -#}
{% macro where_touched(touched, key) -%}
    {%- if is_incremental() -%}
        where (source_name, {{ key }}) in (select source_name, ticket_key from {{ touched }})
    {%- endif -%}
{%- endmacro %}

{#-
    The post-hook of every model. A table that was just made has no statistics, and the next model would be planned
    blind; one that is added to keeps those it has until it grew by a tenth, as autovacuum does by itself, only not in
    time. Pages are counted as the planner counts them: its rows per page are those of the last time.
-#}
{% macro gather_statistics() -%}
    {%- if model.config.materialized == 'incremental' -%}
        do $$
        begin
            if not exists (
                select 1 from pg_catalog.pg_stats as known
                where known.schemaname = '{{ this.schema }}' and known.tablename = '{{ this.identifier }}'
            ) or (
                select pg_catalog.pg_relation_size(present.oid) > 1.1 * present.relpages * pg_catalog.current_setting('block_size')::bigint
                from pg_catalog.pg_class as present
                where present.oid = '{{ this }}'::regclass
            ) then
                analyze {{ this }};
            end if;
        end
        $$
    {%- elif model.config.materialized != 'view' -%}
        analyze {{ this }}
    {%- endif -%}
{%- endmacro %}
