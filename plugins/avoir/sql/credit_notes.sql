-- Credit notes: e-invoice documents of what finance may book. Numbered without a gap in each year of issue; the
-- database itself refuses to change or remove one, whoever asks, and to put an entry on two.
create table if not exists finance.credit_notes (
    number text primary key,
    issue_year integer not null,
    serial_no integer not null check (serial_no > 0),
    vendor_id text not null,
    posted_month_date date not null,
    currency text not null,
    type_code text not null check (type_code in ('381', '261')),
    settlement_document text not null,
    vat_treatment text not null,
    issue_date date not null,
    net_amount numeric not null check (net_amount > 0),
    vat_amount numeric not null,
    gross_amount numeric not null check (gross_amount > 0),
    entry_nos bigint[] not null check (cardinality(entry_nos) > 0),
    ubl_sha256 text not null,
    cii_sha256 text not null,
    facturx_sha256 text not null,
    ubl bytea not null,
    cii bytea not null,
    facturx bytea not null,
    unique (issue_year, serial_no),
    check (number = 'CN-' || issue_year || '-' || lpad(cast(serial_no as text), greatest(6, length(cast(serial_no as text))), '0')),
    check (issue_year = date_part('year', issue_date)),
    check (gross_amount = net_amount + vat_amount),
    check ((settlement_document = 'self_billed_credit_note') = (type_code = '261')),
    check (ubl_sha256 = encode(sha256(ubl), 'hex')),
    check (cii_sha256 = encode(sha256(cii), 'hex')),
    check (facturx_sha256 = encode(sha256(facturx), 'hex'))
);
create index if not exists credit_notes_month on finance.credit_notes (vendor_id, posted_month_date, currency);
comment on table finance.credit_notes is
'One row per credit note issued: its number, what it totals, the ledger entries on it and the documents themselves. Append-only; numbers are gapless in each year of issue.';
comment on column finance.credit_notes.posted_month_date is
'Month whose postings it was issued for; entries of earlier months that outweighed their credits may be on it too.';
comment on column finance.credit_notes.entry_nos is 'ledger.entries.entry_no of what is on it, ascending.';
comment on column finance.credit_notes.net_amount is 'Sum of its entries in the currency, without VAT (BT-109).';
comment on column finance.credit_notes.number is 'Its number (BT-1): CN, the year of issue, six digits.';
comment on column finance.credit_notes.issue_year is 'Year of the issue date; numbers begin anew with it.';
comment on column finance.credit_notes.serial_no is 'Its place among the notes of that year, without a gap.';
comment on column finance.credit_notes.vendor_id is 'Whose credits they are.';
comment on column finance.credit_notes.currency is 'Currency of every amount on it (BT-5).';
comment on column finance.credit_notes.type_code is 'Kind of document (BT-3): 381 a credit note, 261 a self-billed one.';
comment on column finance.credit_notes.settlement_document is 'How the contract settles: credit_note or self_billed_credit_note.';
comment on column finance.credit_notes.vat_treatment is 'price_reduction (at the rates of the invoices) or out_of_scope, as the contract says.';
comment on column finance.credit_notes.issue_date is 'Day of issue (BT-2).';
comment on column finance.credit_notes.vat_amount is 'VAT of the note (BT-110).';
comment on column finance.credit_notes.gross_amount is 'Total with VAT (BT-112).';
comment on column finance.credit_notes.ubl_sha256 is 'Hash of the UBL document.';
comment on column finance.credit_notes.cii_sha256 is 'Hash of the CII document.';
comment on column finance.credit_notes.facturx_sha256 is 'Hash of the PDF.';
comment on column finance.credit_notes.ubl is 'The note as UBL 2.1.';
comment on column finance.credit_notes.cii is 'The note as CII D16B.';
comment on column finance.credit_notes.facturx is 'The readable PDF/A-3 with the CII document attached.';

create table if not exists finance.credit_note_entries (
    entry_no bigint primary key references ledger.applications (entry_no),
    number text not null references finance.credit_notes
);
create index if not exists credit_note_entries_number on finance.credit_note_entries (number);
comment on table finance.credit_note_entries is
'One row per ledger entry that is on a credit note: the key keeps it from being on two.';
comment on column finance.credit_note_entries.entry_no is 'ledger.entries.entry_no of what is credited.';
comment on column finance.credit_note_entries.number is 'The note it is on.';

create or replace function finance.refuse_gap() returns trigger language plpgsql as $$
declare
    last_serial_no integer;
    last_date date;
begin
    select max(serial_no) into last_serial_no from finance.credit_notes where issue_year = new.issue_year;
    select max(issue_date) into last_date from finance.credit_notes;
    if new.serial_no <> coalesce(last_serial_no, 0) + 1 then
        raise exception 'credit note % would leave a gap after number % of %', new.number, coalesce(last_serial_no, 0), new.issue_year
            using errcode = 'check_violation';
    end if;
    if new.issue_date < last_date then
        raise exception 'credit note % of % would precede one already issued on %', new.number, new.issue_date, last_date
            using errcode = 'check_violation';
    end if;
    return new;
end $$;

create or replace trigger credit_notes_never_change before update or delete or truncate on finance.credit_notes
for each statement execute function ledger.refuse_change('what was issued stays; a correction is a further note');
create or replace trigger credit_note_entries_never_change before update or delete or truncate on finance.credit_note_entries
for each statement execute function ledger.refuse_change('what was issued stays; a correction is a further note');
create or replace trigger credit_notes_gapless before insert on finance.credit_notes
for each row execute function finance.refuse_gap();
