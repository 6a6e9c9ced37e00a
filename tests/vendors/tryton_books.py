"""What happens in a Tryton, done through its own models; run by the interpreter that Debian's Tryton is for.

    /usr/bin/python3 tryton_books.py CONFIG DATABASE < what.json

Reads a JSON object: ``setup`` (the reader's login and password, products, sellers) and ``documents``, each an
invoice, a credit note (``is_credit``), the refund of a posted one (``refunds``) or a cancellation
(``cancels``). Writes the ids of the documents.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from decimal import Decimal
from typing import Any

from trytond.config import config as settings

# How passwords are hashed is read when the rest of it is imported.
settings.update_etc(sys.argv[1])

from proteus import Model, Wizard, config  # noqa: E402
from stdnum.eu import vat  # noqa: E402
from trytond.modules.account.tests.tools import (  # noqa: E402
    create_chart,
    create_fiscalyear,
    create_tax,
    get_accounts,
)
from trytond.modules.account_invoice.tests.tools import set_fiscalyear_invoice_sequences  # noqa: E402
from trytond.modules.company.tests.tools import create_company, get_company  # noqa: E402
from trytond.modules.currency.tests.tools import get_currency  # noqa: E402

#: What the reading account needs, and all that it may.
READ = (
    "account.invoice", "account.invoice.line", "account.invoice.tax", "account.account", "account.tax",
    "party.party", "party.identifier", "product.product", "product.template", "product.uom",
    "currency.currency", "company.company",
)  # fmt: skip


def set_up(given: dict[str, Any]) -> None:
    """A company with a chart, a year, a tax of 20 %, products, sellers, and accounts that may read."""
    create_company(currency=get_currency("EUR"))
    company = get_company()
    create_chart(company)
    for year in given["years"]:
        fiscal_year = create_fiscalyear(company, date(year, 6, 1))
        set_fiscalyear_invoice_sequences(fiscal_year).click("create_period")
    accounts = get_accounts(company)
    tax = create_tax(Decimal("0.20"), company)
    tax.name = "VAT 20 %"
    tax.save()
    category = Model.get("product.category")(name="Services", accounting=True)
    category.account_expense = accounts["expense"]
    category.supplier_taxes.append(tax)
    category.save()
    (unit,) = Model.get("product.uom").find([("symbol", "=", "h")])
    for code in given["products"]:
        template = Model.get("product.template")(name=code, type="service", default_uom=unit)
        template.account_category = category
        template.list_price = Decimal(1)
        (product,) = template.products
        product.cost_price = Decimal(1)
        product.suffix_code = code
        template.save()
    for name, vat_id in given["sellers"].items():
        party = Model.get("party.party")(name=name)
        # Tryton holds a number to its check digits; an invented one is of no kind that it knows.
        party.identifiers.new(type="eu_vat" if vat.is_valid(vat_id) else None, code=vat_id)
        party.save()
    readers = Model.get("res.group")(name="Readers of invoices")
    readers.save()
    for name in READ:
        (model,) = Model.get("ir.model").find([("model", "=", name)])
        access = Model.get("ir.model.access")(model=model, group=readers, perm_read=True)
        access.perm_write = access.perm_create = access.perm_delete = False
        access.save()
    for login, has_rights, sees_company in (("avoir", 1, 1), ("rightless", 0, 1), ("homeless", 1, 0)):
        user = Model.get("res.user")(login=login, name=login, password=given["password"])
        if has_rights:
            user.groups.append(Model.get("res.group")(readers.id))
        if not sees_company:
            user.company = None
            del user.companies[:]
        user.save()


def book(given: dict[str, Any]) -> int:
    """Enter one document and post it, or cancel one; its id."""
    invoices = Model.get("account.invoice")
    if "cancels" in given:
        (invoice,) = invoices.find([("type", "=", "in"), ("reference", "=", given["cancels"])])
        invoice.click("cancel")
        return int(invoice.id)
    if "refunds" in given:
        (invoice,) = invoices.find([("type", "=", "in"), ("reference", "=", given["refunds"])])
        credit = Wizard("account.invoice.credit", [invoice])
        credit.form.with_refund = True
        credit.form.invoice_date = date.fromisoformat(given["dated"])
        credit.execute("credit")
        return int(invoice.id)
    (party,) = Model.get("party.party").find([("name", "=", given["seller"])])
    invoice = invoices(type="in", party=party, reference=given["reference"])
    invoice.invoice_date = date.fromisoformat(given["dated"])
    if given.get("accounted"):
        invoice.accounting_date = date.fromisoformat(given["accounted"])
    sign = -1 if given.get("is_credit") else 1
    for one in given["lines"]:
        line = invoice.lines.new()
        if one["product"]:
            (line.product,) = Model.get("product.product").find([("code", "=", one["product"])])
        else:
            line.account = get_accounts(get_company())["expense"]
            (tax,) = Model.get("account.tax").find([("name", "=", "VAT 20 %")])
            line.taxes.append(tax)
        line.description = one["description"]
        line.quantity = sign * float(one["quantity"])
        line.unit_price = Decimal(one["price"])
    invoice.save()
    if given.get("posted", True):
        invoice.click("post")
    return int(invoice.id)


def main() -> None:
    """Do what stands on the standard input."""
    path, database = sys.argv[1:]
    config.set_trytond(f"sqlite:///{database}", config_file=path)
    told = json.load(sys.stdin)
    if "setup" in told:
        set_up(told["setup"])
    else:
        current = config.get_config()
        current._context = Model.get("res.user").get_preferences(True, {})
    json.dump([book(one) for one in told["documents"]], sys.stdout)


if __name__ == "__main__":
    main()
