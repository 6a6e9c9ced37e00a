{#-
    Models of one shape, of which those that nothing has landed in are left out: a branch that yields nothing still costs
    the planner's tables. Where nothing has landed at all the first one stands for all.
-#}
{% macro landed_models(known) -%}
    {%- set landed = [] -%}
    {%- for model in known -%}
        {%- if has_rows([model], [model]) -%}
            {%- do landed.append(model) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(landed or known[:1]) }}
{%- endmacro %}

{#- Systems whose staging folders offer the same `shapes`; rows in one of those that are `telling` say that one has landed. -#}
{% macro landed_systems(known, shapes, telling) -%}
    {%- set landed = [] -%}
    {%- for system in known -%}
        {%- set models, asked_models = [], [] -%}
        {%- for shape in shapes -%}
            {%- do models.append('stg_' ~ system ~ '__' ~ shape) -%}
        {%- endfor -%}
        {%- for shape in telling -%}
            {%- do asked_models.append('stg_' ~ system ~ '__' ~ shape) -%}
        {%- endfor -%}
        {%- if has_rows(models, asked_models) -%}
            {%- do landed.append(system) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(landed or known[:1]) }}
{%- endmacro %}

{#- Whether one of the `asked_models` has a row. All `models` are named first, so that dbt knows them for parents while it only
    reads the project. -#}
{% macro has_rows(models, asked_models) -%}
    {%- set conditions = [] -%}
    {%- for model in models -%}
        {%- set relation = ref(model) -%}
        {%- if model in asked_models -%}
            {%- do conditions.append('exists (select 1 from ' ~ relation ~ ')') -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(not execute or asked('select ' ~ conditions | join(' or '))) }}
{%- endmacro %}

{#- The staging models of one shape of these systems. -#}
{% macro staging_models(systems, shape) -%}
    {%- set models = [] -%}
    {%- for system in systems -%}
        {%- do models.append('stg_' ~ system ~ '__' ~ shape) -%}
    {%- endfor -%}
    {{ return(models) }}
{%- endmacro %}

{#- The rows of these models, which have the same columns in the same order; the condition stands in each branch. -#}
{% macro united(models, condition='') -%}
    {%- for model in models -%}
    select * from {{ ref(model) }}
    {{ condition }}
    {%- if not loop.last %}
union all
{% endif %}
    {%- endfor %}
{%- endmacro %}
