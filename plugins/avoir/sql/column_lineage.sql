-- From a column to those it comes from, and back. What is reached is kept by column and depth, not by path, so that
-- many ways through the same columns cost no more than one; of the shortest ways one is shown.
create or replace function audit.current_edges_sha256() returns text language sql stable as $$
    select edges_sha256 from audit.lineage_graphs order by graph_no desc limit 1
$$;
comment on function audit.current_edges_sha256() is 'The edges that are in force.';

create or replace function audit.column_paths(
    start_relation text, start_column text, is_downstream boolean
) returns table (
    relation text,
    column_name text,
    depth integer,
    transformation text,
    path text []
) language sql stable as $$
    with recursive reached (relation, column_name, depth) as (
        select start_relation, start_column, 0
        union
        select next.relation, next.column_name, reached.depth + 1
        from reached
        cross join lateral (
            select edges.from_relation as relation, edges.from_column as column_name
            from audit.column_edges as edges
            where
                not is_downstream
                and edges.edges_sha256 = (select audit.current_edges_sha256())
                and edges.to_relation = reached.relation
                and edges.to_column = reached.column_name
            union all
            select edges.to_relation, edges.to_column
            from audit.column_edges as edges
            where
                is_downstream
                and edges.edges_sha256 = (select audit.current_edges_sha256())
                and edges.from_relation = reached.relation
                and edges.from_column = reached.column_name
        ) as next
        -- Longer than any way through the models; a cycle ends here.
        where reached.depth < 64
    ),

    nearest as (
        select reached.relation, reached.column_name, min(reached.depth) as depth
        from reached group by reached.relation, reached.column_name
    ),

    hops as (
        select distinct on (far.relation, far.column_name)
            far.relation, far.column_name, far.depth, near.relation as near_relation, near.column_name as near_column,
            edges.transformation
        from nearest as far
        inner join nearest as near on near.depth = far.depth - 1
        inner join audit.column_edges as edges
            on
                edges.edges_sha256 = (select audit.current_edges_sha256())
                and edges.to_relation = case when is_downstream then far.relation else near.relation end
                and edges.to_column = case when is_downstream then far.column_name else near.column_name end
                and edges.from_relation = case when is_downstream then near.relation else far.relation end
                and edges.from_column = case when is_downstream then near.column_name else far.column_name end
        order by far.relation, far.column_name, near.relation, near.column_name
    ),

    ways (relation, column_name, depth, transformation, path) as (
        select start_relation, start_column, 0, 'identity', array[start_relation || '.' || start_column]
        union all
        select
            hops.relation, hops.column_name, hops.depth,
            case
                when 'aggregation' in (ways.transformation, hops.transformation) then 'aggregation'
                when 'transformation' in (ways.transformation, hops.transformation) then 'transformation'
                else 'identity'
            end,
            ways.path || (hops.relation || '.' || hops.column_name)
        from ways
        inner join hops on hops.near_relation = ways.relation and hops.near_column = ways.column_name
    )

    select ways.relation, ways.column_name, ways.depth, ways.transformation, ways.path from ways where ways.depth > 0
$$;
comment on function audit.column_paths(text, text, boolean) is
'One row per column that a column comes from, or goes into: the nearest way to it, and the strongest transformation on that way.';

create or replace view audit.column_lineage as
select
    columns.relation,
    columns.column_name,
    sources.relation as source_relation,
    sources.column_name as source_column,
    sources.depth,
    sources.transformation,
    sources.path,
    not exists (
        select 1 from audit.column_edges as further
        where
            further.edges_sha256 = (select audit.current_edges_sha256())
            and further.to_relation = sources.relation
            and further.to_column = sources.column_name
    ) as is_origin
from (
    select distinct
        edges.to_relation as relation,
        edges.to_column as column_name
    from audit.column_edges as edges
    where edges.edges_sha256 = (select audit.current_edges_sha256())
) as columns
cross join lateral audit.column_paths(columns.relation, columns.column_name, false) as sources;
comment on view audit.column_lineage is
'One row per column and column that it comes from, however far: depth, the nearest way, and whether nothing lies behind (is_origin). Ask for one relation and column_name: it is walked, nothing is stored.';
