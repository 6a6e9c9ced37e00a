{#-
    Systems that say what a release is and what happened to its plan. The staging folder of each offers two views of the
    same columns: stg_<system>__releases and stg_<system>__release_events. A system is named here and nowhere else in the
    models; one of which nothing has landed is left out, since a branch that yields nothing still costs the planner's tables.
-#}
{% macro release_systems() -%}
    {%- set known = ['servicenow', 'plan_file', 'gitlab', 'github', 'jira'] -%}
    {{ return(landed_systems(known, ['releases', 'release_events'], ['releases'])) }}
{%- endmacro %}

{#-
    Releases of every system, or what happened to their plans: `shape` is releases or release_events. The condition
    stands in each branch, where an index of the system's own table can serve it.
-#}
{% macro staged_by_release_systems(shape, condition='') -%}
    {{ united(staging_models(release_systems(), shape), condition) }}
{%- endmacro %}

{#- What leads from a row of either view back to the raw row, for the auditor. -#}
{% macro release_evidence_columns(raw_table, natural_key) -%}
    {{ evidence_columns() }},
    cast('{{ raw_table }}' as text) as raw_table,
    _row_hash as row_hash,
    {{ natural_key }} as natural_key
{%- endmacro %}

{#- A date without a time stands for its noon on a clock of the given zone: the same date in any zone near it. -#}
{% macro noon_us(column, timezone) -%}
    {{ to_us("((cast(nullif(" ~ column ~ ", '') as date) + time '12:00') at time zone " ~ timezone ~ ")") }}
{%- endmacro %}

{#- GitLab's and GitHub's milestones as releases, one row per milestone in the state it was last seen in. -#}
{% macro milestones_as_releases(raw_schema) -%}
with source as (

    select
        *,
        {{ version_rank('milestone_id', 'cast(version_no as bigint)') }}
    from {{ source(raw_schema, 'milestones') }}

),

renamed as (

    select
        {{ release_evidence_columns(raw_schema ~ '.milestones', 'milestone_id') }},
        milestone_id as release_key,
        title as release_number,
        project as service_key,
        {{ iso_us('created_at') }} as planned_us,
        {{ noon_us('due_date', 'source_timezone') }} as due_us,
        cast(null as bigint) as delivered_us,
        cast(null as text) as plan_key,
        approved_dates as approval_rule
    from source
    where version_rank = 1

)

select * from renamed
{%- endmacro %}

{#- The same milestones as what loads saw of them, one row per state. -#}
{% macro milestones_as_release_events(raw_schema) -%}
select
    {{ release_evidence_columns(raw_schema ~ '.milestones', 'milestone_id') }},
    milestone_id as release_key,
    cast('observation' as text) as event_kind,
    milestone_id || '|' || version_no as event_key,
    cast(version_no as bigint) as change_sequence,
    {{ iso_us('observed_at') }} as event_us,
    {{ iso_us('observed_from') }} as earliest_us,
    cast('state' as text) as field,
    cast(null as text) as plan_key,
    cast(null as bigint) as old_due_us,
    {{ noon_us('due_date', 'source_timezone') }} as due_us,
    {{ iso_us('delivered_at') }} as delivered_us,
    cast(null as text) as approval
from {{ source(raw_schema, 'milestones') }}
{%- endmacro %}
