with batches as (

    select * from {{ source('loads', 'batches') }}

),

built as (

    {{ as_last_built('built_batches', {'batch_id': 'bigint'}) }}

),

landed as (

    -- A batch of an earlier release knows its window only. By what was built and not by the highest number: a load may
    -- commit after one that began later.
    select
        batches.batch_id,
        batches.source_name,
        {{ to_us('coalesce(batches.landed_from, batches.window_from)') }} as landed_from_us,
        {{ to_us('coalesce(batches.landed_to, batches.window_to)') }} as landed_to_us
    from batches
    left join built on batches.batch_id = built.batch_id
    where built.batch_id is null

)

select * from landed
