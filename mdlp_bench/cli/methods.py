"""List what is installed."""

from __future__ import annotations

import json

import typer

from mdlp_bench.cli.options import JsonOption


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    group = typer.Typer(help="List methods and readers.", no_args_is_help=True)
    group.command("methods", epilog="Example:\n\n  mdlp-bench list methods --json")(list_methods)
    app.add_typer(group, name="list")


def list_methods(as_json: JsonOption = False) -> None:
    """Show every registered method with its frames, parameters, licence, provenance and training data."""
    from rich.console import Console
    from rich.table import Table

    from mdlp_bench.errors import MdlpBenchError
    from mdlp_bench.methods import MethodDescriptor, load_method, registered_methods

    found: dict[str, MethodDescriptor | str] = {}
    for name in registered_methods():
        try:
            found[name] = load_method(name).descriptor
        except MdlpBenchError as error:
            found[name] = str(error)
    if as_json:
        listed = {
            k: {"unavailable": v} if isinstance(v, str) else v.model_dump(mode="json")
            for k, v in found.items()
        }
        typer.echo(json.dumps(listed, ensure_ascii=False, indent=2))
        return
    table = Table(
        "name", "title", "frames", "parameters", "licence", "provenance", "trained on", title="Methods"
    )
    for name, entry in found.items():
        if isinstance(entry, str):
            table.add_row(name, f"[yellow]unavailable:[/] {entry}")
            continue
        table.add_row(
            name,
            entry.title,
            f"{entry.frames_used} ({entry.frame_policy})",
            f"{entry.parameters:,}",
            entry.licence,
            entry.provenance,
            ", ".join(entry.trained_on) or "-",
        )
    Console().print(table)
