"""What a vendor invoiced for the months that a note credits: numbers and dates, parties, VAT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import psycopg

from avoir.credit_notes.model import OUT_OF_SCOPE, CreditNoteError, Party, Preceding, Vat
from avoir.credit_notes.wording import fit
from avoir.sources.einvoice import UnusableInvoiceError, Values
from avoir.sources.einvoice_parties import parties_and_vat


@dataclass(frozen=True)
class Billed:
    """One invoice that counts in a month. Parties are empty where its system does not say them.

    ``vat`` are its VAT categories with the net amount of each; empty when it does not tell.
    """

    source_name: str
    month_date: date
    contract_ids: frozenset[str]
    preceding: Preceding
    seller: Values
    buyer: Values
    vat: tuple[tuple[Vat, Decimal], ...]
    untold: str | None = None


# The last of corrected invoices is the one that counts: facts.fct_invoice_lines says which that is.
_BILLED = """
select
    l.source_name, l.document_id, l.month_date, l.invoice_number, l.issue_date,
    array_remove(array_agg(distinct l.contract_id), null) as contract_ids, d.content,
    x.document_id is not null as is_bill
from facts.fct_invoice_lines l
left join lateral (
    select content from raw_einvoice.documents d
    where d._source_name = l.source_name and d.document_id = l.document_id order by d._batch_id desc limit 1
) d on true
left join intermediate.int_bills x on x.source_name = l.source_name and x.document_id = l.document_id
where l.is_counted and l.vendor_id = %(vendor_id)s and l.currency = %(currency)s
    and l.month_date = any(%(months)s)
group by 1, 2, 3, 4, 5, 7, 8
order by l.month_date, l.issue_date, l.invoice_number, l.source_name, l.document_id
"""

# A later version of a bill brings all its lines anew, as in facts.fct_invoice_lines.
_BILL_VAT = """
select l.tax_type, count(*) as line_count,
    sum(l.line_amount - case when b.is_tax_inclusive then coalesce(l.tax_amount, 0) else 0 end) as net_amount,
    sum(coalesce(l.tax_amount, 0)) as tax_amount
from intermediate.int_bills b
join intermediate.int_bill_lines l on l.source_name = b.source_name and l.document_id = b.document_id
    and l.document_version = b.document_version
where b.source_name = %s and b.document_id = %s
group by 1 order by 1
"""


def billed_invoices(
    connection: psycopg.Connection, vendor_id: str, months: Sequence[date], currency: str
) -> list[Billed]:
    """The vendor's counted invoices of some months, by month, date and number."""
    found: list[Billed] = []
    rows = connection.execute(
        _BILLED, {"vendor_id": vendor_id, "months": list(months), "currency": currency}
    ).fetchall()
    for source, document_id, month, number, issued, contract_ids, content, is_bill in rows:
        if not number or issued is None or fit(number) != number:
            raise CreditNoteError(
                f"an invoice of {vendor_id} for {month:%Y-%m} from {source} has no number or date that a "
                f"credit note could name ({number!r}, {issued}); correct it in {source}."
            )
        contracts = frozenset(contract_ids)
        preceding = Preceding(number, issued)
        one = Billed(source, month, contracts, preceding, {}, {}, ())
        if content is not None:
            one = _of_document(one, content)
        elif is_bill:
            one = _of_bill(one, connection.execute(_BILL_VAT, (source, document_id)).fetchall())
        else:
            one = replace(
                one, untold=f"its document was not kept by an earlier release; run `avoir load {source}` once"
            )
        found.append(one)
    return found


def _of_document(billed: Billed, content: str) -> Billed:
    try:
        taxed = parties_and_vat(content.encode())
    except UnusableInvoiceError as error:
        raise CreditNoteError(
            f"invoice {billed.preceding.number} of {billed.source_name}: {error.reason}"
        ) from error
    rows = [row for row in taxed.vat if row.category and row.basis is not None]
    vat = tuple(
        (_vat(row.category, row.rate_pct or Decimal(0), row.reason, row.reason_code), row.basis)
        for row in rows
        if row.basis is not None
    )
    untold = None if vat else "it has no VAT breakdown (profile MINIMUM)"
    return replace(billed, seller=taxed.seller, buyer=taxed.buyer, vat=vat, untold=untold)


def _vat(category: str, rate: Decimal, reason: str | None, code: str | None) -> Vat:
    is_out = category == OUT_OF_SCOPE
    return Vat(category, None if is_out else rate, fit(reason) if reason else None, code)


def _of_bill(billed: Billed, rows: Sequence[tuple[Any, ...]]) -> Billed:
    vat = []
    for tax_type, line_count, net, tax in rows:
        if not net and not tax:
            continue
        rate = rate_of(net, tax, line_count)
        category = "S" if rate else _UNTAXED.get(tax_type.upper())
        if rate is None or category is None:
            told = f"net {net} with tax {tax} of type {tax_type!r} tells no VAT rate and category"
            return replace(billed, untold=told)
        vat.append((Vat(category, rate, _EXEMPT if category == "E" else None), net))
    return replace(billed, vat=tuple(vat), untold=None if vat else "it has no line")


_EXEMPT = "Exempt"
#: Tax types of Xero that bear no tax, as EN 16931 categories; what says nothing of VAT is not among them.
_UNTAXED = {
    "EXEMPTINPUT": "E",
    "EXEMPTEXPENSES": "E",
    "ZERORATEDINPUT": "Z",
    "ZERORATED": "Z",
}


def rate_of(net: Decimal, tax: Decimal, line_count: int) -> Decimal | None:
    """The plainest rate in percent (of 0, 1 or 2 decimals) that gives the tax, half a cent off on each line.

    None when no such rate does, or there is no net amount.
    """
    if not net:
        return None
    for digits in range(3):
        rate = (100 * tax / net).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
        if rate >= 0 and abs(net * rate / 100 - tax) <= Decimal("0.005") * line_count:
            return rate
    return None


def invoices_of(billed: Sequence[Billed], month: date, contract_id: str) -> list[Billed]:
    """Invoices of a month that bill a contract; where none names it, all of the vendor's of that month."""
    of_month = [one for one in billed if one.month_date == month]
    return [one for one in of_month if contract_id in one.contract_ids] or of_month


def vat_shares(vendor_id: str, month: date, invoices: Sequence[Billed]) -> list[tuple[Vat, Decimal]]:
    """VAT categories and rates of a month's invoices with the net amount of each, by category and rate.

    Raises:
        CreditNoteError: an invoice does not tell its VAT, or nothing net is left to go by.
    """
    where = f"no rate of VAT for {vendor_id} in {month:%Y-%m}"
    if not invoices:
        raise CreditNoteError(
            f"{where}: no invoice of that month has landed. Load it, or settle by deduction in the contract."
        )
    for one in invoices:
        if one.untold:
            raise CreditNoteError(
                f"{where}: invoice {one.preceding.number} of {one.source_name}: {one.untold}."
            )
    sums: dict[tuple[str, Decimal], Decimal] = {}
    vats: dict[tuple[str, Decimal], Vat] = {}
    for one in invoices:
        for vat, basis in one.vat:
            known = vats.setdefault(vat.key, vat)
            if known.reason is None and known.reason_code is None:
                vats[vat.key] = vat
            sums[vat.key] = sums.get(vat.key, Decimal(0)) + basis
    shares = [(vats[key], basis) for key, basis in sorted(sums.items()) if basis > 0]
    if not shares:
        raise CreditNoteError(f"{where}: its invoices add up to nothing that was taxed.")
    if len(shares) > 1 and any(vat.category == OUT_OF_SCOPE for vat, _ in shares):
        raise CreditNoteError(
            f"{where}: its invoices mix category O with others, which no document may (BR-O-11)."
        )
    return shares


_SCHEMES = {"party_id": "party_scheme", "legal_id": "legal_scheme", "endpoint": "endpoint_scheme"}


def parties_of(
    vendor_id: str, invoices: Sequence[Billed], stated: Mapping[str, Values]
) -> tuple[Party, Party]:
    """Seller and buyer as the latest of some invoices says; ``stated`` completes what it leaves out.

    Raises:
        CreditNoteError: the invoices are of two sellers or to two buyers, or name or country is missing.
    """
    parties: list[Party] = []
    for role in ("seller", "buyer"):
        values: list[Values] = [getattr(one, role) for one in invoices if getattr(one, role)]
        named = sorted({vat_id for value in values if (vat_id := value.get("vat_id"))})
        if len(named) > 1:
            raise CreditNoteError(
                f"the invoices of {vendor_id} name several {role}s ({', '.join(named)}), and a note has one; "
                "give each legal entity a vendor and contract of its own."
            )
        merged: Values = dict(stated.get(role, {}))
        if values:
            said = {key: value for key, value in values[-1].items() if value}
            # An identifier and its scheme come from one place.
            for identifier, scheme in _SCHEMES.items():
                if identifier in said:
                    merged.pop(scheme, None)
            merged |= said
        missing = [key for key in ("name", "country") if not merged.get(key)]
        if missing:
            shown = (f" ({one.preceding.number}: {one.untold})" for one in invoices if one.untold)
            untold = "".join(shown)
            group = "BG-4" if role == "seller" else "BG-7"
            raise CreditNoteError(
                f"the invoices of {vendor_id}{untold} do not say the {role}'s {' and '.join(missing)}, which "
                f"a credit note must ({group}); state them with --parties FILE."
            )
        parties.append(_party(vendor_id if role == "seller" else None, merged))
    return parties[0], parties[1]


def _party(own_id: str | None, values: Values) -> Party:
    texts = {key: fit(value, 500) for key, value in values.items() if value and fit(value, 500)}
    # A scheme without what it identifies, or an endpoint without its scheme (BR-62, BR-63), says nothing.
    if "endpoint_scheme" not in texts:
        texts.pop("endpoint", None)
    for identifier, scheme in _SCHEMES.items():
        if identifier not in texts:
            texts.pop(scheme, None)
    if own_id and not {"party_id", "legal_id"} & texts.keys():
        # BT-29 is often what the buyer calls the seller; BR-CO-26 wants one identifier.
        texts["party_id"] = own_id
    return Party(**texts)


def read_parties(path: Path) -> dict[str, Values]:
    """What a file states of the parties: YAML with ``seller`` and ``buyer``, keys as in :class:`Party`.

    Raises:
        CreditNoteError: the file cannot be read, or states something unknown.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - most issues need no file
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        content = YAML(typ="safe").load(path)
    except (OSError, YAMLError, UnicodeDecodeError) as error:
        raise CreditNoteError(f"{path}: cannot be read: {error}") from error
    known = Party.columns()
    if not isinstance(content, dict) or set(content) - {"seller", "buyer"}:
        raise CreditNoteError(f"{path}: must hold seller and buyer, and nothing else.")
    stated: dict[str, Values] = {}
    for role, values in content.items():
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise CreditNoteError(f"{path}: {role} must be texts by name; quote numbers.")
        if unknown := sorted(set(values) - set(known)):
            raise CreditNoteError(f"{path}: {role} has no {unknown[0]!r}; it knows {', '.join(known)}.")
        stated[role] = dict(values)
    return stated
