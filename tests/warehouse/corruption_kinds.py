"""The kinds of corruption, where each is planted, and the verdict that it must lead to."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from avoir.demo.server import Reply
from tests.warehouse.corruption_world import Kind, Samples, Tables, is_of_june, json_reply

Row = dict[str, str]

STALE = "has landed only up to 2026-06-08 04:00Z"
JUNE_MS = 1_780_272_000_000
"""1 June 2026 in UTC."""


def quarantined(count: int | str, code: str) -> str:
    return rf"{count} records? (is|are) in quarantine, .*: {count} {code}"


# ServiceNow


def june(tables: Tables, table: str = "incident") -> list[Row]:
    """The records of the middle of June."""
    column = "opened_at" if table == "incident" else "sys_created_on"
    return [row for row in tables[table] if "2026-06-10" <= row[column] < "2026-06-26"]


def on_one(change: Callable[[Row], None], table: str = "incident") -> Callable[[Tables], None]:
    return lambda tables: change(june(tables, table)[0])


def put(column: str, value: str, table: str = "incident") -> Callable[[Tables], None]:
    return on_one(lambda row: row.update({column: value}), table)


def resolved_first(row: Row) -> None:
    row["resolved_at"] = "2026-06-01 00:00:00"


def swapped(row: Row) -> None:
    row["opened_at"], row["resolved_at"] = row["resolved_at"], row["opened_at"]


def late_opening(row: Row) -> None:
    row["opened_at"] = row["sys_updated_on"]
    row["resolved_at"] = row["closed_at"] = ""


def rename_all(tables: Tables) -> None:
    for row in june(tables):
        row["business_service"] = "user support"


def drop_most(tables: Tables) -> None:
    kept = [
        row for row in tables["incident"] if row["opened_at"] < "2026-06-09" or row["opened_at"] > "2026-07"
    ]
    keys = {row["sys_id"] for row in kept} | {row["sys_id"] for row in tables["rm_release"]}
    tables["incident"] = kept
    tables["sys_audit"] = [row for row in tables["sys_audit"] if row["documentkey"] in keys]
    tables["sys_journal_field"] = [row for row in tables["sys_journal_field"] if row["element_id"] in keys]


def multiply(tables: Tables) -> None:
    tables["incident"] += [
        {**row, "sys_id": f"{row['sys_id'][:-1]}{copy}"} for row in june(tables) for copy in "ghijklmnopqr"
    ]


def empty(table: str) -> Callable[[Tables], None]:
    return lambda tables: tables.update({table: []})


def orphan(tables: Tables) -> None:
    lost = june(tables)[0]["sys_id"]
    tables["incident"] = [row for row in tables["incident"] if row["sys_id"] != lost]


def keyless_change(tables: Tables) -> None:
    for row in tables["sys_audit"]:
        if "2026-06-10" <= row["sys_created_on"] < "2026-06-20" and row["fieldname"] == "state":
            row["documentkey"] = ""


def misname_releases(tables: Tables) -> None:
    for row in tables["rm_release"]:
        if "2026-06-10" <= row["end_date"] < "2026-07":
            row |= {"business_service": "aplications", "sys_updated_on": "2026-06-20 09:00:00"}
    tables["rm_release"].sort(key=lambda row: (row["sys_updated_on"], row["sys_id"]))


def backward_outage(tables: Tables) -> None:
    tables["cmdb_ci_outage"].append(
        {**tables["cmdb_ci_outage"][0], "sys_id": "f" * 32, "begin": "2026-06-10 10:00:00",
         "end": "2026-06-10 09:00:00", "sys_created_on": "2026-06-12 09:00:00",
         "sys_updated_on": "2026-06-12 09:00:00"}
    )  # fmt: skip


def cut(reply: Reply) -> Reply:
    return dataclasses.replace(reply, body=reply.body[: len(reply.body) // 2])


def page(reply: Reply) -> Reply:
    return Reply(200, b"<html><body>Please sign in</body></html>", reply.headers)


def in_result(change: Callable[[list[Row]], object]) -> Callable[[Reply], Reply]:
    return lambda reply: json_reply(reply, lambda body: {**body, "result": change(body["result"])})


def announced(total: Callable[[int], str | None]) -> Callable[[Reply], Reply]:
    def change(reply: Reply) -> Reply:
        headers = {name: value for name, value in reply.headers.items() if name != "X-Total-Count"}
        told = total(int(reply.headers["X-Total-Count"]))
        return Reply(reply.status, reply.body, headers if told is None else headers | {"X-Total-Count": told})

    return change


def renamed(column: str, other: str) -> Callable[[Reply], Reply]:
    return lambda reply: dataclasses.replace(
        reply, body=reply.body.replace(f'"{column}"'.encode(), f'"{other}"'.encode())
    )


def recoded(coding: str) -> Callable[[Reply], Reply]:
    return lambda reply: dataclasses.replace(
        json_reply(reply, lambda body: body), body=reply.body.decode().encode(coding, "replace")
    )


def described(text: bytes) -> Callable[[Reply], Reply]:
    """The answer with some bytes at the head of its first description."""
    return lambda reply: dataclasses.replace(
        reply, body=re.sub(rb'("short_description": ?")', lambda found: found[1] + text, reply.body, count=1)
    )


REFUSED = r"refused: "

TICKETS = [
    Kind(
        "an empty body with status 200",
        "answer of the Table API",
        "tickets",
        "held",
        STALE,
        REFUSED,
        wire=lambda reply: Reply(200, b"", reply.headers),
    ),
    Kind("an answer that is cut off", "answer of the Table API", "tickets", "held", STALE, REFUSED, wire=cut),
    Kind(
        "a page to sign in at, with status 200",
        "answer of the Table API",
        "tickets",
        "held",
        STALE,
        REFUSED,
        wire=page,
    ),
    Kind(
        "a list that is an object",
        "answer of the Table API",
        "tickets",
        "held",
        STALE,
        REFUSED,
        wire=lambda reply: json_reply(reply, lambda body: {"result": {"records": body["result"]}}),
    ),
    Kind(
        "no records, and a total of none",
        "answer of the Table API",
        "tickets",
        "held",
        r"changes in 2026-06 are of tickets that never came.*tickets: 0 tickets in 2026-06, \d+ were usual|"
        r"tickets in 2026-06, \d+ were usual",
        wire=lambda reply: Reply(200, b'{"result": []}', {"X-Total-Count": "0"}),
    ),
    Kind(
        "a total above what is given",
        "header of the Table API",
        "tickets",
        "held",
        STALE,
        REFUSED,
        wire=announced(lambda total: str(total + 3)),
    ),
    Kind(
        "no total",
        "header of the Table API",
        "tickets",
        "held",
        STALE,
        REFUSED,
        wire=announced(lambda _: None),
    ),
    Kind(
        "a page that comes twice",
        "answer of the Table API",
        "tickets",
        "held",
        STALE,
        REFUSED,
        wire=lambda reply: announced(lambda total: str(2 * total))(
            in_result(lambda rows: rows + rows)(reply)
        ),
    ),
    Kind(
        "a field that was renamed",
        "answer of the Table API",
        "tickets",
        "held",
        r"records are in quarantine, .*missing_field",
        "missing_field",
        wire=renamed("opened_at", "openedAt"),
    ),
    Kind(
        "a field too many",
        "answer of the Table API",
        "tickets",
        "published",
        "both borders held",
        wire=in_result(lambda rows: [{**row, "u_new": "1"} for row in rows]),
    ),
    Kind(
        "an answer in UTF-16 with its mark",
        "answer of the Table API",
        "tickets",
        "published",
        "both borders held",
        wire=recoded("utf-16"),
    ),
    Kind(
        "Latin-1 where UTF-8 was said",
        "answer of the Table API",
        "tickets",
        "held",
        STALE,
        REFUSED,
        wire=described(b"\xe9t\xe9 "),
    ),
    Kind(
        "a server error that stays",
        "status of the Table API",
        "tickets",
        "held",
        STALE,
        REFUSED,
        wire=lambda _: Reply(500, b"{}"),
    ),
    Kind(
        "credentials that ran out",
        "status of the Table API",
        "tickets",
        "held",
        STALE,
        REFUSED,
        wire=lambda _: Reply(401, b"{}"),
    ),
    Kind(
        "a redirect to another host",
        "status of the Table API",
        "tickets",
        "held",
        STALE,
        REFUSED,
        wire=lambda _: Reply(302, b"", {"Location": "http://elsewhere.invalid/"}),
    ),
    Kind(
        "a record outside of what was asked for",
        "answer of the Table API",
        "tickets",
        "held",
        STALE,
        REFUSED,
        wire=in_result(lambda rows: [{**row, "sys_updated_on": "2031-01-01 00:00:00"} for row in rows]),
    ),
    Kind(
        "a null key",
        "record of a ticket",
        "tickets",
        "held",
        quarantined(1, "missing_key"),
        "missing_key",
        rows=put("sys_id", ""),
    ),
    Kind(
        "a ticket without its opening",
        "record of a ticket",
        "tickets",
        "held",
        quarantined(1, "missing_instant"),
        "missing_instant",
        rows=put("opened_at", ""),
    ),
    Kind(
        "a date day first",
        "record of a ticket",
        "tickets",
        "held",
        quarantined(1, "bad_instant"),
        "bad_instant",
        rows=put("opened_at", "12/06/2026 09:00"),
    ),
    Kind(
        "a date of 1970",
        "record of a ticket",
        "tickets",
        "held",
        "1 records of .* instants follow one another",
        rows=put("opened_at", "1970-01-01 00:00:00"),
    ),
    Kind(
        "an instant in the future",
        "record of a ticket",
        "tickets",
        "held",
        "1 records of .* instants follow one another",
        rows=put("opened_at", "2027-06-12 09:00:00"),
    ),
    Kind(
        "a ticket resolved before it was opened",
        "record of a ticket",
        "tickets",
        "held",
        "1 records of .* instants follow one another",
        rows=on_one(resolved_first),
    ),
    Kind(
        "two columns swapped",
        "record of a ticket",
        "tickets",
        "held",
        "1 records of .* instants follow one another",
        rows=on_one(swapped),
    ),
    Kind(
        "a clock that is late: opened after its changes",
        "record of a ticket",
        "tickets",
        "held",
        "changes in 2026-06 are from before their ticket was opened",
        rows=on_one(late_opening),
    ),
    Kind(
        "an unknown state",
        "record of a ticket",
        "tickets",
        "held",
        "1 records of .* of state",
        rows=put("state", "42"),
    ),
    Kind(
        "an unknown priority",
        "record of a ticket",
        "tickets",
        "held",
        "1 records of .* of priority",
        rows=put("priority", "P1"),
    ),
    Kind(
        "a NUL character",
        "record of a ticket",
        "tickets",
        "held",
        quarantined(1, "nul_character"),
        "nul_character",
        rows=put("short_description", "a\x00b"),
    ),
    Kind(
        "half a surrogate pair",
        "record of a ticket",
        "tickets",
        "held",
        quarantined(1, "not_utf8"),
        "not_utf8",
        wire=described(rb"\ud800"),
    ),
    Kind(
        "a service nobody knows",
        "record of a ticket",
        "tickets",
        "held",
        "1 tickets in 2026-06 are of a service that no contract names, such as 'user-suport'",
        rows=put("business_service", "user-suport"),
    ),
    Kind(
        "a service renamed for all",
        "records of tickets",
        "tickets",
        "held",
        r"tickets in 2026-06 are of a service that no contract names",
        rows=rename_all,
    ),
    Kind(
        "most tickets gone",
        "records of tickets",
        "tickets",
        "held",
        r"tickets: \d+ tickets in 2026-06, \d+ were",
        rows=drop_most,
    ),
    Kind(
        "each ticket many times, under new keys",
        "records of tickets",
        "tickets",
        "held",
        r"tickets: \d+ tickets in 2026-06, \d+ were usual",
        rows=multiply,
    ),
    Kind(
        "changes of a ticket that never came",
        "records of changes",
        "tickets",
        "held",
        "changes in 2026-06 are of tickets that never came",
        rows=orphan,
    ),
    Kind(
        "changes without their ticket's key",
        "records of changes",
        "tickets",
        "held",
        "changes in 2026-06 are of tickets that never came",
        rows=keyless_change,
    ),
    Kind(
        "no changes at all",
        "records of changes",
        "tickets",
        "held",
        r"changes of tickets in 2026-06, \d+ were usual",
        rows=empty("sys_audit"),
    ),
    Kind(
        "no comments at all",
        "records of comments",
        "tickets",
        "held",
        r"comments on tickets in 2026-06, \d+ were usual",
        rows=empty("sys_journal_field"),
    ),
    Kind(
        "a change at no instant",
        "record of a change",
        "tickets",
        "held",
        quarantined(1, "missing_instant"),
        "missing_instant",
        table="sys_audit",
        wire=in_result(lambda rows: [{**rows[0], "sys_created_on": ""}, *rows[1:]]),
    ),
    Kind(
        "a release of a service nobody knows",
        "record of a release",
        "tickets",
        "held",
        "releases in 2026-0[67] are of a service that no contract names",
        rows=misname_releases,
    ),
    Kind(
        "a release due on no date",
        "record of a release",
        "tickets",
        "held",
        "quarantine.*bad_instant",
        "bad_instant",
        table="rm_release",
        wire=in_result(lambda rows: [{**rows[0], "end_date": "end of June"}, *rows[1:]]),
    ),
    Kind(
        "an outage that ends before it begins",
        "record of an outage",
        "tickets",
        "held",
        "it ends after it began",
        rows=backward_outage,
    ),
    Kind("nothing wrong", "nowhere", "tickets", "published", "both borders held"),
]


# Prometheus


def one(change: Callable[[int, str], tuple[int, str]]) -> Callable[[Samples], Samples]:
    """The samples with the first one after 12 June changed."""

    def changed(samples: Samples) -> Samples:
        index = next(n for n, (at, _) in enumerate(samples) if at >= JUNE_MS + 12 * 86_400_000)
        return [*samples[:index], change(*samples[index]), *samples[index + 1 :]]

    return changed


def twice(value: str | None) -> Callable[[Samples], Samples]:
    def doubled(samples: Samples) -> Samples:
        index = next(n for n, (at, _) in enumerate(samples) if at >= JUNE_MS + 12 * 86_400_000)
        at, told = samples[index]
        return [*samples[: index + 1], (at, told if value is None else value), *samples[index + 1 :]]

    return doubled


def in_june(keep: Callable[[int, int], bool]) -> Callable[[Samples], Samples]:
    """Samples of which those after 9 June are kept by number and days since."""
    start = JUNE_MS + 8 * 86_400_000
    return lambda samples: [
        (at, value)
        for n, (at, value) in enumerate(samples)
        if at < start or keep(n, (at - start) // 86_400_000)
    ]


def body_of(change: Callable[[dict[str, object]], object]) -> Callable[[Reply], Reply]:
    return lambda reply: json_reply(reply, change)


def two_series(body: dict) -> dict:  # type: ignore[type-arg]
    return {**body, "data": {**body["data"], "result": body["data"]["result"] * 2}}


PROBES = [
    Kind(
        "no samples",
        "answer of Prometheus",
        "probes",
        "held",
        STALE,
        REFUSED,
        wire=lambda _: Reply(200, b'{"status":"success","data":{"resultType":"matrix","result":[]}}'),
    ),
    Kind(
        "an error with status 200",
        "answer of Prometheus",
        "probes",
        "held",
        STALE,
        REFUSED,
        wire=lambda _: Reply(200, b'{"status":"error","error":"out of memory"}'),
    ),
    Kind(
        "an answer in part, with a warning",
        "answer of Prometheus",
        "probes",
        "held",
        STALE,
        REFUSED,
        wire=body_of(lambda body: {**body, "warnings": ["a store is away"]}),
    ),
    Kind("samples that are cut off", "answer of Prometheus", "probes", "held", STALE, REFUSED, wire=cut),
    Kind("a page of a proxy", "answer of Prometheus", "probes", "held", STALE, REFUSED, wire=page),
    Kind(
        "a label that was renamed",
        "answer of Prometheus",
        "probes",
        "held",
        STALE,
        REFUSED,
        wire=renamed("job", "service"),
    ),
    Kind(
        "two series of one monitor",
        "answer of Prometheus",
        "probes",
        "held",
        STALE,
        REFUSED,
        wire=body_of(two_series),
    ),  # type: ignore[arg-type]
    Kind(
        "stamps in milliseconds",
        "answer of Prometheus",
        "probes",
        "held",
        STALE,
        REFUSED,
        wire=lambda reply: dataclasses.replace(
            reply, body=re.sub(rb"\[(\d+)\.(\d{3}),", rb"[\1\2.0,", reply.body)
        ),
    ),
    Kind(
        "a sample that is no number",
        "sample",
        "probes",
        "held",
        quarantined(1, "value_not_finite"),
        "value_not_finite",
        samples=one(lambda at, _: (at, "NaN")),
    ),
    Kind(
        "an infinite sample",
        "sample",
        "probes",
        "held",
        quarantined(1, "value_not_finite"),
        "value_not_finite",
        samples=one(lambda at, _: (at, "+Inf")),
    ),
    Kind(
        "a sample with a decimal comma",
        "sample",
        "probes",
        "held",
        quarantined(1, "malformed_sample"),
        "malformed_sample",
        samples=one(lambda at, _: (at, "0,5")),
    ),
    Kind(
        "a sample of two",
        "sample",
        "probes",
        "held",
        "1 records of .* of value",
        samples=one(lambda at, _: (at, "2")),
    ),
    Kind(
        "half a sample",
        "sample",
        "probes",
        "held",
        "1 records of .* of value",
        samples=one(lambda at, _: (at, "0.5")),
    ),
    Kind(
        "another metric under the name",
        "samples",
        "probes",
        "held",
        r"\d+ records of .* of value",
        samples=lambda samples: [
            (at, "0.231" if at > JUNE_MS + 9 * 86_400_000 else value) for at, value in samples
        ],
    ),
    Kind("a sample twice", "sample", "probes", "published", "both borders held", samples=twice(None)),
    Kind(
        "two values at one instant",
        "sample",
        "probes",
        "held",
        quarantined(1, "conflicting_sample"),
        "conflicting_sample",
        samples=twice("0.0"),
    ),
    Kind(
        "six days without a probe",
        "samples",
        "probes",
        "held",
        r"probes cover \d+\.\d % of 2026-06, at least 90 % are asked",
        samples=in_june(lambda _, day: not 3 <= day < 9),
    ),
    Kind(
        "every other probe lost",
        "samples",
        "probes",
        "held",
        "probes cover .* % of 2026-06",
        samples=in_june(lambda n, _: n % 2 == 0),
    ),
    Kind(
        "most probes lost",
        "samples",
        "probes",
        "held",
        r"probes: \d+ probes in 2026-06, \d+ were usual",
        samples=in_june(lambda n, _: n % 40 == 0),
    ),
    Kind(
        "ten probes for one",
        "samples",
        "probes",
        "held",
        r"probes: \d+ probes in 2026-06, \d+ were usual",
        samples=lambda samples: [
            (at + shift * 60_000, value)
            for at, value in samples
            for shift in (range(10) if at > JUNE_MS + 9 * 86_400_000 else (0,))
        ],
    ),
    Kind("nothing wrong", "nowhere", "probes", "published", "both borders held"),
]


# Invoices


def text_of(change: Callable[[str], str]) -> Callable[[Path, Path], None]:
    """The invoice of June as other text, in its place and at its time."""
    return bytes_of(lambda content: change(content.decode()).encode())


def bytes_of(change: Callable[[bytes], bytes]) -> Callable[[Path, Path], None]:
    def plant(_: Path, path: Path) -> None:
        content = path.read_bytes()
        changed = change(content)
        assert changed != content, "nothing was changed"
        rewritten(path, changed)

    return plant


def rewritten(path: Path, content: bytes, *, name: str | None = None) -> None:
    """Written anew, not over: folders share their files."""
    told = path.with_name(name or path.name)
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    shutil.copystat(path, beside)
    beside.replace(told)


def beside(change: Callable[[str], str]) -> Callable[[Path, Path], None]:
    """One more file beside the invoice of June."""
    return lambda _, path: rewritten(path, change(path.read_text()).encode(), name=f"again-{path.name}")


def replaced(pattern: str, by: str, count: int = 1) -> Callable[[str], str]:
    def change(text: str) -> str:
        changed, times = re.subn(pattern, by, text, count=count)
        assert times, pattern
        return changed

    return change


def negative(text: str) -> str:
    return re.sub(r'(currencyID="EUR">)(\d)', r"\1-\2", text)


def as_credit_note_lost(text: str) -> str:
    return re.sub(r"<cbc:ID>(B[^<]*)</cbc:ID>", r"<cbc:ID>\1-A</cbc:ID>", text, count=1)


def dated(text: str, what: str, day: str) -> str:
    return re.sub(rf"<cbc:{what}>[^<]*<", f"<cbc:{what}>{day}<", text)


BOMB = '<!DOCTYPE any [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
GONE = r"0 invoice lines in 2026-06, \d+ were usual"

INVOICES = [
    Kind(
        "an invoice that is cut off",
        "file",
        "invoices",
        "held",
        quarantined(1, "not_well_formed"),
        "not_well_formed",
        files=bytes_of(lambda content: content[: len(content) // 2]),
    ),
    Kind(
        "an empty file",
        "file",
        "invoices",
        "held",
        quarantined(1, "not_well_formed"),
        "not_well_formed",
        files=bytes_of(lambda _: b""),
    ),
    Kind(
        "an entity bomb",
        "file",
        "invoices",
        "held",
        quarantined(1, "dtd_refused"),
        "dtd_refused",
        files=text_of(lambda text: text.replace("?>", f"?>{BOMB}", 1)),
    ),
    Kind(
        "a page that was not found",
        "file",
        "invoices",
        "held",
        "quarantine",
        "unsupported_syntax|not_well_formed",
        files=bytes_of(lambda _: b"<html><body>Not found</body></html>"),
    ),
    Kind(
        "Latin-1 that says it is UTF-8",
        "file",
        "invoices",
        "held",
        quarantined(1, "not_well_formed"),
        "not_well_formed",
        files=text_of(lambda text: text)
        if False
        else bytes_of(lambda content: content.replace(b"Managed hosting", b"H\xe9bergement", 1)),
    ),
    Kind(
        "a total that is wrong",
        "file",
        "invoices",
        "held",
        quarantined(1, "totals_disagree"),
        "totals_disagree",
        files=text_of(replaced(r'(TaxExclusiveAmount currencyID="EUR">)', r"\g<1>9")),
    ),
    Kind(
        "a decimal comma",
        "file",
        "invoices",
        "held",
        quarantined(1, "bad_term"),
        "bad_term",
        files=text_of(replaced(r'(LineExtensionAmount currencyID="EUR">\d+)\.', r"\1,")),
    ),
    Kind(
        "thousands apart",
        "file",
        "invoices",
        "held",
        quarantined(1, "bad_term"),
        "bad_term",
        files=text_of(replaced(r'(LineExtensionAmount currencyID="EUR">\d+)(\d{3}\.)', r"\1 \2")),
    ),
    Kind(
        "no currency",
        "file",
        "invoices",
        "held",
        quarantined(1, "missing_term"),
        "missing_term",
        files=text_of(replaced(r"(DocumentCurrencyCode>)EUR", r"\1")),
    ),
    Kind(
        "one amount in another currency",
        "file",
        "invoices",
        "held",
        quarantined(1, "mixed_currencies"),
        "mixed_currencies",
        files=text_of(replaced(r'(LineExtensionAmount currencyID=")EUR', r"\1USD")),
    ),
    Kind(
        "another currency for all",
        "file",
        "invoices",
        "held",
        r"invoice lines are in USD.* only billed in EUR before",
        files=text_of(lambda text: text.replace("EUR", "USD")),
    ),
    Kind(
        "a day as a month",
        "file",
        "invoices",
        "held",
        quarantined(1, "bad_term"),
        "bad_term",
        files=text_of(replaced(r"(StartDate>2026)-06-01", r"\1-31-06")),
    ),
    Kind(
        "an invoice of the future",
        "file",
        "invoices",
        "held",
        "dates follow one another",
        files=text_of(lambda text: dated(text, "IssueDate", "2036-07-02")),
    ),
    Kind(
        "an invoice of 1970",
        "file",
        "invoices",
        "held",
        "dates follow one another",
        files=text_of(lambda text: dated(text, "IssueDate", "1970-01-01")),
    ),
    Kind(
        "a period that ends before it begins",
        "file",
        "invoices",
        "held",
        "dates follow one another",
        files=text_of(lambda text: dated(text, "EndDate", "2026-05-01")),
    ),
    Kind(
        "negative amounts",
        "file",
        "invoices",
        "held",
        "invoice .* asks for -.* EUR, and is no credit note",
        files=text_of(negative),
    ),
    Kind(
        "the same lines under another number",
        "file",
        "invoices",
        "held",
        "invoices .* and .* bill the same lines",
        files=beside(as_credit_note_lost),
    ),
    Kind(
        "a credit note that lost its kind",
        "file",
        "invoices",
        "held",
        "invoices .* and .* bill the same lines",
        files=beside(lambda text: as_credit_note_lost(text).replace("-A<", "-C<", 1)),
    ),
    Kind(
        "the same invoice sent again, written otherwise",
        "file",
        "invoices",
        "published",
        "both borders held",
        files=beside(lambda text: text.replace("?>", "?><!-- sent again -->", 1)),
    ),
    Kind(
        "a credit note with its sign flipped",
        "file",
        "invoices",
        "published",
        "both borders held",
        files=beside(
            lambda text: negative(as_credit_note_lost(text)).replace("TypeCode>380", "TypeCode>381")
        ),
    ),
    Kind(
        "an item that was renamed",
        "file",
        "invoices",
        "held",
        "invoice lines in 2026-06 are of a service that no contract names, such as 'H0ST'",
        files=text_of(lambda text: text.replace(">HOST<", ">H0ST<")),
    ),
    Kind("no invoice of the month", "file", "invoices", "held", GONE, files=lambda _, path: path.unlink()),
    Kind(
        "the invoice of another month once more",
        "file",
        "invoices",
        "held",
        GONE,
        files=text_of(
            lambda text: text.replace("2026-06-01", "2026-05-01").replace("2026-06-30", "2026-05-31")
        ),
    ),
    Kind(
        "a byte order mark",
        "file",
        "invoices",
        "published",
        "both borders held",
        files=bytes_of(lambda content: b"\xef\xbb\xbf" + content),
    ),
    Kind(
        "an invoice in UTF-16",
        "file",
        "invoices",
        "published",
        "both borders held",
        files=bytes_of(lambda content: content.decode().replace("UTF-8", "UTF-16", 1).encode("utf-16")),
    ),
    Kind(
        "an empty folder",
        "folder",
        "invoices",
        "held",
        STALE,
        REFUSED,
        files=lambda folder, _: [path.unlink() for path in folder.iterdir()] and None,
    ),
    Kind(
        "a folder that is gone",
        "folder",
        "invoices",
        "held",
        STALE,
        REFUSED,
        files=lambda folder, _: shutil.rmtree(folder),
    ),
    Kind(
        "a line twice",
        "raw table",
        "invoices",
        "held",
        "lines of invoice .* add up to",
        raw="insert into raw_einvoice.invoice_lines select (jsonb_populate_record(l, jsonb_build_object("
        "'line_no', '99'))).* from raw_einvoice.invoice_lines l where _source_name = '{v}_invoices'"
        " and line_no = '1' and period_start = '2026-06-01'",
    ),
    Kind(
        "lines that were lost",
        "raw table",
        "invoices",
        "held",
        "the 0 lines of invoice .* it states 3 lines|"
        r"the \d lines of invoice",
        raw="delete from raw_einvoice.invoice_lines where _source_name = '{v}_invoices' and line_no = '2'"
        " and period_start = '2026-06-01'",
    ),
    Kind(
        "a line counted twice",
        "fact",
        "invoices",
        "held",
        "invoice lines are counted more than once",
        built="insert into facts.fct_invoice_lines select (jsonb_populate_record(l, jsonb_build_object("
        "'invoice_line_id', 'twice'))).* from facts.fct_invoice_lines l where vendor_id = '{v}'"
        " and month_date = '2026-06-01' and line_key = 'line:1'",
    ),
    Kind("nothing wrong", "nowhere", "invoices", "published", "both borders held"),
]


# The exported event log


def some_rows(change: Callable[[list[str]], list[str]], days: str = r"1\d") -> Callable[[str], str]:
    """The log with the rows of some days of June changed, the header first."""

    def changed(text: str) -> str:
        header, *rows = text.splitlines()
        ours = [row for row in rows if re.search(rf"{days}/06/2026", row)]
        assert ours
        others = [row for row in rows if row not in ours]
        return "\n".join([header, *others, *change(ours)]) + "\n"

    return changed


def month_first(row: str) -> str:
    return re.sub(r"(1[3-9])/(06)/(2026)", r"\2/\1/\3", row)


def swap_dates(row: str) -> str:
    return re.sub(r"(\d\d/06/2026 \d\d:\d\d)(.*?)(\d\d/\d\d/2026 \d\d:\d\d)", r"\3\2\1", row)


LOG = [
    Kind("an empty file", "event log", "log", "held", STALE, REFUSED, log=lambda _: ""),
    Kind(
        "a header and nothing else",
        "event log",
        "log",
        "held",
        STALE,
        REFUSED,
        log=lambda text: text.splitlines()[0] + "\n",
    ),
    Kind(
        "a column that was renamed",
        "event log",
        "log",
        "held",
        STALE,
        REFUSED,
        log=lambda text: text.replace("sys_updated_at", "updated", 1),
    ),
    Kind(
        "a column too many",
        "event log",
        "log",
        "held",
        STALE,
        REFUSED,
        log=lambda text: text.replace("number,", "number,extra,", 1),
    ),
    Kind(
        "another delimiter",
        "event log",
        "log",
        "held",
        STALE,
        REFUSED,
        log=lambda text: text.replace(",", ";"),
    ),
    Kind(
        "a quote that is never closed",
        "event log",
        "log",
        "held",
        STALE,
        REFUSED,
        log=lambda text: text + '"INC',
    ),
    Kind(
        "a byte order mark",
        "event log",
        "log",
        "published",
        "both borders held",
        log=lambda text: b"\xef\xbb\xbf" + text.encode(),
    ),
    Kind(
        "a row in Latin-1",
        "event log",
        "log",
        "held",
        quarantined(1, "not_utf8"),
        "not_utf8",
        log=lambda text: (
            text.encode()
            + text.splitlines()[-1].encode().replace(b"New", b"N\xe9").replace(b"Closed", b"Ferm\xe9")
            + b"\n"
        ),
    ),
    Kind(
        "a row without half of its cells",
        "event log",
        "log",
        "held",
        quarantined(1, "wrong_cell_count"),
        "wrong_cell_count",
        log=lambda text: text + text.splitlines()[-1].rpartition(",?,")[0] + "\n",
    ),
    Kind(
        "a file that is cut off",
        "event log",
        "log",
        "held",
        STALE,
        REFUSED,
        log=lambda text: text[: text.rindex(",?,")],
    ),
    Kind(
        "dates month first",
        "event log",
        "log",
        "held",
        "quarantine.*bad_instant",
        "bad_instant",
        log=some_rows(lambda rows: [month_first(row) for row in rows]),
    ),
    Kind(
        "an unknown state",
        "event log",
        "log",
        "held",
        quarantined(1, "unknown_state"),
        "unknown_state",
        log=some_rows(lambda rows: [*rows[1:], re.sub("New|Active|Closed", "-100", rows[0])]),
    ),
    Kind(
        "a null key",
        "event log",
        "log",
        "held",
        quarantined(1, "missing_key"),
        "missing_key",
        log=some_rows(lambda rows: [*rows[1:], re.sub(r"^INC\d+", "?", rows[0])]),
    ),
    Kind(
        "one change told in two ways",
        "event log",
        "log",
        "held",
        quarantined(1, "conflicting_version"),
        "conflicting_version",
        log=some_rows(lambda rows: [*rows, rows[0].replace("Group 1", "Group 2")]),
    ),
    Kind(
        "rows that come twice",
        "event log",
        "log",
        "published",
        "both borders held",
        log=some_rows(lambda rows: rows + rows),
    ),
    Kind(
        "two columns swapped",
        "event log",
        "log",
        "held",
        "instants follow one another",
        log=some_rows(lambda rows: [swap_dates(row) for row in rows]),
    ),
    Kind(
        "most rows gone",
        "event log",
        "log",
        "held",
        r"log: \d+ tickets in 2026-06, \d+ were usual",
        log=some_rows(lambda rows: rows[:3], days=r"\d\d"),
    ),
    Kind("nothing wrong", "nowhere", "log", "published", "both borders held"),
]


# What only a mistake of ours could do

OURS = [
    Kind(
        "a credit without its raw record",
        "raw table",
        "log",
        "held",
        "penalty lines of SLA-1 rest on no ticket",
        built="delete from raw_incident_log.incident_events where _source_name = '{v}_log'"
        " and number in (select c.ticket_number from facts.fct_ticket_clocks c"
        " join penalties.fct_penalty_lines l on l.event_id = c.clock_id"
        " where l.vendor_id = '{v}' and l.month_date = '2026-06-01')",
    ),
    Kind(
        "a month that is not its lines",
        "candidate",
        "tickets",
        "held",
        "penalty lines add up to .* the month says",
        built="update candidate.mart_vendor_month set credit_amount = credit_amount + 1"
        " where vendor_id = '{v}' and month_date = '2026-06-01'",
    ),
    Kind(
        "a line without its breach",
        "candidate",
        "tickets",
        "held",
        "every line has its breach",
        built="update penalties.fct_penalty_lines set event_id = 'nothing' where penalty_line_id = (select"
        " min(penalty_line_id) from penalties.fct_penalty_lines where vendor_id = '{v}'"
        " and month_date = '2026-06-01')",
    ),
    Kind(
        "more tickets judged than there are",
        "candidate",
        "tickets",
        "held",
        "every ticket clock has one outcome",
        built="update candidate.mart_vendor_month set ticket_met_count = ticket_met_count + 1"
        " where vendor_id = '{v}' and month_date = '2026-06-01'",
    ),
    Kind(
        "an availability above all of it",
        "candidate",
        "probes",
        "held",
        "of availability_pct",
        built="update candidate.mart_vendor_month set availability_pct = 100.5"
        " where vendor_id = '{v}' and month_date = '2026-06-01'",
    ),
]

KINDS = [
    dataclasses.replace(kind, vendor=f"v{number:03}")
    for number, kind in enumerate([*TICKETS, *PROBES, *INVOICES, *LOG, *OURS])
]

__all__ = ["KINDS", "is_of_june"]
