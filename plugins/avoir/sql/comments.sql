-- What readers see of the tables and views that no dbt model describes.
comment on schema mart is 'What is published: one good version of every month, for BI tools and analysts.';
comment on schema finance is 'What is to be booked, for the booking system.';
comment on schema vendor_portal is 'What a vendor may see of itself; a role of no vendor sees no row.';

comment on column mart.publication_log.publication_no is 'Number of the verdict, in the order in which they were recorded.';
comment on column mart.publication_log.run_id is 'The run that decided.';
comment on column mart.publication_log.as_of is 'The instant that the run believed in.';
comment on column mart.publication_log.vendor_id is 'The vendor.';
comment on column mart.publication_log.month_date is 'First day of the month.';
comment on column mart.publication_log.currency is 'Currency of the month, ISO 4217; a bill in another one makes a month of its own.';
comment on column mart.publication_log.verdict is
'published: readers see this candidate. unchanged: it is what they saw already. held: it may not be seen yet. blocked: a border did not hold. closed: the month never changes.';
comment on column mart.publication_log.reason is 'Why, in words.';
comment on column mart.publication_log.version_id is 'SHA-256 of what the month shows from then on; null when the candidate is not shown.';
comment on column mart.publication_log.recorded_at is 'When the transaction that decided began, by the server''s clock.';

comment on column finance.credit_entries.entry_no is
'Number of the entry, from 1, without a gap, in the order in which entries may be booked; ask for those after the last one seen.';
comment on column finance.credit_entries.entry_kind is 'credit, adjustment or reversal.';
comment on column finance.credit_entries.vendor_id is 'The vendor who owes it.';
comment on column finance.credit_entries.contract_id is 'The contract.';
comment on column finance.credit_entries.clause_id is 'The clause of the contract.';
comment on column finance.credit_entries.month_date is 'First day of the month that the amount belongs to.';
comment on column finance.credit_entries.amount is 'Excluding VAT. Positive: owed by the vendor; negative: taken back.';
comment on column finance.credit_entries.currency is 'Currency of the amount, ISO 4217.';
comment on column finance.credit_entries.penalty_line_id is 'The penalty line; a credit and its adjustments name the same one.';
comment on column finance.credit_entries.entry_sha256 is 'Hash of the entry and of all before it.';
comment on column finance.credit_entries.posted_month_date is 'First day of the month that it is booked in: a later, open one for an adjustment.';
comment on column finance.credit_entries.ledger_entry_no is 'Number of the entry in ledger.entries.';
comment on column finance.credit_entries.corrects_ledger_entry_no is 'The entry of the ledger that this one corrects; null for a credit.';
comment on column finance.credit_entries.reason is 'Why it was posted, where it is no credit.';
