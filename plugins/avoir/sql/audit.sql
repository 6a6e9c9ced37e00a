-- From a credit to the raw rows behind it, for auditors. Each step is a function whose body is text: dbt drops and
-- renames the tables it rebuilds, and with them every view that is bound to one, while a body is bound when it is
-- asked. They take no argument and the planner writes them out in place, so what is asked of the view of one credit
-- reaches the indexes of the tables at the bottom.
create or replace function audit.credit_lines() returns table (
    penalty_line_id text,
    event_id text,
    contract_id text,
    contract_version_id text,
    service_id text,
    clause_id text,
    month_date date,
    indicator text,
    subject_name text,
    base_kind text,
    currency text
) language sql stable as $$
    -- What readers see, and candidates that they do not see yet.
    select
        shown.penalty_line_id, shown.event_id, shown.contract_id, shown.contract_version_id, shown.service_id,
        shown.clause_id, shown.origin_month_date, shown.indicator, shown.subject_name, shown.base_kind, shown.currency
    from mart.fct_penalty_lines as shown
    union all
    select
        lines.penalty_line_id, lines.event_id, lines.contract_id, lines.contract_version_id, lines.service_id,
        lines.clause_id, lines.origin_month_date, lines.indicator, lines.subject_name, lines.base_kind, lines.currency
    from penalties.fct_penalty_lines as lines
    where not exists (
        select 1 from mart.fct_penalty_lines as shown where shown.penalty_line_id = lines.penalty_line_id
    )
$$;
comment on function audit.credit_lines() is 'One row per penalty line that is published or a candidate.';

create or replace function audit.credit_tickets() returns table (
    penalty_line_id text,
    source_name text,
    ticket_key text,
    ticket_id text
) language sql stable as $$
    select
        lines.penalty_line_id, clocks.source_name, substr(clocks.ticket_id, length(clocks.source_name) + 2),
        clocks.ticket_id
    from audit.credit_lines() as lines
    inner join facts.fct_ticket_clocks as clocks on clocks.clock_id = lines.event_id
    where lines.indicator = 'clock'
    union all
    -- A month judged at once: all its clocks that were not left out.
    select
        lines.penalty_line_id, clocks.source_name, substr(clocks.ticket_id, length(clocks.source_name) + 2),
        clocks.ticket_id
    from audit.credit_lines() as lines
    inner join facts.fct_ticket_clocks as clocks
        on
            clocks.contract_id = lines.contract_id
            and clocks.month_date = lines.month_date
            and clocks.contract_version_id = lines.contract_version_id
            and clocks.clause_id = lines.clause_id
    where lines.indicator = 'clock' and clocks.aggregation <> 'each' and clocks.outcome <> 'excluded'
    union all
    -- A clock that the present facts no longer have: its id says which ticket of the service it was.
    select
        lines.penalty_line_id, tickets.source_name, substr(tickets.ticket_id, length(tickets.source_name) + 2),
        tickets.ticket_id
    from audit.credit_lines() as lines
    inner join reference.service_keys as keys
        on
            keys.contract_version_id = lines.contract_version_id
            and keys.service_id = lines.service_id
            and keys.key_kind = 'ticket'
    inner join intermediate.int_tickets as tickets
        on tickets.source_name = keys.source_name and tickets.service_key = keys.key_value
    where
        lines.indicator = 'clock'
        and lines.subject_name <> ''
        and tickets.ticket_number = lines.subject_name
        and not exists (select 1 from facts.fct_ticket_clocks as clocks where clocks.clock_id = lines.event_id)
        and lines.event_id in (
            select
                md5(
                    tickets.ticket_id || '|' || lines.contract_version_id || '|' || lines.clause_id
                    || case when cycle_no > 1 then '|' || cycle_no else '' end
                )
            from generate_series(1, 99) as cycle_no
        )
$$;
comment on function audit.credit_tickets() is
'One row per penalty line and ticket it is judged by: one of a line of its own, all of a month judged at once.';

create or replace function audit.credit_releases() returns table (
    penalty_line_id text,
    source_name text,
    release_key text
) language sql stable as $$
    select lines.penalty_line_id, milestones.source_name, substr(milestones.release_id, length(milestones.source_name) + 2)
    from audit.credit_lines() as lines
    inner join facts.fct_milestones as milestones on milestones.milestone_id = lines.event_id
    where lines.indicator = 'milestone'
    union all
    select lines.penalty_line_id, milestones.source_name, substr(milestones.release_id, length(milestones.source_name) + 2)
    from audit.credit_lines() as lines
    inner join facts.fct_milestones as milestones
        on
            milestones.contract_version_id = lines.contract_version_id
            and milestones.clause_id = lines.clause_id
            and milestones.month_date = lines.month_date
    where lines.indicator = 'milestone' and milestones.aggregation <> 'each' and milestones.outcome <> 'excluded'
    union
    -- As with clocks: the id says which release it was.
    select lines.penalty_line_id, releases.source_name, releases.release_key
    from audit.credit_lines() as lines
    inner join reference.service_keys as keys
        on
            keys.contract_version_id = lines.contract_version_id
            and keys.service_id = lines.service_id
            and keys.key_kind = 'release'
    inner join audit.release_records() as releases
        on releases.source_name = keys.source_name and releases.service_key = keys.key_value
    where
        lines.indicator = 'milestone'
        and releases.evidence_kind = 'release'
        and releases.release_number = lines.subject_name
        and not exists (select 1 from facts.fct_milestones as milestones where milestones.milestone_id = lines.event_id)
        and md5(
            releases.source_name || ':' || releases.release_key || '|' || lines.contract_version_id || '|'
            || lines.clause_id
        ) = lines.event_id
$$;
comment on function audit.credit_releases() is 'One row per penalty line and release it is judged by.';

create or replace function audit.credit_periods() returns table (
    penalty_line_id text,
    source_name text,
    key_kind text,
    key_value text,
    from_us bigint,
    to_us bigint
) language sql stable as $$
    -- By the terms the line names, believed or not: the period, or its quarter, widened by what an outage must last.
    select
        lines.penalty_line_id,
        keys.source_name,
        keys.key_kind,
        keys.key_value,
        cast(
            date_part(
                'epoch',
                cast(
                    greatest(
                        versions.valid_from,
                        cast(date_trunc(coalesce(clauses.reporting_period, 'month'), lines.month_date) as date)
                    ) as timestamp
                ) at time zone versions.timezone
            ) as bigint
        ) * 1000000 - coalesce(clauses.minimum_downtime_seconds, 0) * bigint '1000000',
        cast(
            date_part(
                'epoch',
                cast(
                    least(versions.valid_to, cast(lines.month_date + interval '1 month' as date)) as timestamp
                ) at time zone versions.timezone
            ) as bigint
        ) * 1000000 + coalesce(clauses.minimum_downtime_seconds, 0) * bigint '1000000'
    from audit.credit_lines() as lines
    inner join reference.contract_versions as versions on versions.contract_version_id = lines.contract_version_id
    inner join reference.clauses as clauses
        on clauses.contract_version_id = lines.contract_version_id and clauses.clause_id = lines.clause_id
    inner join reference.service_keys as keys
        on keys.contract_version_id = lines.contract_version_id and keys.service_id = lines.service_id
    where
        lines.indicator = 'availability'
        and keys.key_kind in ('monitor', 'maintenance')
        -- The same id always stands for the same terms: any row of it will do.
        and not exists (
            select 1 from reference.contract_versions as later
            where
                later.contract_version_id = versions.contract_version_id
                and later.recorded_at > versions.recorded_at
        )
$$;
comment on function audit.credit_periods() is
'One row per penalty line of an availability and monitor or register of its service, with the time looked at, in microseconds.';

create or replace function audit.credit_samples() returns table (
    penalty_line_id text,
    source_name text,
    monitor text,
    sampled_at timestamptz
) language sql stable as $$
    -- Where what is known of a monitor changes: every failing sample, the sample that ends it, both sides of a gap.
    -- A sample that says up among others that say up bounds nothing.
    select distinct
        periods.penalty_line_id,
        periods.source_name,
        periods.key_value,
        to_timestamp(bounds.at_us / 1000000) + make_interval(secs => (bounds.at_us % 1000000) / 1000000.0)
    from audit.credit_periods() as periods
    cross join lateral (
        select max(earlier.from_us) as from_us
        from intermediate.int_probe_intervals as earlier
        where
            earlier.source_name = periods.source_name
            and earlier.monitor = periods.key_value
            and earlier.from_us <= periods.from_us
    ) as edges
    inner join intermediate.int_probe_intervals as intervals
        on
            intervals.source_name = periods.source_name
            and intervals.monitor = periods.key_value
            and intervals.from_us >= coalesce(edges.from_us, periods.from_us)
            and intervals.from_us < periods.to_us
            and (intervals.to_us is null or intervals.to_us > periods.from_us)
    cross join lateral (values (intervals.from_us), (intervals.to_us)) as bounds (at_us)
    where periods.key_kind = 'monitor' and bounds.at_us is not null
$$;
comment on function audit.credit_samples() is
'One row per penalty line of an availability, monitor and instant at which what is known of it changes.';

create or replace function audit.credit_invoice_lines() returns table (
    penalty_line_id text,
    source_name text,
    document_id text,
    line_key text,
    is_of_base boolean
) language sql stable as $$
    -- The lines that make up the base of the price, and those of the month's invoice that a cap is a share of.
    select
        lines.penalty_line_id,
        invoiced.source_name,
        invoiced.document_id,
        invoiced.line_key,
        coalesce(
            lines.base_kind = 'month_invoice'
            or (lines.base_kind = 'service_lines' and invoiced.service_id = lines.service_id),
            false
        )
    from audit.credit_lines() as lines
    inner join reference.clauses as clauses
        on clauses.contract_version_id = lines.contract_version_id and clauses.clause_id = lines.clause_id
    inner join facts.fct_invoice_lines as invoiced
        on
            invoiced.contract_id = lines.contract_id
            and invoiced.month_date = lines.month_date
            and invoiced.currency = lines.currency
    where
        invoiced.is_counted
        and (
            lines.base_kind = 'month_invoice'
            or (lines.base_kind = 'service_lines' and invoiced.service_id = lines.service_id)
            or (clauses.event_cap_pct is not null and lines.base_kind is distinct from 'service_lines')
            or clauses.month_cap_pct is not null
            or exists (
                select 1 from reference.caps as caps
                where
                    caps.contract_version_id = lines.contract_version_id
                    and caps.base_kind in ('month_invoice', 'service_lines')
            )
        )
$$;
comment on function audit.credit_invoice_lines() is
'One row per penalty line and invoice line that its base, or a cap in percent of invoices, is taken from.';

create or replace function audit.credit_evidence_rows() returns table (
    penalty_line_id text,
    evidence_kind text,
    raw_table text,
    batch_id bigint,
    source_file_id bigint,
    source_row bigint,
    source_name text,
    natural_key text,
    row_hash text,
    record_at timestamptz
) language sql stable as $$
    select
        tickets.penalty_line_id, found.evidence_kind, found.raw_table, found._batch_id, found._source_file_id,
        found._source_row, tickets.source_name, found.natural_key, found._row_hash collate "default", null::timestamptz
    from audit.credit_tickets() as tickets
    cross join lateral (
        select
            ranked.evidence_kind, ranked.raw_table, ranked.batch_id as _batch_id,
            ranked.source_file_id as _source_file_id, ranked.source_row as _source_row, ranked.natural_key,
            ranked.row_hash as _row_hash
        from (
            select
                records.*,
                row_number() over (
                    partition by records.evidence_kind, records.natural_key
                    order by records.version_us desc nulls last, records.batch_id desc, records.source_row desc
                ) as version_rank
            from audit.ticket_records() as records
            where records.ticket_key = tickets.ticket_key and records.source_name = tickets.source_name
        ) as ranked
        where ranked.version_rank = 1 and ranked.is_read
        union all
        select
            'ticket_log', 'raw_incident_log.incident_events', ranked._batch_id, ranked._source_file_id,
            ranked._source_row, ranked.number || '|' || ranked.sys_mod_count, ranked._row_hash
        from (
            select
                raw.*,
                row_number() over (
                    partition by raw.sys_mod_count
                    order by
                        to_timestamp(nullif(raw.sys_updated_at, '?'), 'DD/MM/YYYY HH24:MI') desc nulls last,
                        raw._batch_id desc, raw._source_row desc
                ) as version_rank
            from raw_incident_log.incident_events as raw
            where raw.number = tickets.ticket_key and raw._source_name = tickets.source_name
        ) as ranked
        where ranked.version_rank = 1
    ) as found
    union all
    -- One row may be a release's present state and a change of its plan: it is evidence once.
    select
        releases.penalty_line_id, min(found.evidence_kind), found.raw_table, found.batch_id, found.source_file_id,
        found.source_row, releases.source_name, found.natural_key, found.row_hash collate "default",
        null::timestamptz
    from audit.credit_releases() as releases
    cross join lateral (
        select * from audit.release_records() as records
        where records.release_key = releases.release_key and records.source_name = releases.source_name
    ) as found
    group by
        releases.penalty_line_id, found.raw_table, found.batch_id, found.source_file_id, found.source_row,
        releases.source_name, found.natural_key, found.row_hash
    union all
    -- Each monitor is read once over the time in question and matched there: an outage has hundreds of instants.
    select
        wanted.penalty_line_id, 'sample', found.raw_table, found._batch_id, found._source_file_id,
        found._source_row, wanted.source_name, wanted.monitor || '|' || to_char(
            found.sampled_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
        ),
        coalesce(
            found._row_hash,
            case found.raw_table
                when 'raw_prometheus.samples'
                    then audit.prometheus_samples_row_hash(wanted.monitor, found.sampled_at, found.value)
                else audit.monitoring_checks_row_hash(
                    wanted.monitor, found.sampled_at, found.state, found.said, found.response_ms
                )
            end
        ) collate "default",
        found.sampled_at
    from (
        select
            penalty_line_id, source_name, monitor, array_agg(sampled_at) as instants, min(sampled_at) as first_at,
            max(sampled_at) as last_at
        from audit.credit_samples()
        group by penalty_line_id, source_name, monitor
    ) as wanted
    cross join lateral (
        -- Of two samples of one instant the one landed last holds.
        select
            within.*,
            row_number() over (
                partition by within.sampled_at order by within._batch_id desc, within._source_row desc
            ) as version_rank
        from (
            select
                'raw_prometheus.samples' as raw_table, raw._batch_id, raw._source_file_id, raw._source_row,
                null as _row_hash, raw.sampled_at, raw.value, null as state, null as said, null as response_ms
            from raw_prometheus.samples as raw
            where
                raw.monitor = wanted.monitor
                and raw._source_name = wanted.source_name
                and raw.sampled_at between wanted.first_at and wanted.last_at
            union all
            select
                'raw_monitoring.checks', raw._batch_id, raw._source_file_id, raw._source_row, null, raw.checked_at,
                null, raw.state, raw.said, raw.response_ms
            from raw_monitoring.checks as raw
            where
                raw.monitor = wanted.monitor
                and raw._source_name = wanted.source_name
                and raw.checked_at between wanted.first_at and wanted.last_at
            union all
            select
                'raw_monitoring.states', raw._batch_id, raw._source_file_id, raw._source_row, raw._row_hash,
                raw.from_at, null, null, null, null
            from raw_monitoring.states as raw
            where
                raw.monitor = wanted.monitor
                and raw._source_name = wanted.source_name
                and raw.from_at between wanted.first_at and wanted.last_at
            -- A fence, all rows in any order: without it each instant would be looked up by itself.
            offset 0
        ) as within
        inner join unnest(wanted.instants) as instants (sampled_at) on instants.sampled_at = within.sampled_at
    ) as found
    where found.version_rank = 1
    union all
    select
        samples.penalty_line_id, 'sample', 'raw_upptime.checks', raw._batch_id, raw._source_file_id, raw._source_row,
        samples.source_name, raw.slug || '|' || raw.checked_at, raw._row_hash collate "default", samples.sampled_at
    from audit.credit_samples() as samples
    inner join raw_upptime.checks as raw
        on
            raw.slug = samples.monitor
            and raw._source_name = samples.source_name
            and cast(raw.checked_at as timestamptz) = samples.sampled_at
    union all
    select
        periods.penalty_line_id,
        case found.type when 'planned' then 'planned_work' else 'reported_outage' end,
        'raw_servicenow.cmdb_ci_outage', found._batch_id, found._source_file_id, found._source_row,
        periods.source_name, found.sys_id, found._row_hash collate "default", null::timestamptz
    from audit.credit_periods() as periods
    cross join lateral (
        select
            raw.*,
            row_number() over (
                partition by raw.sys_id order by raw.sys_updated_on desc, raw._batch_id desc, raw._source_row desc
            ) as version_rank
        from raw_servicenow.cmdb_ci_outage as raw
        where raw.business_service = periods.key_value and raw._source_name = periods.source_name
    ) as found
    where
        periods.key_kind = 'maintenance'
        and found.version_rank = 1
        and cast(nullif(found.begin_at, '') || '+00' as timestamptz) < to_timestamp(periods.to_us / 1000000)
        and coalesce(
            cast(nullif(found.end_at, '') || '+00' as timestamptz) > to_timestamp(periods.from_us / 1000000), true
        )
    union all
    select
        periods.penalty_line_id,
        case found.kind when 'maintenance' then 'planned_work' else 'reported_outage' end,
        found.raw_table, found._batch_id, found._source_file_id, found._source_row, periods.source_name,
        found.natural_key, found._row_hash collate "default", null::timestamptz
    from audit.credit_periods() as periods
    cross join lateral (
        with incidents as (
            select
                raw.*,
                row_number() over (
                    partition by raw.incident_id
                    order by cast(raw.updated_at as timestamptz) desc, raw._batch_id desc, raw._source_row desc
                ) as version_rank
            from raw_statuspage.incidents as raw
            where raw.component_id = periods.key_value and raw._source_name = periods.source_name
        ),
        within as (
            select * from incidents
            where
                version_rank = 1
                and cast(coalesce(nullif(scheduled_for, ''), nullif(started_at, ''), created_at) as timestamptz)
                < to_timestamp(periods.to_us / 1000000)
                and coalesce(
                    cast(coalesce(nullif(scheduled_until, ''), nullif(resolved_at, '')) as timestamptz)
                    > to_timestamp(periods.from_us / 1000000),
                    true
                )
        )
        select
            'raw_statuspage.incidents' as raw_table, within.kind, within._batch_id, within._source_file_id,
            within._source_row, within.incident_id || '|' || within.component_id as natural_key, within._row_hash
        from within
        union all
        select
            'raw_statuspage.component_changes', ranked.kind, ranked._batch_id, ranked._source_file_id,
            ranked._source_row, ranked.update_id || '|' || ranked.component_id, ranked._row_hash
        from (
            select
                raw.*,
                within.kind,
                row_number() over (
                    partition by raw.update_id
                    order by cast(raw.updated_at as timestamptz) desc, raw._batch_id desc, raw._source_row desc
                ) as version_rank
            from raw_statuspage.component_changes as raw
            inner join within on within.incident_id = raw.incident_id and within.kind = 'incident'
            where raw.component_id = periods.key_value and raw._source_name = periods.source_name
        ) as ranked
        where ranked.version_rank = 1
    ) as found
    where periods.key_kind = 'maintenance'
    union all
    select
        documents.penalty_line_id, found.evidence_kind, found.raw_table, found._batch_id, found._source_file_id,
        found._source_row, documents.source_name, documents.document_id, found._row_hash collate "default",
        null::timestamptz
    from (
        select distinct penalty_line_id, source_name, document_id from audit.credit_invoice_lines()
    ) as documents
    cross join lateral (
        (
            select
                'invoice' as evidence_kind, 'raw_einvoice.invoices' as raw_table, raw._batch_id, raw._source_file_id,
                raw._source_row, raw._row_hash
            from raw_einvoice.invoices as raw
            where raw.document_id = documents.document_id and raw._source_name = documents.source_name
            order by raw.received_at desc, raw._batch_id desc, raw._source_row desc
            limit 1
        )
        union all
        (
            select
                'invoice', 'raw_xero.invoices', raw._batch_id, raw._source_file_id, raw._source_row, raw._row_hash
            from raw_xero.invoices as raw
            where raw.invoice_id = documents.document_id and raw._source_name = documents.source_name
            order by raw.updated_date_utc desc, raw._batch_id desc, raw._source_row desc
            limit 1
        )
        union all
        (
            select
                'invoice', 'raw_tryton.invoices', raw._batch_id, raw._source_file_id, raw._source_row, raw._row_hash
            from raw_tryton.invoices as raw
            where raw.invoice_id = documents.document_id and raw._source_name = documents.source_name
            order by raw.version_at desc, raw._batch_id desc, raw._source_row desc
            limit 1
        )
    ) as found
    union all
    select
        lines.penalty_line_id, 'invoice_line', found.raw_table, found._batch_id, found._source_file_id,
        found._source_row, lines.source_name, found.natural_key, found._row_hash collate "default", null::timestamptz
    from audit.credit_invoice_lines() as lines
    cross join lateral (
        (
            select
                'raw_einvoice.invoice_lines' as raw_table, raw._batch_id, raw._source_file_id, raw._source_row,
                raw.document_id || '|' || raw.line_no as natural_key, raw._row_hash
            from raw_einvoice.invoice_lines as raw
            where
                raw.document_id = lines.document_id
                and raw._source_name = lines.source_name
                and 'line:' || raw.line_no = lines.line_key
            order by raw._batch_id desc, raw._source_row desc
            limit 1
        )
        union all
        (
            select
                'raw_einvoice.invoice_adjustments', raw._batch_id, raw._source_file_id, raw._source_row,
                raw.document_id || '|' || raw.line_no, raw._row_hash
            from raw_einvoice.invoice_adjustments as raw
            where
                raw.document_id = lines.document_id
                and raw._source_name = lines.source_name
                and raw.kind || ':' || raw.line_no = lines.line_key
            order by raw._batch_id desc, raw._source_row desc
            limit 1
        )
        union all
        (
            select
                'raw_xero.invoice_line_items', raw._batch_id, raw._source_file_id, raw._source_row,
                raw.line_item_id || '|' || raw.invoice_updated_date_utc, raw._row_hash
            from raw_xero.invoice_line_items as raw
            where
                raw.invoice_id = lines.document_id
                and raw._source_name = lines.source_name
                and raw.line_item_id = lines.line_key
            order by raw.invoice_updated_date_utc desc, raw._batch_id desc, raw._source_row desc
            limit 1
        )
        union all
        (
            select
                'raw_tryton.invoice_lines', raw._batch_id, raw._source_file_id, raw._source_row,
                raw.line_id || '|' || raw.invoice_version_at, raw._row_hash
            from raw_tryton.invoice_lines as raw
            where
                raw.invoice_id = lines.document_id
                and raw._source_name = lines.source_name
                and raw.line_id = lines.line_key
            order by raw.invoice_version_at desc, raw._batch_id desc, raw._source_row desc
            limit 1
        )
    ) as found
$$;
comment on function audit.credit_evidence_rows() is 'What audit.credit_evidence shows.';

create or replace view audit.credit_evidence as select * from audit.credit_evidence_rows();
comment on view audit.credit_evidence is
'One row per penalty line and raw row that it rests on: by what, in which table, batch, file and row, under which key of the vendor''s. Ask for one penalty_line_id: it is looked up by ids, nothing is stored.';
