"""List what is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mdlp_bench.cli.console import echo_json, make_console, make_table
from mdlp_bench.cli.options import JsonOption

if TYPE_CHECKING:
    from mdlp_bench.methods import AnyMethod


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    group = typer.Typer(help="List methods and readers.", no_args_is_help=True)
    group.command("methods", epilog="Example:\n\n  mdlp-bench list methods --json")(list_methods)
    group.command("readers", epilog="Example:\n\n  mdlp-bench list readers --json")(list_readers)
    app.add_typer(group, name="list")


def list_methods(
    macs: Annotated[
        bool,
        typer.Option(
            "--macs", help="Also count multiply-accumulates; this runs each method and takes a minute."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show every registered method: input and output, size and cost, origin."""
    from mdlp_bench.errors import MdlpBenchError
    from mdlp_bench.methods import load_method
    from mdlp_bench.methods.registry import describe_methods

    found: dict[str, dict[str, Any]] = {}
    for name, described in describe_methods().items():
        if isinstance(described, MdlpBenchError):
            found[name] = {"unavailable": str(described)}
            continue
        found[name] = described.model_dump(mode="json")
        if macs:
            found[name]["macs"] = _macs(load_method(name))
    _show("Methods", found, _method_lines, as_json=as_json)


def list_readers(as_json: JsonOption = False) -> None:
    """Show every reader with a name: version, licence, source, and the confidence it is believed from."""
    from mdlp_bench.errors import MdlpBenchError
    from mdlp_bench.readers import load_reader, reader_names

    found: dict[str, dict[str, Any]] = {}
    for name in reader_names():
        try:
            found[name] = load_reader(name).descriptor.model_dump(mode="json")
        except MdlpBenchError as error:
            found[name] = {"unavailable": str(error)}
    _show("Readers", found, _reader_lines, as_json=as_json)


def _show(
    title: str,
    found: Mapping[str, Mapping[str, Any]],
    lines_of: Callable[[Mapping[str, Any]], list[str]],
    *,
    as_json: bool,
) -> None:
    if as_json:
        echo_json(found)
        return
    table = make_table(title, "name", "what it is")
    for name, entry in found.items():
        lines = [f"unavailable: {entry['unavailable']}"] if "unavailable" in entry else lines_of(entry)
        table.add_row(name, "\n".join(lines))
    make_console().print(table)


def _reader_lines(entry: Mapping[str, Any]) -> list[str]:
    """A reader in words: title, version, licence, the confidence it is believed from, paper."""
    believed = entry["believed_from"]
    lines = [
        f"{entry['title']}, version {entry['version']}; {entry['licence']}",
        "the confidence from which to believe it is not known"
        if believed is None
        else f"believed from a confidence of {believed:.3f}",
    ]
    return [*lines, entry["citation"]] if entry["citation"] else lines


def _method_lines(entry: Mapping[str, Any]) -> list[str]:
    """A method in words: title, frames, size and cost, licence, data, paper."""
    macs = f", {entry['macs'] / 1e9:.2f} G multiply-accumulates" if entry.get("macs") else ""
    paper = f" (the paper's network has {entry['paper_parameters']:,})" if entry["paper_parameters"] else ""
    size = f"{entry['parameters']:,} parameters{paper}{macs}; " if entry["parameters"] else ""
    lines = [
        f"{entry['title']}{', text without an image' if entry['output'] == 'text' else ''}",
        f"frames: {entry['frames_used']} ({entry['frame_policy']})",
        f"{size}{entry['licence']}, {entry['provenance']}",
    ]
    if entry["trained_on"]:
        taught = f", taught by the reader {entry['teacher']}" if entry["teacher"] else ""
        lines.append(f"trained on {', '.join(entry['trained_on'])}{taught}")
    return [*lines, entry["citation"]] if entry["citation"] else lines


def _macs(method: AnyMethod) -> int | None:
    """Multiply-accumulates for one grey sample of three frames; None without PyTorch, or for oracles."""
    import numpy as np

    from mdlp_bench.methods.base import FrameBatch, run_on
    from mdlp_bench.metrics.cost import count_macs

    if method.descriptor.provenance == "oracle":
        return None
    frames = (np.full((28, 56, 3), 128, np.uint8),) * 3
    return count_macs(lambda: run_on(method, FrameBatch(("grey",), (frames,))))
