"""What was measured, as a file for programs and as a page for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """One piece of work beside its bound and its peer, in CPU-seconds of Postgres.

    Attributes:
        name: the piece.
        rows: how many rows it had to read or to answer for.
        cpu_s: what ours took.
        bound: what the bound is: work that no way of doing it can avoid.
        bound_cpu_s: what the bound took.
        peer: what the peer is: how the work is usually done.
        peer_cpu_s: what the peer took, scaled to all rows where it ran on a sample.
        wrong: answers that differ from the exact ones, of those that were compared.
        peak_mb: the most private memory of the process that did it.
        note: what a reader must know to judge the figures.
        most_of_bound: the goal: at most so many times the bound.
        least_of_peer: the goal: at least so many times cheaper than the peer.
        plan: the nodes of the plan, or what else says where the time goes.
        also_missed: a goal beyond these that was missed, in words.
    """

    name: str
    rows: int
    cpu_s: float
    bound: str | None = None
    bound_cpu_s: float | None = None
    peer: str | None = None
    peer_cpu_s: float | None = None
    wrong: int | None = None
    peak_mb: float | None = None
    note: str = ""
    most_of_bound: float | None = None
    least_of_peer: float | None = None
    plan: str | None = None
    also_missed: str | None = None

    @property
    def ratio_to_bound(self) -> float | None:
        """How many times the bound ours took."""
        return None if self.bound_cpu_s is None else round(self.cpu_s / self.bound_cpu_s, 3)

    @property
    def ratio_to_peer(self) -> float | None:
        """How many times cheaper than the peer ours was."""
        return None if self.peer_cpu_s is None else round(self.peer_cpu_s / self.cpu_s, 1)

    @property
    def missed(self) -> list[str]:
        """The goals that were not reached, in words."""
        told = []
        of_bound, of_peer = self.ratio_to_bound, self.ratio_to_peer
        if self.most_of_bound is not None and of_bound is not None and of_bound > self.most_of_bound:
            told.append(f"{of_bound:g} times its bound, at most {self.most_of_bound:g} wanted")
        if self.least_of_peer is not None and of_peer is not None and of_peer < self.least_of_peer:
            told.append(f"{of_peer:g} times cheaper than its peer, at least {self.least_of_peer:g} wanted")
        if self.wrong:
            told.append(f"{self.wrong} wrong")
        if self.also_missed:
            told.append(self.also_missed)
        return told

    def written(self) -> dict[str, object]:
        """The object of results.json."""
        values = asdict(self)
        for name in ("most_of_bound", "least_of_peer", "plan", "also_missed"):
            del values[name]
        for name, digits in (("cpu_s", 3), ("bound_cpu_s", 3), ("peer_cpu_s", 3), ("peak_mb", 0)):
            if values[name] is not None:
                values[name] = round(values[name], digits)
        return values | {"ratio_to_bound": self.ratio_to_bound, "ratio_to_peer": self.ratio_to_peer}


def write(results: Sequence[Result], out: Path, page: str) -> None:
    """Write results.json and results.md into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps([one.written() for one in results], indent=2) + "\n")
    (out / "results.md").write_text(page)


def page(results: Sequence[Result], *, command: str, machine: str, goals: bool) -> str:
    """The page for people; goals are told where there was enough data for them to mean something."""
    lines = [
        "# Clocks and availability, measured",
        "",
        f"`{command}` on {machine}.",
        "",
        "CPU-seconds of Postgres, the least of three runs in turn where one takes less than twenty seconds;",
        "one process per statement, no JIT, `work_mem` 512 MB. Memory is the most that the process held for",
        "itself (RssAnon), without shared buffers. A ratio to the bound says how many times the unavoidable",
        "work ours takes; a ratio to the peer, how many times cheaper ours is than the usual way.",
        "",
        "| piece | rows | ours | bound | ours / bound | peer | peer / ours | wrong | MB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| `{one.name}` | {one.rows:,} | {_seconds(one.cpu_s)} | {_seconds(one.bound_cpu_s)} "
        f"| {_ratio(one.ratio_to_bound)} | {_seconds(one.peer_cpu_s)} | {_ratio(one.ratio_to_peer)} "
        f"| {_whole(one.wrong)} | {_whole(one.peak_mb)} |"
        for one in results
    ]
    lines += ["", "## What each is", ""]
    for one in results:
        told = [f"bound: {one.bound}" if one.bound else "", f"peer: {one.peer}" if one.peer else "", one.note]
        lines.append(f"- `{one.name}`: {'; '.join(part for part in told if part)}.")
    missed = [one for one in results if goals and one.missed]
    if missed:
        lines += ["", "## Goals that were missed, and where the time goes", ""]
    for one in missed:
        lines += [f"`{one.name}`: {'; '.join(one.missed)}.", ""]
        if one.plan:
            lines += ["```", one.plan, "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}" if value < 10 else f"{value:,.0f}"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
