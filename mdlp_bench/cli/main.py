"""The console script `mdlp-bench`."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

import mdlp_bench
from mdlp_bench.cli import (
    bench,
    calibrate,
    curate,
    data,
    doctor,
    gap,
    leaderboard,
    methods,
    submit,
    synth,
    train,
)
from mdlp_bench.errors import DEBUG_VARIABLE, MdlpBenchError, debug_hint, debugging, raised

app = typer.Typer(
    name="mdlp-bench",
    help="Curate licence plate restoration data, benchmark methods on it, and rank them honestly.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

curate.register(data.app)
synth.register(data.app)
app.add_typer(data.app, name="data")
app.add_typer(gap.app, name="gap")
app.add_typer(leaderboard.app, name="leaderboard")
for _module in (bench, train, calibrate, methods, submit, doctor):
    _module.register(app)


@app.command(
    "reproduce", hidden=True, context_settings={"ignore_unknown_options": True, "help_option_names": []}
)
def _reproduce(arguments: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Say where an earlier command went."""
    rest = " ".join(arguments or [])
    raise MdlpBenchError(
        "this command is a script of the repository now; run from its root: "
        f"python recipes/reproduce.py {rest}".rstrip()
    )


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mdlp-bench {mdlp_bench.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere in a command.")
    ] = False,
) -> None:
    """Options of every command."""
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"


def main() -> None:
    """Run the command line; exit code 0 done, 1 problems found in the data, 2 usage or input error."""
    if "--debug" in sys.argv:
        sys.argv.remove("--debug")
        os.environ[DEBUG_VARIABLE] = "1"
    try:
        app()
    except BrokenPipeError:
        # The reader of our output (head, less) left; that is no failure.
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        typer.secho("stopped; the same command resumes", err=True)
        sys.exit(130)
    except Exception as error:
        if debugging():
            traceback.print_exc()
        said = str(error) if isinstance(error, MdlpBenchError) else raised(error) + debug_hint()
        typer.secho(f"error: {said}", fg=typer.colors.RED, err=True)
        sys.exit(2)
