"""Readers beside a publication: never half a month, and nobody waits for anybody."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

import psycopg
import pytest

from avoir import publishing
from avoir.publishing import MartHeldError
from tests.warehouse.conftest import MONTHS, VENDORS, PublishedWarehouse

READS = 10_000
READERS = 4
PUBLICATIONS = 24
LONGEST_WAIT_SECONDS = 2.0
"""A read takes milliseconds; the rest is two cores shared with a publication and whatever else runs."""

# Each planted version writes its tag into every table, and moves every credit by the same amount, so
# that rows of two versions cannot agree with each other.
PLANT = """
update penalties.fct_penalty_lines set subject_name = %(tag)s, credit_amount = credit_amount + %(step)s;
update candidate.mart_vendor_month
set vendor_name = %(tag)s, credit_amount = credit_amount + %(step)s * penalty_line_count;
update candidate.dim_vendors set vendor_name = %(tag)s;
update candidate.dim_contracts set contract_name = %(tag)s;
update candidate.dim_services set service_name = %(tag)s
"""

SUMS = """
select vendor_id, month_date, currency, count(*) as line_count, sum(credit_amount) as credit_amount,
    array_agg(distinct subject_name) as tags
from mart.fct_penalty_lines group by vendor_id, month_date, currency
"""
LATEST = """
select distinct on (vendor_id, month_date, currency) split_part(run_id, ' ', 2) as tag
from mart.publication_log where verdict = 'published' and run_id like 'version %'
order by vendor_id, month_date, currency, publication_no desc
"""
DIMENSIONS = """
select vendor_name as tag from mart.dim_vendors
union select contract_name from mart.dim_contracts
union select service_name from mart.dim_services
"""
ONE_STATEMENT = f"""
with sums as ({SUMS}), latest as ({LATEST}), dimensions as ({DIMENSIONS}),
tags as (
    select vendor_name as tag from mart.mart_vendor_month
    union select unnest(tags) from sums union select tag from latest union select tag from dimensions
)
select
    (select array_agg(tag order by tag) from tags),
    (select count(*) from mart.mart_vendor_month),
    (
        select count(*) from mart.mart_vendor_month m left join sums s using (vendor_id, month_date, currency)
        where m.credit_amount <> coalesce(s.credit_amount, 0)
            or m.penalty_line_count <> coalesce(s.line_count, 0)
    )
"""


@dataclass
class Seen:
    """What the readers saw: how long each read took, what was mixed, what failed."""

    seconds: list[float] = field(default_factory=list)
    mixed: list[object] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    errors: list[BaseException] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def read_once(connection: psycopg.Connection) -> tuple[list[str], int, int]:
    """The versions that one statement saw, how many months, and how many of these do not add up."""
    tags, months, differing = connection.execute(ONE_STATEMENT).fetchone() or ([], 0, 0)
    connection.rollback()
    return tags, months, differing


def read_in_a_transaction(connection: psycopg.Connection) -> tuple[list[str], int, int]:
    """The same over a transaction of four statements, as a dashboard asks."""
    months = connection.execute(
        "select vendor_id, month_date, currency, vendor_name, credit_amount from mart.mart_vendor_month"
    ).fetchall()
    dimensions = connection.execute(DIMENSIONS).fetchall()
    sums = {(v, m, c): (amount, tags) for v, m, c, _, amount, tags in connection.execute(SUMS)}
    latest = connection.execute(LATEST).fetchall()
    connection.rollback()
    tags = {tag for (tag,) in (*dimensions, *latest)} | {month[3] for month in months}
    tags |= {tag for _, several in sums.values() for tag in several}
    differing = [month for month in months if month[4] != (sums[month[:3]][0] if month[:3] in sums else 0)]
    return sorted(tags), len(months), len(differing)


def read_until(published: PublishedWarehouse, stop: threading.Event, seen: Seen) -> None:
    """Read as one dashboard's connection, statements and transactions in turn."""
    try:
        with published.connect("bi_reader") as connection:
            for number in count():
                if stop.is_set():
                    return
                began = time.monotonic()
                read = read_once if number % 2 else read_in_a_transaction
                tags, months, differing = read(connection)
                seen.seconds.append(time.monotonic() - began)
                seen.versions.update(tags)
                if len(tags) != 1 or months != len(VENDORS) * MONTHS or differing:
                    seen.mixed.append((read.__name__, tags, months, differing))
    except psycopg.Error as error:
        seen.errors.append(error)


@pytest.fixture(scope="module")
def planted(published: PublishedWarehouse) -> PublishedWarehouse:
    """Two versions to publish in turns; the first of them is published."""
    with published.connect("avoir_transformer") as connection:
        lines = connection.execute("select count(*) from mart.fct_penalty_lines").fetchone()
        assert lines is not None
        assert lines[0] > 10, "sums of no lines would agree whatever happens"
    publish_version(published, 0)
    return published


_runs = count()


def publish_version(published: PublishedWarehouse, turn: int) -> dict[str, int]:
    """Plant version A or B among the candidates and publish it."""
    tag = "AB"[turn % 2]
    with published.connect("avoir_transformer") as connection:
        tags = connection.execute("select min(vendor_name) from candidate.dim_vendors").fetchone()
        if tags != (tag,):
            step = Decimal(0 if tags not in {("A",), ("B",)} else 1 if tag == "B" else -1)
            for statement in PLANT.split(";"):
                connection.execute(statement, {"tag": tag, "step": step})
    verdicts = published.publish_again(f"version {tag} {next(_runs)}")
    shown = verdicts.get("published", 0) + verdicts.get("unchanged", 0)
    assert shown == len(VENDORS) * MONTHS, verdicts
    return verdicts


def read_beside_publications(
    published: PublishedWarehouse, *, reads: int, publications: int
) -> tuple[Seen, int]:
    """Readers at work while versions are published in turns, until there were so many of both."""
    publish_version(published, 0)
    seen, stop, turns = Seen(), threading.Event(), 0
    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(read_until, published, stop, seen) for _ in range(READERS)]
        try:
            while (len(seen.seconds) < reads or turns < publications) and not seen.errors:
                turns += 1
                publish_version(published, turns)
        finally:
            stop.set()
        for reader in readers:
            reader.result()
    return seen, turns


def test_ten_thousand_reads_beside_publications_never_see_half_a_version(
    planted: PublishedWarehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    seen, publications = read_beside_publications(planted, reads=READS, publications=PUBLICATIONS)
    with capsys.disabled():
        print(
            f"\n{len(seen.seconds)} reads beside {publications} publications: "
            f"median {seen.quantile(0.5) * 1000:.1f} ms, p99 {seen.quantile(0.99) * 1000:.1f} ms, "
            f"longest {max(seen.seconds) * 1000:.1f} ms"
        )
    assert seen.errors == []
    assert seen.mixed == []
    assert len(seen.seconds) >= READS
    assert publications >= PUBLICATIONS
    assert seen.versions == {"A", "B"}
    assert max(seen.seconds) < LONGEST_WAIT_SECONDS


def test_a_publication_in_two_transactions_would_be_seen(
    planted: PublishedWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = publishing._replace_month

    def halves(connection: psycopg.Connection, *key: object) -> None:
        whole(connection, *key)
        connection.execute("commit")
        connection.execute("begin")

    monkeypatch.setattr(publishing, "_replace_month", halves)
    seen, _ = read_beside_publications(planted, reads=READS // 20, publications=2)
    assert seen.mixed, "readers must notice a publication that commits month by month"
    monkeypatch.undo()
    publish_version(planted, 0)


@contextmanager
def reading(published: PublishedWarehouse) -> Iterator[psycopg.Connection]:
    """A reader who keeps a transaction open over every published table."""
    with published.connect("bi_reader") as connection:
        connection.execute(ONE_STATEMENT)
        yield connection
        connection.rollback()


def test_a_long_reader_delays_no_publication_and_keeps_what_it_saw(planted: PublishedWarehouse) -> None:
    publish_version(planted, 0)
    with reading(planted) as connection:
        began = time.monotonic()
        publish_version(planted, 1)
        assert time.monotonic() - began < LONGEST_WAIT_SECONDS
        row = connection.execute(ONE_STATEMENT).fetchone()
        assert row is not None
        assert row[0] == ["A"], "its snapshot, as repeatable read has it"
    with planted.connect("bi_reader") as connection:
        assert read_once(connection)[0] == ["B"]


def test_a_publisher_stuck_halfway_delays_no_reader(
    planted: PublishedWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_version(planted, 0)
    whole, halfway, go_on = publishing._replace_month, threading.Event(), threading.Event()

    def stuck(connection: psycopg.Connection, *key: object) -> None:
        whole(connection, *key)
        halfway.set()
        assert go_on.wait(60)

    monkeypatch.setattr(publishing, "_replace_month", stuck)
    with ThreadPoolExecutor(1) as pool, planted.connect("bi_reader") as connection:
        publication = pool.submit(publish_version, planted, 1)
        try:
            assert halfway.wait(30)
            began = time.monotonic()
            for _ in range(100):
                assert read_once(connection) == (["A"], len(VENDORS) * MONTHS, 0)
                assert read_in_a_transaction(connection)[0] == ["A"]
            assert time.monotonic() - began < LONGEST_WAIT_SECONDS * 5
        finally:
            go_on.set()
        publication.result()
        assert read_once(connection)[0] == ["B"]


def add_candidate_column(planted: PublishedWarehouse, name: str) -> None:
    with planted.connect("avoir_transformer") as connection:
        connection.execute(f"alter table penalties.fct_penalty_lines add column {name} text")


def columns_of(planted: PublishedWarehouse) -> set[str]:
    with planted.connect("admin") as connection:
        rows = connection.execute(
            "select attname::text from pg_attribute where attrelid = 'mart.fct_penalty_lines'::regclass"
        ).fetchall()
    return {name for (name,) in rows}


def test_a_new_column_waits_for_a_long_reader_in_short_turns_and_then_says_who_it_is(
    planted: PublishedWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_version(planted, 0)
    add_candidate_column(planted, "added_first")
    monkeypatch.setattr(
        publishing, "shape_mart", functools.partial(publishing.shape_mart, patience_seconds=3)
    )
    seen, stop = Seen(), threading.Event()
    with reading(planted) as connection, ThreadPoolExecutor(1) as pool:
        others = pool.submit(read_until, planted, stop, seen)
        began = time.monotonic()
        try:
            told = rf"bi_reader \(process {connection.info.backend_pid}\) reads mart\.fct_penalty_lines"
            with pytest.raises(MartHeldError, match=told):
                publish_version(planted, 1)
        finally:
            stop.set()
        others.result()
        assert 3 <= time.monotonic() - began < 10
    assert seen.errors == []
    assert seen.mixed == []
    assert seen.versions == {"A"}, "nothing was published"
    assert len(seen.seconds) > 50
    # A reader that comes while the change waits is let through when its quarter of a second is over.
    assert max(seen.seconds) < 0.25 + LONGEST_WAIT_SECONDS
    assert "added_first" not in columns_of(planted)
    publish_version(planted, 1)
    assert "added_first" in columns_of(planted)


def test_a_new_column_is_added_as_soon_as_the_reader_has_ended(planted: PublishedWarehouse) -> None:
    publish_version(planted, 0)
    add_candidate_column(planted, "added_second")
    with ThreadPoolExecutor(1) as pool:
        with reading(planted):
            publication = pool.submit(publish_version, planted, 1)
            time.sleep(1)
            assert not publication.done()
        publication.result(timeout=20)
    assert "added_second" in columns_of(planted)
