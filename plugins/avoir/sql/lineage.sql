-- Which run read and wrote what, and which column comes from which. Tables of this file belong to the administrator:
-- the role that fills them by appending can neither change nor drop them.
create table if not exists audit.lineage_events (
    event_sha256 text primary key,
    event_time timestamptz not null,
    event_type text not null,
    run_id uuid not null,
    parent_run_id uuid,
    root_run_id uuid,
    dag_run_id text,
    job_namespace text not null,
    job_name text not null,
    producer text not null,
    inputs text [] not null,
    outputs text [] not null,
    payload jsonb not null,
    recorded_at timestamptz not null default now()
);
create index if not exists lineage_events_run on audit.lineage_events (run_id);
create index if not exists lineage_events_job on audit.lineage_events (job_name, event_time);
create index if not exists lineage_events_dag_run on audit.lineage_events (dag_run_id);
comment on table audit.lineage_events is
'One row per OpenLineage event of a real run: of a DAG, a task, or a model that dbt built. Append-only; known by the hash of its text, so taking it in again adds nothing.';
comment on column audit.lineage_events.run_id is 'OpenLineage''s id of the run: of a DAG run, of one try of a task, of one model in one build.';
comment on column audit.lineage_events.parent_run_id is 'The run within which it ran: a task''s DAG run, a model''s task.';
comment on column audit.lineage_events.root_run_id is 'The outermost run: the DAG run.';
comment on column audit.lineage_events.dag_run_id is 'Airflow''s own id of the DAG run; events of dbt reach it through root_run_id.';
comment on column audit.lineage_events.payload is 'The event, reduced to the facets that docs/lineage.md lists.';

create table if not exists audit.lineage_graphs (
    graph_no bigint generated always as identity primary key,
    code_sha256 text not null,
    edges_sha256 text not null,
    run_id text not null,
    recorded_at timestamptz not null default now()
);
comment on table audit.lineage_graphs is
'One row per time that the code changed: the edges between columns that it has, and the first run that had it. The last one is in force.';

create table if not exists audit.column_edges (
    edges_sha256 text not null,
    from_relation text not null,
    from_column text not null,
    to_relation text not null,
    to_column text not null,
    transformation text not null check (transformation in ('identity', 'transformation', 'aggregation')),
    step text not null check (step in ('model', 'publication', 'posting', 'view')),
    primary key (edges_sha256, to_relation, to_column, from_relation, from_column)
);
create index if not exists column_edges_from on audit.column_edges (edges_sha256, from_relation, from_column);
comment on table audit.column_edges is
'One row per pair of columns, in one state of the code, of which the second takes its value from the first.';

create or replace trigger lineage_events_never_change before update or delete or truncate on audit.lineage_events
for each statement execute function ledger.refuse_change('what a run said stays');
create or replace trigger lineage_graphs_never_change before update or delete or truncate on audit.lineage_graphs
for each statement execute function ledger.refuse_change('what a run said stays');
create or replace trigger column_edges_never_change before update or delete or truncate on audit.column_edges
for each statement execute function ledger.refuse_change('what a run said stays');

grant insert on audit.lineage_events to avoir_transformer;
grant select, insert on audit.lineage_graphs, audit.column_edges to avoir_transformer;
