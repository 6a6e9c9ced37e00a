with releases as (

    select * from {{ ref('int_releases') }}

),

defects as (

    -- What is found at or after as_of has not been found yet.
    select * from {{ ref('stg_servicenow__defects') }}
    where opened_us < {{ as_of_us() }}

),

keys as (

    select * from {{ ref('service_terms') }}
    where key_kind = 'release'

),

delivered as (

    -- A release is the vendor's whose contract is in force as it is delivered.
    select
        releases.source_name,
        releases.release_key,
        releases.release_number,
        keys.contract_version_id,
        keys.contract_id,
        keys.vendor_id,
        keys.service_id,
        {{ local_date('releases.delivered_us', 'keys.timezone') }} as delivered_date
    from releases
    inner join keys
        on
            releases.source_name = keys.source_name
            and releases.service_key = keys.key_value
            and releases.delivered_us >= keys.valid_from_us
            and releases.delivered_us < keys.valid_to_us
    where releases.delivered_us < {{ as_of_us() }}

),

counted as (

    select
        source_name,
        release_key,
        count(*) as defect_count,
        sum(case when closed_us < {{ as_of_us() }} then 0 else 1 end) as open_defect_count
    from defects
    group by source_name, release_key

)

select
    md5(
        delivered.source_name || ':' || delivered.release_key || '|' || delivered.contract_version_id || '|'
        || delivered.service_id
    ) as release_defects_id,
    delivered.source_name || ':' || delivered.release_key as release_id,
    delivered.release_number,
    delivered.source_name,
    delivered.contract_version_id,
    delivered.contract_id,
    delivered.vendor_id,
    delivered.service_id,
    delivered.delivered_date,
    cast(date_trunc('month', delivered.delivered_date) as date) as month_date,
    cast(coalesce(counted.defect_count, 0) as integer) as defect_count,
    cast(coalesce(counted.open_defect_count, 0) as integer) as open_defect_count
from delivered
left join counted on delivered.source_name = counted.source_name and delivered.release_key = counted.release_key
