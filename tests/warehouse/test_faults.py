"""What each HTTP source makes of each fault of a vendor's server: all of the window, or nothing and an
error.

A proxy spoils one page of data (`once`) or every page from then on (`always`). A load that succeeds must
have landed exactly what an undisturbed one lands; one that fails must say why and leave no row, no batch
and no watermark, and the next undisturbed load must land everything. Less, without an error, is not among
the outcomes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import sql

from avoir import row_identity
from avoir.loading import load_window, next_window
from avoir.raw_tables import create_raw
from avoir.sources.model import SourceConnection, SourceError, Window
from avoir.sources.monitoring import STATES
from avoir.sources.prometheus import LONGEST_STRETCH
from avoir.sources.register import SYSTEMS, system_of
from tests.vendors import confluence as confluence_fake
from tests.vendors.asana import SUPPORT, AsanaWorkspace
from tests.vendors.datadog import DOWN as OUT
from tests.vendors.datadog import NO_DATA as LOST
from tests.vendors.datadog import UP as UP_AGAIN
from tests.vendors.datadog import Datadog
from tests.vendors.datadog import connection as datadog_connection
from tests.vendors.faults import Passed, Proxy, proxy_to
from tests.vendors.github import REPOSITORY, GitHubInstance
from tests.vendors.gitlab import PROJECT, GitLabInstance
from tests.vendors.jira import ACCOUNT, AGENT, JiraInstance
from tests.vendors.pingdom import Pingdom
from tests.vendors.prometheus import PrometheusServer
from tests.vendors.redmine import RedmineServer
from tests.vendors.request_tracker import running_request_tracker
from tests.vendors.servicenow import ServiceNowInstance
from tests.vendors.serving import Request, connection_to, serving
from tests.vendors.sharepoint import CLIENT, LIST, SITE, SharePointSite
from tests.vendors.statuspage import PAGE_ID, StatusPage
from tests.vendors.tryton import TrytonBooks
from tests.vendors.uptimerobot import DOWN, UP, UptimeRobot
from tests.vendors.xero import CLIENT as XERO_CLIENT
from tests.vendors.xero import XeroOrganisation, spelt
from tests.vendors.zabbix import Zabbix
from tests.vendors.zendesk import ACCOUNT as ZENDESK_ACCOUNT
from tests.vendors.zendesk import AGENT as ZENDESK_AGENT
from tests.vendors.zendesk import ZendeskInstance

pytestmark = pytest.mark.warehouse

HTTP_SYSTEMS = tuple(system.name for system in SYSTEMS if system.reads == "http")
#: What else one of them answers, in pages of its own.
ALSO_READ = ("datadog_slos", "datadog_histories")
CASES = (*HTTP_SYSTEMS, *ALSO_READ)
START = datetime(2026, 1, 10, tzinfo=UTC)
END = datetime(2026, 4, 1, tzinfo=UTC)
#: Records a server has: some pages of them, of which each is small.
RECORDS, PAGE = 23, 5
ROOMS = [START + n * (END - START) / RECORDS for n in range(RECORDS)]
#: The page that is spoiled; there are pages before and after it.
SPOILED = 2


@dataclass(frozen=True)
class World:
    """A vendor's server with something in it: how it is read, and how something is written late into it."""

    url: str
    connect: Callable[[str, str], SourceConnection]
    is_page: Callable[[Request], bool]
    rows_of: Callable[[Any], list[list[Any]]]
    happen: Callable[[datetime], object]


def servicenow(stack: ExitStack) -> World:
    instance = ServiceNowInstance()
    for at in ROOMS:
        instance.open(at)
    return World(
        url=stack.enter_context(serving(instance)),
        connect=lambda url, name: connection_to(url, "servicenow", name=name, tables=["incident"]),
        is_page=lambda request: request.path.endswith("/incident"),
        rows_of=lambda body: [body["result"]],
        happen=instance.open,
    )


def prometheus(stack: ExitStack) -> World:
    server = PrometheusServer()
    for at in ROOMS:
        server.scrape(at, "web")
        server.scrape(at, "api", "0")
    return World(
        url=stack.enter_context(serving(server)),
        connect=lambda url, name: connection_to(url, "prometheus", name=name, username=None),
        is_page=lambda request: request.path.endswith("/query"),
        rows_of=lambda body: [series["values"] for series in body["data"]["result"]],
        happen=lambda at: server.scrape(at, "web"),
    )


def jira(stack: ExitStack) -> World:
    instance = JiraInstance(cap=PAGE)

    def happen(at: datetime) -> None:
        issue = instance.open(at)
        instance.change(issue, at, status={"name": "In Progress"})
        instance.comment(issue, at, AGENT)

    for at in ROOMS:
        happen(at)
    return World(
        url=stack.enter_context(serving(instance)),
        connect=lambda url, name: connection_to(url, "jira", name=name, username=ACCOUNT, projects=["SUP"]),
        is_page=lambda request: request.path.endswith("/search/jql"),
        rows_of=lambda body: [body["issues"]],
        happen=happen,
    )


def request_tracker(stack: ExitStack) -> World:
    rt = stack.enter_context(running_request_tracker())
    rt.seed(RECORDS, START, int((END - START).total_seconds()) // RECORDS)
    return World(
        url=rt.url,
        connect=lambda url, name: connection_to(url, "request_tracker", name=name),
        is_page=lambda request: request.path.endswith("/tickets") and request.parameters["per_page"] != "1",
        rows_of=lambda body: [body["items"]],
        happen=lambda at: rt.seed(1, at, 1),
    )


def zendesk(stack: ExitStack) -> World:
    # What it says of too many requests is a fault of its own.
    instance = ZendeskInstance(allowed=10_000)

    def happen(at: datetime) -> None:
        ticket = instance.open(at)
        instance.say(ticket, at, ZENDESK_AGENT, status="open")

    for at in ROOMS:
        happen(at)
    return World(
        url=stack.enter_context(serving(instance)),
        connect=lambda url, name: connection_to(url, "zendesk", name=name, username=ZENDESK_ACCOUNT),
        is_page=lambda request: "/incremental/" in request.path,
        rows_of=lambda body: [body["tickets"]],
        happen=happen,
    )


def redmine(stack: ExitStack) -> World:
    server = RedmineServer()

    def happen(at: datetime) -> None:
        server.change(server.open(at), at, status_id=2, notes="We look.")

    for at in ROOMS:
        happen(at)
    return World(
        url=stack.enter_context(serving(server)),
        connect=lambda url, name: connection_to(url, "redmine", name=name),
        is_page=lambda request: request.path.endswith("/issues.json"),
        rows_of=lambda body: [body["issues"]],
        happen=happen,
    )


def asana(stack: ExitStack) -> World:
    workspace = AsanaWorkspace()

    def happen(at: datetime) -> None:
        workspace.say(workspace.open(at), at)

    for at in ROOMS:
        happen(at)
    return World(
        url=stack.enter_context(serving(workspace)),
        connect=lambda url, name: connection_to(url, "asana", name=name, username=None, projects=[SUPPORT]),
        is_page=lambda request: request.path.endswith("/tasks"),
        rows_of=lambda body: [body["data"]],
        happen=happen,
    )


def gitlab(stack: ExitStack) -> World:
    instance = GitLabInstance()
    for at in ROOMS:
        instance.release(at, f"v{at:%j}", instance.plan(at, f"Plan of {at:%j}", at.date()))
    return World(
        url=stack.enter_context(serving(instance)),
        connect=lambda url, name: connection_to(
            url, "gitlab", name=name, username=None, projects=[PROJECT], approved_dates="every"
        ),
        is_page=lambda request: request.path.endswith("/milestones"),
        rows_of=lambda body: [body],
        happen=lambda at: instance.plan(at, f"Late {at:%j}", at.date()),
    )


def github(stack: ExitStack) -> World:
    instance = GitHubInstance()
    for at in ROOMS:
        instance.plan(at, f"v{at:%j}", at.date())
        instance.release(at, f"v{at:%j}")
    return World(
        url=stack.enter_context(serving(instance)),
        connect=lambda url, name: connection_to(
            url, "github", name=name, username=None, repositories=[REPOSITORY]
        ),
        is_page=lambda request: request.path.endswith("/milestones"),
        rows_of=lambda body: [body],
        happen=lambda at: instance.plan(at, f"Late {at:%j}", at.date()),
    )


REGISTER = {"register": "risks", "key": ["Id"], "columns": {"Id": "text", "Due": "date"}}


class StorageRows:
    """The rows of a table in a page's body, as far as a list of them is spoiled."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.storage = body["body"]["storage"]

    def reverse(self) -> None:
        self._replace(lambda rows: rows[::-1])

    def clear(self) -> None:
        self._replace(lambda rows: [])

    def _replace(self, change: Callable[[list[str]], list[str]]) -> None:
        before, head, *rows, after = re.split(r"(?=<tr>)|(?<=</tr>)(?=</tbody>)", self.storage["value"])
        self.storage["value"] = before + head + "".join(change(rows)) + after


def register_confluence(stack: ExitStack) -> World:
    site = confluence_fake.ConfluenceSite()
    ids = [str(number) for number in range(1, 6)]
    for page, page_id in enumerate(ids):
        rows = [[f"R{n}", f"{at:%Y-%m-%d}"] for n, at in enumerate(ROOMS) if n // PAGE == page]
        site.pages[page_id] = (["Id", "Due"], rows)
    return World(
        url=stack.enter_context(serving(site)),
        connect=lambda url, name: connection_to(
            url, "register_confluence", name=name, username=confluence_fake.ACCOUNT, pages=ids, **REGISTER
        ),
        is_page=lambda request: "/pages/" in request.path,
        rows_of=lambda body: [StorageRows(body)],
        happen=lambda at: site.pages["5"][1].append([f"L{at:%j}", f"{at:%Y-%m-%d}"]),
    )


def register_sharepoint(stack: ExitStack) -> World:
    site = SharePointSite()
    for number, at in enumerate(ROOMS):
        site.add(at, Id=f"R{number}", Due=f"{at:%Y-%m-%d}")
    upstream = stack.enter_context(serving(site))
    return World(
        url=upstream,
        connect=lambda url, name: connection_to(
            url, "register_sharepoint", name=name, username=CLIENT, site=SITE, list=LIST,
            token_url=f"{upstream}/oauth2/v2.0/token", **REGISTER,
        ),
        is_page=lambda request: request.path.endswith("/items"),
        rows_of=lambda body: [body["value"]],
        happen=lambda at: site.add(at, Id=f"L{at:%j}", Due=f"{at:%Y-%m-%d}"),
    )  # fmt: skip


def xero_api(stack: ExitStack) -> World:
    organisation = XeroOrganisation()

    def happen(at: datetime) -> None:
        bill = organisation.bill(at, at.date(), [("SUP", Decimal("10.00"))])
        # With amounts that a page which is spoilt on its way writes as they were.
        organisation.invoices[-1] = json.loads(spelt(bill))

    for at in ROOMS:
        happen(at)
    upstream = stack.enter_context(serving(organisation))
    return World(
        url=upstream,
        connect=lambda url, name: connection_to(
            url, "xero_api", name=name, username=XERO_CLIENT, token_url=f"{upstream}/connect/token"
        ),
        is_page=lambda request: request.path.endswith("/Invoices"),
        rows_of=lambda body: [body["Invoices"]],
        happen=happen,
    )


def statuspage(stack: ExitStack) -> World:
    page = StatusPage()
    component = page.component("API", START)

    def happen(at: datetime) -> None:
        page.incident(at, [component], **{component: "partial_outage"})

    for at in ROOMS:
        happen(at)
    return World(
        url=stack.enter_context(serving(page)),
        connect=lambda url, name: connection_to(url, "statuspage", name=name, username=None, page_id=PAGE_ID),
        is_page=lambda request: request.path.endswith("/incidents"),
        rows_of=lambda body: [body],
        happen=happen,
    )


def uptimerobot(stack: ExitStack) -> World:
    robot = UptimeRobot(now=END)
    monitors = [robot.monitor(f"web-{n}") for n in range(RECORDS)]
    for monitor, at in zip(monitors, ROOMS, strict=True):
        robot.happen(monitor, at, DOWN)
        robot.happen(monitor, at + timedelta(hours=1), UP)
    return World(
        url=stack.enter_context(serving(robot)),
        connect=lambda url, name: connection_to(url, "uptimerobot", name=name, username=None),
        is_page=lambda request: request.path.endswith("/getMonitors"),
        rows_of=lambda body: [body["monitors"]],
        happen=lambda at: robot.happen(monitors[-1], at, DOWN),
    )


def pingdom(stack: ExitStack) -> World:
    account = Pingdom(now=int(END.timestamp()))
    checks = [account.check(f"web-{n}", START) for n in range(RECORDS)]

    def happen(at: datetime, check: int = checks[-1]) -> None:
        account.tell(check, int(at.timestamp()), int(at.timestamp()) + 3600, "down")
        account.tell(check, int(at.timestamp()) + 3600, int(END.timestamp()), "up")

    for check, at in zip(checks, ROOMS, strict=True):
        happen(at, check)
    return World(
        url=stack.enter_context(serving(account)),
        connect=lambda url, name: connection_to(url, "pingdom", name=name, username=None),
        is_page=lambda request: request.path.endswith("/checks"),
        rows_of=lambda body: [body["checks"]],
        happen=happen,
    )


def zabbix(stack: ExitStack) -> World:
    server = Zabbix()
    web, api = server.item("web"), server.item("api")
    for at in ROOMS:
        server.receive(web, at)
        server.receive(api, at, "0")
    return World(
        url=stack.enter_context(serving(server)),
        connect=lambda url, name: connection_to(url, "zabbix", name=name, username=None, item_key="icmpping"),
        is_page=lambda request: "sortfield" in request.content["params"],
        rows_of=lambda body: [body["result"]],
        happen=lambda at: server.receive(web, at),
    )


def tryton(stack: ExitStack) -> World:
    books = TrytonBooks()

    def happen(at: datetime) -> None:
        books.bill(at, at.date(), [("SUP", Decimal("10.00"))])

    for at in ROOMS:
        happen(at)
    return World(
        url=stack.enter_context(serving(books)),
        connect=lambda url, name: connection_to(url, "tryton", name=name),
        is_page=lambda request: request.content["method"].endswith("search_read"),
        rows_of=lambda body: [body["result"]],
        happen=happen,
    )


def datadog(stack: ExitStack) -> World:
    account = Datadog(cap=PAGE)
    web, api = account.test("web"), account.test("api")
    for at in ROOMS:
        account.run(web, at)
        account.run(api, at, "failed")
    return World(
        url=stack.enter_context(serving(account)),
        connect=datadog_connection,
        is_page=lambda request: request.path.endswith("/results"),
        rows_of=lambda body: [body["data"]],
        happen=lambda at: account.run(web, at),
    )


def slos(count: int) -> tuple[Datadog, list[str], Callable[[datetime], object]]:
    """So many SLOs, each of a monitor; the first two, which are read; how something happens to one."""
    account = Datadog()
    monitors = [account.monitor(f"web-{n}", START) for n in range(count)]
    read = [account.slo(f"SLO of {monitor}", START, monitor) for monitor in monitors][:2]
    for monitor in monitors[:2]:
        account.become(monitor, START, UP_AGAIN)
    for n, at in enumerate(ROOMS[1:]):
        account.become(monitors[n % 2], at, LOST)
        account.become(monitors[n % 2], at + timedelta(hours=1), OUT)
        account.become(monitors[n % 2], at + timedelta(hours=2), UP_AGAIN)
    return account, read, lambda at: account.become(monitors[1], at, OUT)


def datadog_slos(stack: ExitStack) -> World:
    """Pages of SLOs and of monitors are spoiled."""
    account, read, happen = slos(RECORDS)
    return World(
        url=stack.enter_context(serving(account)),
        connect=lambda url, name: datadog_connection(url, name, reads=["slos"], slos=read),
        is_page=lambda request: request.path.endswith(("/slo", "/monitor")),
        rows_of=lambda body: [body if isinstance(body, list) else body["data"]],
        happen=happen,
    )


def datadog_histories(stack: ExitStack) -> World:
    """Histories of SLOs are spoiled, of a source that reads tests beside."""
    account, read, happen = slos(2)
    account.run(account.test("web"), START)
    return World(
        url=stack.enter_context(serving(account)),
        connect=lambda url, name: datadog_connection(url, name, reads=["tests", "slos"], slos=read),
        is_page=lambda request: request.path.endswith("/history"),
        rows_of=lambda body: [body["data"]["overall"]["history"]],
        happen=happen,
    )


MAKERS = {
    "servicenow": servicenow,
    "prometheus": prometheus,
    "jira": jira,
    "request_tracker": request_tracker,
    "zendesk": zendesk,
    "redmine": redmine,
    "asana": asana,
    "gitlab": gitlab,
    "github": github,
    "register_confluence": register_confluence,
    "register_sharepoint": register_sharepoint,
    "xero_api": xero_api,
    "statuspage": statuspage,
    "uptimerobot": uptimerobot,
    "pingdom": pingdom,
    "zabbix": zabbix,
    "tryton": tryton,
    "datadog": datadog,
    "datadog_slos": datadog_slos,
    "datadog_histories": datadog_histories,
}


@pytest.fixture(scope="module")
def worlds() -> Iterator[Callable[[str], World]]:
    made: dict[str, World] = {}
    with ExitStack() as stack:

        def world(system: str) -> World:
            if system not in made:
                made[system] = MAKERS[system](stack)
            return made[system]

        yield world


@pytest.fixture
def connection(warehouse_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(warehouse_dsn) as connection:
        create_raw(connection)
        connection.commit()
        yield connection


@pytest.fixture(autouse=True)
def _small_pages_and_short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("avoir.sources.vendor_http.BACKOFF_FACTOR", 0.001)
    monkeypatch.setattr("avoir.sources.vendor_http.READ_SECONDS", 1)
    monkeypatch.setattr("avoir.sources.servicenow.PAGE_ROWS", PAGE)
    monkeypatch.setattr("avoir.sources.request_tracker.PAGE_ROWS", PAGE)
    # A month, as there is a sample in each.
    monkeypatch.setattr("avoir.sources.prometheus.FIRST_STRETCH", LONGEST_STRETCH)
    monkeypatch.setattr("avoir.sources.zendesk.PAGE_TICKETS", PAGE)
    monkeypatch.setattr("avoir.sources.redmine.PAGE_ROWS", PAGE)
    monkeypatch.setattr("avoir.sources.asana.PAGE_ROWS", PAGE)
    monkeypatch.setattr("avoir.sources.register_sharepoint.PAGE_ROWS", PAGE)
    monkeypatch.setattr("avoir.sources.gitlab.PAGE_ROWS", PAGE)
    monkeypatch.setattr("avoir.sources.xero_api.PAGE_ROWS", PAGE)
    monkeypatch.setattr("avoir.sources.github.PAGE_ROWS", PAGE)
    monkeypatch.setattr("avoir.sources.statuspage.PAGE_ROWS", PAGE)
    monkeypatch.setattr("avoir.sources.uptimerobot.PAGE_ROWS", PAGE)
    monkeypatch.setattr("avoir.sources.pingdom.PAGE_ROWS", PAGE)
    monkeypatch.setattr("avoir.sources.datadog_slos.PAGE_ROWS", PAGE)
    monkeypatch.setattr("avoir.sources.zabbix.PAGE_ROWS", PAGE)
    monkeypatch.setattr("avoir.sources.tryton.PAGE_ROWS", PAGE)


# --- the faults ---


class Spoiler:
    """Spoils pages of a world: the second of each load, or all from the second on."""

    def __init__(self, world: World, fault: str, *, always: bool) -> None:
        self.world = world
        self.fault = fault
        self.always = always
        self.pages = 0
        self.spoiled = 0
        self.page_before = (b"", {})

    def __call__(self, number: int, passed: Passed) -> None:
        if not self.world.is_page(passed.request):
            return
        self.pages += 1
        before, self.page_before = self.page_before, (passed.body, dict(passed.headers))
        due = self.pages >= SPOILED if self.always else self.pages == SPOILED
        if due:
            self.spoiled += 1
            getattr(self, self.fault)(passed, before)

    def timeout(self, passed: Passed, before: Any) -> None:
        passed.delivery = "stall"

    def reset(self, passed: Passed, before: Any) -> None:
        passed.delivery = "reset"

    def ended_early(self, passed: Passed, before: Any) -> None:
        passed.delivery = "cut"

    def error_500(self, passed: Passed, before: Any) -> None:
        passed.status, passed.body = 500, b'{"message": "Internal Server Error"}'

    def throttled_429(self, passed: Passed, before: Any) -> None:
        passed.status, passed.body = 429, b""
        passed.headers["Retry-After"] = "0"

    def truncated_json(self, passed: Passed, before: Any) -> None:
        passed.body = passed.body[: len(passed.body) // 2]

    def empty_200(self, passed: Passed, before: Any) -> None:
        passed.body = b""

    def page_twice(self, passed: Passed, before: Any) -> None:
        passed.body, passed.headers = before

    def page_reordered(self, passed: Passed, before: Any) -> None:
        body = json.loads(passed.body)
        for rows in self.world.rows_of(body):
            rows.reverse()
        passed.body = json.dumps(body).encode()

    def page_without_rows(self, passed: Passed, before: Any) -> None:
        body = json.loads(passed.body)
        for rows in self.world.rows_of(body):
            rows.clear()
        passed.body = json.dumps(body).encode()


FAULTS = tuple(name for name in vars(Spoiler) if not name.startswith("_"))
WHOLE = "whole"
#: `once`, then `always`: whole, or what the error says.
Cell = tuple[str, str]
_STAYS_AWAY = {
    "timeout": (WHOLE, "did not answer after 6 attempts"),
    "reset": (WHOLE, "did not answer after 6 attempts"),
    "ended_early": (WHOLE, "did not answer after 6 attempts"),
    "error_500": (WHOLE, "still answered 500 after 6 attempts"),
    "throttled_429": (WHOLE, "still answered 429 after 6 attempts"),
    "truncated_json": ("something that is not JSON", "something that is not JSON"),
    "empty_200": ("an empty body, which is not", "an empty body, which is not"),
}
OUTCOMES: dict[str, dict[str, Cell]] = {
    "servicenow": {
        **_STAYS_AWAY,
        "page_twice": (WHOLE, WHOLE),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": (WHOLE, "more records than it gave"),
    },
    "prometheus": {
        **_STAYS_AWAY,
        "page_twice": ("not the answer to that", "not the answer to that"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": ("without its samples", "without its samples"),
    },
    "jira": {
        **_STAYS_AWAY,
        "page_twice": ("did not say where its next page is", "did not say where its next page is"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": ("that the search promised is empty", "that the search promised is empty"),
    },
    "request_tracker": {
        **_STAYS_AWAY,
        "page_twice": ("asked for what follows", "asked for what follows"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": ("a page gave 0", "a page gave 0"),
    },
    "zendesk": {
        **_STAYS_AWAY,
        "page_twice": ("did not say where its next page is", "did not say where its next page is"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": ("is empty and not its end", "is empty and not its end"),
    },
    "redmine": {
        **_STAYS_AWAY,
        "page_twice": ("asked for what follows", "asked for what follows"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": ("a page gave 0", "a page gave 0"),
    },
    "asana": {
        **_STAYS_AWAY,
        "page_twice": ("did not say where its next page is", "did not say where its next page is"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": ("that was promised is empty", "that was promised is empty"),
    },
    "gitlab": {
        **_STAYS_AWAY,
        "page_twice": ("a page that was read before", "a page that was read before"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": ("that was promised is empty", "that was promised is empty"),
    },
    "github": {
        **_STAYS_AWAY,
        "page_twice": ("a page that was read before", "a page that was read before"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": ("that was promised is empty", "that was promised is empty"),
    },
    "register_confluence": {
        **_STAYS_AWAY,
        "page_twice": ("another answer was given", "another answer was given"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": ("has no rows, which is not", "has no rows, which is not"),
    },
    "register_sharepoint": {
        **_STAYS_AWAY,
        "page_twice": ("a page that was read before", "a page that was read before"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": ("that was promised is empty", "that was promised is empty"),
    },
    "xero_api": {
        **_STAYS_AWAY,
        "page_twice": ("gave page 1 when asked for 2", "gave page 1 when asked for 2"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": (WHOLE, "in each of 3 walks"),
    },
    "statuspage": {
        **_STAYS_AWAY,
        "page_twice": (WHOLE, "do not agree on what there is"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": (WHOLE, "do not agree on what there is"),
    },
    "uptimerobot": {
        **_STAYS_AWAY,
        "page_twice": ("asked for what follows", "asked for what follows"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": (WHOLE, "more monitors were announced than came"),
    },
    "pingdom": {
        **_STAYS_AWAY,
        "page_twice": (WHOLE, WHOLE),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": (WHOLE, "more checks were announced than came"),
    },
    "zabbix": {
        **_STAYS_AWAY,
        "page_twice": ("was asked for what follows", "was asked for what follows"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": (WHOLE, "more values than it gave"),
    },
    "tryton": {
        **_STAYS_AWAY,
        "page_twice": ("but something else", "but something else"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": (WHOLE, "more invoices were counted than came"),
    },
    "datadog": {
        **_STAYS_AWAY,
        "page_twice": ("asked for what is before", "asked for what is before"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": (WHOLE, "and did not give it"),
    },
    "datadog_slos": {
        **_STAYS_AWAY,
        # The last page of SLOs comes for the first one of monitors.
        "page_twice": (WHOLE, "without a list of monitors"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": (WHOLE, "more SLOs were announced than came"),
    },
    "datadog_histories": {
        **_STAYS_AWAY,
        "page_twice": ("history of another SLO", "history of another SLO"),
        "page_reordered": (WHOLE, WHOLE),
        "page_without_rows": ("not even 'no data'", "not even 'no data'"),
    },
}


#: A row by its hash; of states, what they say when they are followed: a window cuts them where it ends.
Said = str | tuple[str, datetime, datetime, str]


def landed(connection: psycopg.Connection, source: SourceConnection) -> dict[str, set[Said]]:
    """What a source's raw rows say by table; nothing else may be left of a load that failed."""
    system = system_of(source)
    rows: dict[str, set[Said]] = {}
    for table in system.tables:
        if table is STATES:
            rows[table.name] = set(stretches(connection, source))
            continue
        found = connection.execute(
            sql.SQL("select {} from {} as raw where _source_name = %s").format(
                row_identity.of_raw(table), sql.Identifier(system.schema, table.name)
            ),
            (source.name,),
        ).fetchall()
        rows[table.name] = {key for (key,) in found}
    connection.commit()
    return rows


def stretches(connection: psycopg.Connection, source: SourceConnection) -> Iterator[Said]:
    """Each state holds as long as it is said to, at most until the next one; equal ones that join are one."""
    found = connection.execute(
        "select monitor, from_at, to_at, state,"
        " lead(from_at) over (partition by monitor order by from_at, _batch_id)"
        " from raw_monitoring.states where _source_name = %s order by monitor, from_at, _batch_id",
        (source.name,),
    ).fetchall()
    held: tuple[str, datetime, datetime, str] | None = None
    for monitor, start, said_end, state, following in found:
        end = said_end if following is None else min(said_end, following)
        if start >= end:
            continue
        if held is not None and (held[0], held[2], held[3]) == (monitor, start, state):
            held = (monitor, held[1], end, state)
            continue
        if held is not None:
            yield held
        held = (monitor, start, end, state)
    if held is not None:
        yield held


def traces(connection: psycopg.Connection, source: SourceConnection) -> int:
    """Batches, files, rejections and watermarks of a source."""
    names = ("batches", "files", "rejected", "watermarks")
    statement = " union all ".join(
        f"select 1 from loads.{name} where source_name = %(name)s" for name in names
    )
    count = len(connection.execute(statement.encode(), {"name": source.name}).fetchall())
    connection.commit()
    return count


def undisturbed(connection: psycopg.Connection, world: World, system: str) -> dict[str, set[Said]]:
    source = world.connect(world.url, f"{system}_undisturbed")
    load_window(connection, source, Window(START, END))
    rows = landed(connection, source)
    assert sum(map(len, rows.values())) >= RECORDS
    return rows


# Much of it waits for what does not come: some systems in each process of a run in several.
DEALT_OUT = [
    pytest.param(system, marks=pytest.mark.xdist_group(f"faults-{number % 4}"))
    for number, system in enumerate(CASES)
]


@pytest.mark.parametrize("always", [False, True], ids=["once", "always"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("system", DEALT_OUT)
def test_a_fault_costs_nothing_or_the_whole_load(
    connection: psycopg.Connection, worlds: Callable[[str], World], system: str, fault: str, always: bool
) -> None:
    world = worlds(system)
    expected = undisturbed(connection, world, system)
    outcome = OUTCOMES[system][fault][always]
    with proxy_to(world.url) as proxy:
        spoiler = Spoiler(world, fault, always=always)
        proxy.spoil = spoiler
        source = world.connect(proxy.url, f"{system}_{fault}_{'always' if always else 'once'}")
        if outcome == WHOLE:
            load_window(connection, source, Window(START, END))
        else:
            with pytest.raises(SourceError, match=re.escape(outcome)) as caught:
                load_window(connection, source, Window(START, END))
            assert "s3cret" not in str(caught.value)
            assert traces(connection, source) == 0
            assert not any(landed(connection, source).values())
            proxy.spoil = Proxy("").spoil
            load_window(connection, source, Window(START, END))
    assert spoiler.spoiled >= 1
    assert landed(connection, source) == expected


@pytest.mark.parametrize("system", DEALT_OUT)
def test_a_vendors_clock_that_lags_loses_nothing(
    connection: psycopg.Connection, worlds: Callable[[str], World], system: str
) -> None:
    # Its clock is half an hour late: what happens after a load is stamped before the watermark.
    world = worlds(system)
    source = world.connect(world.url, f"{system}_lagging")
    middle = START + timedelta(days=40)
    load_window(connection, source, Window(START, middle))
    before = landed(connection, source)
    world.happen(middle - timedelta(minutes=30))
    following = next_window(connection, source, END)
    assert following is not None
    assert following.start < middle - timedelta(minutes=30)
    load_window(connection, source, following)
    late = {table: keys - before[table] for table, keys in landed(connection, source).items()}
    assert landed(connection, source) == undisturbed(connection, world, system)
    assert any(late.values())


def test_every_http_source_answers_for_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    missing = [(s, f) for s in CASES for f in FAULTS if f not in OUTCOMES.get(s, {}) or s not in MAKERS]
    assert not missing, (
        "state in OUTCOMES what the source makes of the fault, and how its world is made in MAKERS"
    )
    assert len(FAULTS) >= 10
    width = max(map(len, FAULTS))
    lines = [" " * width + "  " + "  ".join(f"{system:<17}" for system in CASES)]
    for fault in FAULTS:
        cells = ["/".join("whole" if one == WHOLE else "error" for one in OUTCOMES[s][fault]) for s in CASES]
        lines.append(f"{fault:<{width}}  " + "  ".join(f"{cell:<17}" for cell in cells))
    lines.append(f"{'clock lags':<{width}}  " + "  ".join(f"{'whole':<17}" for _ in CASES))
    with capsys.disabled():
        print("\n\nonce/always\n" + "\n".join(lines))
