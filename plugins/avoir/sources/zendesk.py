"""Zendesk Support: tickets with the events of all their audits, and what was deleted.

Flow: ``users/me`` says who the token is; the cursor-based incremental export gives the tickets that changed
since the window's start, in the order of that change (``generated_timestamp``), up to the minute before it
is asked; of each the audits are read to the end, and the roles of those who wrote in them. Audits and not
the export of ticket events: they are a ticket's whole history, archived tickets too, each event with its
number, while the other export pages by second and begins where it is asked to, so that the events before
are not there. An export is walked by its cursor only; links that an answer carries are never followed.

Zendesk allows ten requests of an export a minute and says with ``Retry-After`` when to come again.

A ticket that is deleted stays in the export for good with the status ``deleted``. It is marked in
``ticket_deletions``; its row lands only where none was landed before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from avoir.sources import zendesk_records as records
from avoir.sources.model import Landed, Option, Rejected, Rows, SourceConnection, System, Window
from avoir.sources.record_making import Made, id_of, text_of
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, NotFoundError, VendorApi

PAGE_TICKETS = 1000
PAGE_ENTRIES = 100
#: Users or organizations that one request may name.
MOST_NAMED = 100
EXPORT = "api/v2/incremental/tickets/cursor.json"
#: Instants an export may give in whole seconds.
_LAST_SECOND = 4_102_444_800


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every ticket that changed in the window, with all that ever happened to it.

    Raises:
        AccessDeniedError: the token is nobody's, another account's or an end user's.
        IncompleteAnswerError: an answer is malformed, or does not say where the next one is.
    """
    api = VendorApi(_with_token(source))
    _must_be_an_agent(api, source)
    reading = _Reading(api, landed)
    seen: dict[str, str] = {}
    for page in reading.exported(window):
        changed = {id_of(ticket["id"]): text_of(ticket["generated_timestamp"]) for ticket in page}
        # A ticket that changed while we read comes again.
        yield from reading.landed_from(
            [one for one in page if seen.get(id_of(one["id"])) != text_of(one["generated_timestamp"])]
        )
        seen |= changed


class _Reading:
    """One reading of an instance: the names behind numbers, and the numbers of what was found."""

    def __init__(self, api: VendorApi, landed: Landed) -> None:
        self.api = api
        self.landed = landed
        self.label = f"source {api.source.name}"
        self.numbers = {table.name: count(1) for table in records.TABLES}
        needs_brands = api.source.option("service_field") == "brand"
        self.fields = records.Fields.of(
            api.source, self._names("groups"), self._names("brands") if needs_brands else {}
        )
        self.roles: dict[str, str] = {}
        self.organizations: dict[str, str] = {}

    def exported(self, window: Window) -> Iterator[list[dict[str, Any]]]:
        """Tickets of the window as the export gives them, page by page."""
        start = int(window.start.timestamp())
        asked = {"start_time": str(start)}
        cursors: set[str] = set()
        while True:
            body = self._ask(EXPORT, {**asked, "per_page": str(PAGE_TICKETS)})
            tickets, is_last = body.get("tickets"), body.get("end_of_stream")
            if not isinstance(tickets, list) or not isinstance(is_last, bool):
                raise IncompleteAnswerError(
                    f"{self.label}: the export answered without `tickets` and `end_of_stream`"
                )
            if not tickets and not is_last:
                raise IncompleteAnswerError(
                    f"{self.label}: a page of the export is empty and not its end; nothing was landed"
                )
            instants = [self._instant(ticket, start) for ticket in tickets]
            yield [one for one, at in zip(tickets, instants, strict=True) if at in window]
            # In the order of the change: what follows a page behind the window is the next window's.
            if is_last or min(instants) >= window.end:
                return
            cursor = body.get("after_cursor")
            if not isinstance(cursor, str) or not cursor or cursor in cursors:
                raise IncompleteAnswerError(
                    f"{self.label}: the export did not say where its next page is (after_cursor "
                    f"{'as before' if cursor in cursors else repr(cursor)}); nothing was landed"
                )
            self.api.must_stay(body.get("after_url"))
            cursors.add(cursor)
            asked = {"cursor": cursor}

    def landed_from(self, tickets: Sequence[dict[str, Any]]) -> Iterator[Rows | Rejected]:
        """The rows of some tickets, all their events with them."""
        audits = {id_of(one["id"]): self._audits(one) for one in tickets}
        of_all = [audit for found in audits.values() for audit in found]
        self._learn_roles({author for audit in of_all for author in records.comment_authors(audit)})
        if self.api.source.option("service_field") == "organization":
            self._learn_organizations({id_of(one.get("organization_id")) for one in tickets})
        found: dict[str, list[tuple[str | None, ...]]] = {table.name: [] for table in records.TABLES}
        for made in self._made(tickets, audits):
            if isinstance(made, Rejected):
                yield made
            else:
                found[made[0]].append(made[1])
        for table, values in found.items():
            if values:
                yield Rows(table, values, [next(self.numbers[table]) for _ in values])

    def _made(
        self, tickets: Sequence[dict[str, Any]], audits: Mapping[str, Sequence[dict[str, Any]]]
    ) -> Iterator[Made]:
        deleted = {id_of(one["id"]) for one in tickets if one.get("status") == "deleted"}
        known = self.landed.keys("tickets", "ticket_id") if deleted else frozenset()
        for ticket in tickets:
            ticket_id = id_of(ticket["id"])
            if ticket_id in deleted:
                at = datetime.fromtimestamp(int(ticket["generated_timestamp"]), UTC)
                yield "ticket_deletions", (ticket_id, at.isoformat())
            if ticket_id not in deleted or ticket_id not in known:
                yield records.ticket_row(ticket, self.fields, self.organizations)
            for audit in audits[ticket_id]:
                yield from records.event_rows(ticket_id, audit, self.fields, self.roles)

    def _audits(self, ticket: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Every audit of a ticket, the oldest first; none of one that is gone."""
        ticket_id = id_of(ticket["id"])
        try:
            audits = self._listed(f"api/v2/tickets/{ticket_id}/audits.json", "audits")
        except NotFoundError:
            if ticket.get("status") != "deleted" and self._is_found(ticket_id):
                raise
            return []
        if not audits and ticket.get("status") != "deleted":
            raise IncompleteAnswerError(
                f"{self.label}: ticket {ticket_id} has no audit, not even the one that made it"
            )
        if strangers := [one for one in audits if text_of(one.get("ticket_id")) != ticket_id]:
            raise IncompleteAnswerError(
                f"{self.label}: audit {text_of(strangers[0].get('id'))} was given for ticket {ticket_id}, "
                "which is another's"
            )
        return audits

    def _is_found(self, ticket_id: str) -> bool:
        try:
            self._ask(f"api/v2/tickets/{ticket_id}.json", {})
        except NotFoundError:
            return False
        return True

    def _listed(self, path: str, name: str) -> list[dict[str, Any]]:
        """Every entry of a list that pages by cursor, in the order of their numbers."""
        found: dict[str, dict[str, Any]] = {}
        cursor: str | None = None
        cursors: set[str] = set()
        while True:
            asked = {"page[size]": str(PAGE_ENTRIES)}
            body = self._ask(path, asked if cursor is None else {**asked, "page[after]": cursor})
            entries = body.get(name)
            if not isinstance(entries, list) or not all(
                isinstance(entry, dict) and id_of(entry.get("id")) for entry in entries
            ):
                raise IncompleteAnswerError(f"{self.label}: {path} answered without `{name}` and their ids")
            found |= {id_of(entry["id"]): entry for entry in entries}
            meta = body.get("meta")
            if meta is None and body.get("count") == len(entries) and body.get("next_page") is None:
                break  # audits of an archived ticket come all at once, and counted
            more = meta.get("has_more") if isinstance(meta, dict) else None
            if more is False:
                break
            cursor = text_of(meta.get("after_cursor")) if isinstance(meta, dict) else ""
            if more is not True or not entries or not cursor or cursor in cursors:
                raise IncompleteAnswerError(
                    f"{self.label}: {path} did not say whether it is whole (has_more {more!r}, "
                    f"{len(entries)} entries, after_cursor {'as before' if cursor in cursors else cursor!r})"
                )
            links = body.get("links")
            self.api.must_stay(links.get("next") if isinstance(links, dict) else None)
            cursors.add(cursor)
        return [found[key] for key in sorted(found, key=int)]

    def _names(self, name: str) -> dict[str, str]:
        """Names of groups or brands by their number; those that were deleted keep theirs."""
        return {
            id_of(one["id"]): text_of(one.get("name")) for one in self._listed(f"api/v2/{name}.json", name)
        }

    def _learn_roles(self, users: set[str]) -> None:
        shown = self._shown("users", users - set(self.roles))
        self.roles |= {number: text_of(user.get("role")) for number, user in shown.items()}

    def _learn_organizations(self, numbers: set[str]) -> None:
        shown = self._shown("organizations", numbers - {""} - set(self.organizations))
        self.organizations |= {number: text_of(one.get("name")) for number, one in shown.items()}

    def _shown(self, name: str, numbers: set[str]) -> dict[str, dict[str, Any]]:
        """Records by their number; one that is gone is left out."""
        ordered = sorted(numbers, key=int)
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(ordered), MOST_NAMED):
            asked = ordered[start : start + MOST_NAMED]
            shown = self._ask(f"api/v2/{name}/show_many.json", {"ids": ",".join(asked)}).get(name)
            if not isinstance(shown, list) or not all(isinstance(one, dict) for one in shown):
                raise IncompleteAnswerError(f"{self.label}: show_many answered without `{name}`")
            found |= {id_of(one.get("id")): one for one in shown}
        return found

    def _instant(self, ticket: object, start: int) -> datetime:
        """When the export says that a ticket changed."""
        number = id_of(ticket.get("id")) if isinstance(ticket, dict) else ""
        at = ticket.get("generated_timestamp") if isinstance(ticket, dict) else None
        if not number or isinstance(at, bool) or not isinstance(at, int) or not 0 <= at < _LAST_SECOND:
            raise IncompleteAnswerError(
                f"{self.label}: a ticket of the export has no id, or no instant of its change: {at!r}"
            )
        if at < start:
            raise IncompleteAnswerError(
                f"{self.label}: ticket {number} of {at} was given when asked for what changed since {start}"
            )
        return datetime.fromtimestamp(at, UTC)

    def _ask(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        body = self.api.get(path, parameters).body
        if not isinstance(body, dict):
            raise IncompleteAnswerError(f"{self.label}: {path} did not answer with an object")
        return body


def _with_token(source: SourceConnection) -> SourceConnection:
    """An API token signs in as ``<address>/token``; without an address the secret is an OAuth token."""
    if source.username is None or source.username.endswith("/token"):
        return source
    return replace(source, username=f"{source.username}/token")


def _must_be_an_agent(api: VendorApi, source: SourceConnection) -> None:
    """Zendesk answers a wrong token as anonymous, with 200 and a user who has no number."""
    body = api.get("api/v2/users/me.json", {}).body
    user = body.get("user") if isinstance(body, dict) else None
    if not isinstance(user, dict) or not id_of(user.get("id")):
        raise AccessDeniedError(
            f"source {source.name}: Zendesk answers as anonymous; check the API token in "
            f"{source.secret_place} and that token access is on"
        )
    email, wanted = user.get("email"), (source.username or "").removesuffix("/token")
    if email and wanted and str(email).lower() != wanted.lower():
        raise AccessDeniedError(f"source {source.name}: the token is that of another account than username")
    if user.get("role") == "end-user":
        raise AccessDeniedError(
            f"source {source.name}: the account is an end user's and sees its own tickets only; it must be "
            "an administrator's"
        )


def _service_field(value: object) -> str:
    text = str(value)
    if text not in records.SERVICES and not records.CUSTOM_FIELD.fullmatch(text):
        raise ValueError(f"must be {', '.join(records.SERVICES)} or the number of a field, got {value!r}")
    return text


def _hold_field(value: object) -> str:
    text = str(value)
    if text and not records.CUSTOM_FIELD.fullmatch(text):
        raise ValueError(f"must be the number of a field such as 360012345678, got {value!r}")
    return text


SYSTEM = System(
    name="zendesk",
    tables=records.TABLES,
    fetch=fetch,
    # The export leaves out the last minute, and follows what it exports within minutes.
    overlap=timedelta(hours=2),
    reads="http",
    options={
        "service_field": Option(default="brand", check=_service_field),
        "hold_field": Option(default="", check=_hold_field),
    },
)
