{{ config(post_hook="{{ mark_begun() }}") }}

with terms as (

    select * from {{ ref('contract_terms') }}

),

exclusions as (

    select * from {{ ref('int_exclusions') }}

),

keys as (

    select * from {{ ref('service_terms') }}

),

team_times as (

    -- Versions that follow each other are one stretch of time.
    select
        source_name,
        key_value,
        vendor_id,
        range_agg(int8range(valid_from_us, valid_to_us)) as held_us
    from keys
    where key_kind = 'team'
    group by source_name, key_value, vendor_id

),

desks as (

    select distinct
        contract_id,
        source_name
    from keys
    where key_kind = 'ticket'

),

stated as (

    -- A version's id stands for its content; its end depends on the next one's beginning.
    select
        contract_id,
        concat_ws('|', 'version', contract_version_id, vendor_id, timezone, valid_from_us, valid_to_us, judged_as_of_us) as term
    from terms
    union all
    select
        terms.contract_id,
        concat_ws(
            '|', 'exclusion', exclusions.exclusion_id, exclusions.from_us, exclusions.to_us, exclusions.ticket_number
        ) as term
    from exclusions
    inner join terms on exclusions.contract_version_id = terms.contract_version_id
    union all
    -- Whose a team is that a ticket passes through, another contract says.
    select
        desks.contract_id,
        concat_ws('|', 'team', team_times.source_name, team_times.key_value, team_times.vendor_id, team_times.held_us) as term
    from desks
    inner join team_times on desks.source_name = team_times.source_name

),

hashed as (

    select
        contract_id,
        md5(string_agg(term, '; ' order by {{ in_byte_order('term') }})) as terms_hash
    from stated
    group by contract_id

)

select * from hashed
