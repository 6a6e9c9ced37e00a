-- A priced world: late tickets cost a share of the month's invoice, which has a line for each service, and a downtime its share of the
-- fee. The contracts are measured elsewhere with fixed prices; here their terms are changed where they lie.
update reference.clauses
set formula = 'percent_of_invoice_per_event', rate_pct = 1, amount = null, base_kind = 'month_invoice', month_cap_pct = 15
where indicator = 'clock';
update reference.clauses
set formula = 'proportional', proportional_on = 'whole_downtime', amount = null, base_kind = 'service_lines'
where indicator = 'availability';
insert into reference.service_keys (contract_version_id, service_id, source_name, key_kind, key_value)
select contract_version_id, service_id, '{{ source }}', 'invoice_line', service_id
from reference.services;

insert into loads.batches (
    source_name, system, window_from, window_to, rows_read, rows_landed, rows_duplicate, rows_rejected, started_at
)
values ('{{ source }}', 'einvoice_folder', '{{ first_day }}', '{{ end }}', 0, 0, 0, 0, '{{ end }}');
create temporary table drawn as
select
    batches.batch_id,
    versions.contract_version_id,
    row_number() over (order by months.month_date, versions.contract_version_id) as file_no,
    months.month_date,
    md5(versions.contract_version_id || months.month_date) as document_id
from (select max(batch_id) as batch_id from loads.batches) as batches
cross join reference.contract_versions as versions
cross join generate_series(date '{{ first_day }}', date '{{ end }}' - 1, interval '1 month') as months (month_date);
insert into loads.files (batch_id, source_name, file_name, sha256, size_bytes)
select batch_id, '{{ source }}', document_id || '.xml', document_id, 1000 from drawn order by file_no;
insert into raw_einvoice.invoices (
    _source_name, _batch_id, _source_file_id, _source_row, _row_hash,
    document_id, invoice_number, type_code, issue_date, period_start, seller_id, seller_name, currency, tax_basis_total,
    line_count, received_at
)
select
    '{{ source }}', drawn.batch_id, files.file_id, 1, drawn.document_id,
    drawn.document_id, 'N' || drawn.file_no, '380', to_char(drawn.month_date, 'YYYY-MM-DD'),
    to_char(drawn.month_date, 'YYYY-MM-DD'), drawn.contract_version_id, drawn.contract_version_id, 'EUR', '50000', '5',
    to_char(drawn.month_date, 'YYYY-MM-DD') || 'T00:00:00+00:00'
from drawn inner join loads.files on drawn.document_id = files.sha256;
insert into raw_einvoice.invoice_lines (
    _source_name, _batch_id, _source_file_id, _source_row, _row_hash, document_id, invoice_number, line_no, item_id, net_amount
)
select
    '{{ source }}', drawn.batch_id, files.file_id, services.line_no, md5(drawn.document_id || services.line_no),
    drawn.document_id, 'N' || drawn.file_no, cast(services.line_no as text), services.service_id, '10000'
from drawn
inner join loads.files on drawn.document_id = files.sha256
inner join (
    select *, row_number() over (partition by contract_version_id order by service_id) as line_no from reference.services
) as services on drawn.contract_version_id = services.contract_version_id;
drop table drawn
