with new_batches as (

    select * from {{ ref('int_new_batches') }}

),

{% if not builds_everything() -%}
{% set changed = terms_changed(ref('int_contract_hashes')) -%}
-- Long tables are imported once for each use: an import that is used twice would be copied whole.
staged_tickets as (

    {{ staged_by_systems('tickets') }}

),

staged_events as (

    {{ staged_by_systems('ticket_events') }}

),

log_events as (

    select * from {{ ref('stg_incident_log__events') }}

),

last_instants as (

    {{ as_last_built('built_instants', {'as_of_us': 'bigint'}) }}

),

open_clocks as (

    {{ as_last_built('fct_ticket_clocks', {'ticket_id': 'text', 'is_settled': 'boolean'}) }}

),

last_events as (

    {{ as_last_built('int_ticket_events', {'ticket_id': 'text', 'event_us': 'bigint'}) }}

),

{% if changed -%}
last_hashes as (

    {{ as_last_built('built_hashes', {'contract_id': 'text', 'terms_hash': 'text'}) }}

),

last_clocks as (

    {{ as_last_built('fct_ticket_clocks', {'ticket_id': 'text', 'contract_id': 'text'}) }}

),

last_tickets as (

    {{ as_last_built('int_tickets', {'ticket_id': 'text', 'source_name': 'text', 'service_key': 'text'}) }}

),

keys as (

    select * from {{ ref('service_terms') }}
    where key_kind = 'ticket'

),

contract_hashes as (

    select * from {{ ref('int_contract_hashes') }}

),

changed_contracts as (

    select coalesce(contract_hashes.contract_id, last_hashes.contract_id) as contract_id
    from contract_hashes
    full outer join last_hashes on contract_hashes.contract_id = last_hashes.contract_id
    where contract_hashes.terms_hash is distinct from last_hashes.terms_hash

),

{% endif -%}
landed as (

    select
        staged_tickets.source_name,
        staged_tickets.ticket_key
    from new_batches
    inner join staged_tickets on new_batches.batch_id = staged_tickets.batch_id
    union
    select
        staged_events.source_name,
        staged_events.ticket_key
    from new_batches
    inner join staged_events on new_batches.batch_id = staged_events.batch_id
    where staged_events.field is not null
    union
    select
        log_events.source_name,
        log_events.ticket_key
    from new_batches
    inner join log_events on new_batches.batch_id = log_events.batch_id

),

reopened as (

    -- Clocks that still ran, events that had not happened by the last build's instant, terms that changed.
    select ticket_id from open_clocks
    where not is_settled
    union
    select last_events.ticket_id
    from last_events
    where
        last_events.event_us >= (select min(last_instants.as_of_us) from last_instants)
        and last_events.event_us < {{ as_of_us() }}
    {% if changed -%}
    union
    select last_clocks.ticket_id
    from changed_contracts
    inner join last_clocks on changed_contracts.contract_id = last_clocks.contract_id
    union
    select last_tickets.ticket_id
    from changed_contracts
    inner join keys on changed_contracts.contract_id = keys.contract_id
    inner join last_tickets
        on keys.source_name = last_tickets.source_name and keys.key_value = last_tickets.service_key
    {%- endif %}

),

touched as (

    select
        source_name,
        ticket_key
    from landed
    union
    -- The name of a source has no colon in it: the tickets of years need not be walked for their keys.
    select
        split_part(ticket_id, ':', 1) as source_name,
        substr(ticket_id, strpos(ticket_id, ':') + 1) as ticket_key
    from reopened

),

{% else -%}
staged_tickets as (

    {{ staged_by_systems('tickets') }}

),

touched as (

    select
        source_name,
        ticket_key
    from staged_tickets
    union
    select
        source_name,
        ticket_key
    from {{ ref('stg_incident_log__events') }}

),

{% endif -%}
identified as (

    select
        source_name || ':' || ticket_key as ticket_id,
        source_name,
        ticket_key
    from touched

)

select * from identified
