"""The command that says what this machine lacks."""

from __future__ import annotations

from itertools import groupby

import typer

from mdlp_bench.cli.console import echo_json, make_console
from mdlp_bench.cli.options import JsonOption

_EXAMPLES = """Examples:\n
  mdlp-bench doctor\n
  mdlp-bench doctor --json"""


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog=_EXAMPLES)(doctor)


def doctor(as_json: JsonOption = False) -> None:
    """Check versions, weights, device and folders, and say how to get what is missing. Exit code 1 on faults.

    Nothing is downloaded or changed.
    """
    from mdlp_bench.doctor import examine

    checks = examine()
    faults = sum(check.status == "fault" for check in checks)
    if as_json:
        found = {"sound": not faults, "checks": [check.model_dump() for check in checks]}
        echo_json(found)
    else:
        console = make_console()
        width = max(len(check.name) for check in checks)
        colours = {"ok": "green", "note": "yellow", "fault": "bold red"}
        for group, members in groupby(checks, key=lambda check: check.group):
            console.print(group.capitalize(), style="bold")
            for check in members:
                console.print(f"  {check.status:5}", style=colours[check.status], end="")
                # Whole lines, so that paths and commands can be copied.
                console.print(f"  {check.name:{width}}  {check.found}", soft_wrap=True)
                if check.remedy is not None:
                    console.print(f"         {'':{width}}  -> {check.remedy}", soft_wrap=True)
        notes = sum(check.status == "note" for check in checks)
        console.print(f"faults: {faults}, notes: {notes}")
    if faults:
        raise typer.Exit(1)
