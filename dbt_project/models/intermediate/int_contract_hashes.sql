with terms as (

    select * from {{ ref('contract_terms') }}

),

exclusions as (

    select * from {{ ref('int_exclusions') }}

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

),

hashed as (

    select
        contract_id,
        md5(string_agg(term, '; ' order by {{ in_byte_order('term') }})) as terms_hash
    from stated
    group by contract_id

)

select * from hashed
