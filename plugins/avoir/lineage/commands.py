"""``avoir lineage`` and ``avoir site``."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from avoir.services import database, surroundings_here

UNKNOWN_COLUMN = 2

Profile = Annotated[str | None, typer.Option(help="demo, real or your own; AVOIR_PROFILE, else demo.")]

errors = Console(stderr=True, highlight=False)
console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)


class Format(StrEnum):
    """How columns are written."""

    TABLE = "table"
    JSON = "json"


def lineage(
    column: Annotated[str, typer.Argument(help="As mart.mart_vendor_month.credit_amount.")],
    form: Annotated[Format, typer.Option("--format", help="table or json.")] = Format.TABLE,
    downstream: Annotated[
        bool, typer.Option("--downstream", help="What is made of it, instead of where it comes from.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Show the columns between as well, not only the last of each way.")
    ] = False,
    profile: Profile = None,
) -> None:
    """Show which columns a column takes its values from, with the nearest way to each.

    Followed are values: what is only joined on or filtered by is not shown. JSON has every column. Exit code
    2: there is no such column.

    Examples:
      avoir lineage mart.mart_vendor_month.credit_amount

      avoir lineage raw_servicenow.incident.opened_at --downstream --format json
    """
    from avoir.lineage.graph import UnknownColumnError, kept_code, paths  # noqa: PLC0415

    here = surroundings_here(profile)
    with database(here) as warehouse, warehouse.connect("auditor") as connection:
        if kept_code(connection) is None:
            raise RuntimeError("no lineage is kept yet; `avoir site` reads it from the last build.")
        try:
            rows = paths(connection, column, downstream=downstream)
        except UnknownColumnError as error:
            errors.print(f"avoir: {error}", style="red", markup=False, soft_wrap=True)
            raise typer.Exit(UNKNOWN_COLUMN) from error
    if form is Format.JSON:
        print(json.dumps(rows, indent=2))
        return
    _print(rows, every=every, downstream=downstream)


def site(profile: Profile = None) -> None:
    """Make the pages of the last build (models, lineage of columns) unless they stand, and print the index.

    Every build does it by itself; this is for a new release, or after the folder was removed.

    Example: avoir site
    """
    from avoir.lineage.site import write_site  # noqa: PLC0415

    here = surroundings_here(profile)
    with database(here):
        index = write_site(here.settings)
    console.print(str(index), markup=False, soft_wrap=True)


def _print(rows: list[dict[str, Any]], *, every: bool, downstream: bool) -> None:
    if not rows:
        nothing = "it takes no column's value: a constant, a count of rows, or where data begin"
        console.print("no column takes its value" if downstream else nothing)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("goes into" if downstream else "comes from", overflow="fold")
    table.add_column("hops", justify="right")
    table.add_column("as")
    table.add_column("by way of", overflow="fold")
    for row in rows:
        if every or row["is_end"]:
            between = " > ".join(row["path"][1:-1])
            table.add_row(
                f"{row['relation']}.{row['column']}", str(row["depth"]), row["transformation"], between
            )
    console.print(table)
