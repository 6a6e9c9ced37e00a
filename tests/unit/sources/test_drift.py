"""Which fields are seen of what a vendor answers, and how much of it is looked at."""

from __future__ import annotations

import json

from avoir.sources import drift
from avoir.sources.drift import FieldsSeen, PointNumber, look_at, look_at_header, watching


def seen_of(body: object, place: str = "x") -> dict[str, str]:
    seen = FieldsSeen()
    seen.look_at(place, body)
    return {
        drift._within(parent, name): ", ".join(sorted(kinds)) for (parent, name), kinds in seen.kinds.items()
    }


def test_a_field_is_known_by_where_it_stands_and_what_it_holds() -> None:
    issue = '{"key": "A-1", "fields": {"due": null, "cost": 1.5}}'
    text = f'{{"total": 2, "issues": [{issue}, {{"key": 7, "done": true}}]}}'
    assert seen_of(json.loads(text, parse_float=PointNumber)) == {
        "x:total": "number",
        "x:issues": "list",
        "x:issues[].key": "number, text",
        "x:issues[].fields": "object",
        "x:issues[].fields.due": "",
        "x:issues[].fields.cost": "number",
        "x:issues[].done": "boolean",
    }
    assert seen_of([{"id": 1}]) == {"x:[].id": "number"}


def test_a_number_with_a_point_is_the_text_it_was() -> None:
    (number,) = json.loads("[1.10]", parse_float=PointNumber)
    assert (number, str(number), json.dumps(number)) == ("1.10", "1.10", '"1.10"')


def test_what_is_looked_at_is_bounded_whatever_a_vendor_says() -> None:
    deep: object = "end"
    for _ in range(500):
        deep = {"a": deep}
    assert len(seen_of(deep)) == drift.DEEPEST + 1
    assert len(seen_of({str(number): number for number in range(10_000)})) == drift.MOST_FIELDS
    assert seen_of({"a\x00": 1, "\ud800": 1, "x" * 101: 1, "": 1}) == {}
    assert seen_of([{"early": 1}] * drift.MOST_RECORDS + [{"late": 1}]) == {"x:[].early": "number"}


def test_a_place_names_what_was_asked_for_and_no_record_of_it() -> None:
    with watching() as seen:
        look_at("https://acme.example/rest/api/3/issue/SUP-12/comment?startAt=0", None, {"a": 1})
        look_at("https://acme.example/rest/api/3/issue/SUP-13/comment?startAt=50", None, {"b": 1})
        look_at("https://acme.example/api_jsonrpc.php", {"method": "host.get", "params": {}}, {"c": 1})
        look_at_header(["id", "state"])
    assert list(seen.kinds) == [
        ("rest/api/*/issue/*/comment:", "a"),
        ("rest/api/*/issue/*/comment:", "b"),
        ("api_jsonrpc.php/host.get:", "c"),
        ("columns:[]", "id"),
        ("columns:[]", "state"),
    ]


def test_nothing_is_noted_where_nobody_watches() -> None:
    with watching() as seen:
        pass
    look_at("https://acme.example/x", None, {"a": 1})
    assert seen.kinds == {}
