"""Names of vendors' roles: readable where they can be, never the same for two vendors."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from avoir.roles import names_for

IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)


def test_a_plain_id_gives_a_plain_name() -> None:
    assert names_for("helios")[0] == "vendor_helios"
    assert names_for("acme_eu")[0] == "vendor_acme_eu"


def test_ids_that_would_meet_do_not() -> None:
    ids = ["acme_eu", "acme.eu", "acme-eu", "Acme_eu", "ACME_EU", "a" * 63, "a" * 62, "a" * 61 + ".b"]
    assert len({names_for(one)[0] for one in ids}) == len(ids)


@given(IDS)
def test_names_are_identifiers_that_fit(vendor_id: str) -> None:
    names = names_for(vendor_id)
    assert len(set(names)) == len(names) >= 3
    for name in names:
        assert name.startswith("vendor_")
        assert len(name.encode()) <= 63
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")


@given(IDS, IDS)
def test_two_ids_have_two_names(one: str, other: str) -> None:
    assert (one == other) == (names_for(one)[0] == names_for(other)[0])
