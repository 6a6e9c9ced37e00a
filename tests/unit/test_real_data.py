"""What the real profile needs before it starts anything."""

from __future__ import annotations

from pathlib import Path

from avoir.real_data import REAL_DATA, missing_sets


def whole(folder: Path) -> Path:
    for one in REAL_DATA:
        for need in one.needs:
            path = folder / one.path / need.replace("*", "some")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return folder


def test_nothing_is_missing_from_a_whole_folder_and_all_from_none(tmp_path: Path) -> None:
    assert missing_sets(tmp_path / "nowhere") == list(REAL_DATA)
    assert missing_sets(whole(tmp_path)) == []


def test_a_set_without_one_of_its_files_is_missing(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    (folder / "uptime" / "upptime_curc" / "history" / "summary.json").unlink()
    (folder / "invoices" / "cii" / "some.xml").unlink()
    assert [one.path for one in missing_sets(folder)] == ["uptime/upptime_curc", "invoices/cii"]


def test_every_set_names_its_origin_and_licence() -> None:
    assert len(REAL_DATA) == 6
    assert all(one.needs and "(" in one.origin for one in REAL_DATA)
