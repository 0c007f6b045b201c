"""The console script `mdlp-bench`."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import Annotated

import typer
from typer.core import TyperGroup

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
from mdlp_bench.progress import shown


class _Left(BaseException):
    """Carries an exception past Typer, which would end the process without a word."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(cause)
        self.cause = cause


class _Commands(TyperGroup):
    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, BrokenPipeError) as cause:
            raise _Left(cause) from cause


app = typer.Typer(
    name="mdlp-bench",
    cls=_Commands,
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
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere in a command.")
    ] = False,
) -> None:
    """Options of every command."""
    context.with_resource(shown())
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"


def main() -> None:
    """Run the command line.

    Exit code 0: done. 1: problems found in the data. 2: usage, input or output error. 128 + n: stopped by
    signal n; what can be resumed goes on when the command is repeated.
    """
    if "--debug" in sys.argv:
        sys.argv.remove("--debug")
        os.environ[DEBUG_VARIABLE] = "1"
    for name in ("SIGTERM", "SIGHUP"):
        signum = getattr(signal, name, None)
        if signum is not None and signal.getsignal(signum) == signal.SIG_DFL:
            signal.signal(signum, _stop)
    if sys.stderr is None:
        # This also keeps its number from files that are opened later.
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - as long as the process
    sys.exit(_outcome())


def _outcome() -> int:
    """Run the command; the exit code, after one line about what went wrong."""
    if sys.stdout is None:
        return _failed("standard output is closed; send it to a file or a pipe")
    try:
        code = 0
        try:
            app()
        except SystemExit as done:
            if isinstance(done.__context__, BrokenPipeError):
                # Printing tables and help ends the process with 1 when the reader has left.
                return _left(done.__context__)
            code = done.code if isinstance(done.code, int) else 2
        sys.stdout.flush()
        return code
    except _Left as left:
        return _left(left.cause)
    except BrokenPipeError as error:
        return _left(error)
    except KeyboardInterrupt as stopped:
        return _left(stopped)
    except MdlpBenchError as error:
        return _failed(str(error), error)
    except UnicodeEncodeError as error:
        encoding = sys.stdout.encoding
        _forget_output()
        shown = error.object[error.start : error.end][:10].encode("ascii", "backslashreplace").decode()
        return _failed(f"{encoding} output cannot show {shown}; set PYTHONIOENCODING=utf-8", error)
    except OSError as error:
        _forget_output()
        said = error.strerror or raised(error)
        return _failed(f"{error.filename or 'standard output or a temporary file'}: {said}", error)
    except Exception as error:  # whatever it is, it is one line
        return _failed(raised(error) + debug_hint(), error)


def _failed(said: str, error: Exception | None = None) -> int:
    if debugging() and error is not None:
        traceback.print_exception(error)
    typer.secho(f"error: {said}", fg=typer.colors.RED, err=True)
    return 2


def _left(cause: BaseException) -> int:
    """The exit code after the user, or the reader of our output, has left."""
    if isinstance(cause, BrokenPipeError):
        # `| head` has seen enough, which is not a failure.
        _forget_output()
        return 0
    signum = cause.args[0] if cause.args else signal.SIGINT
    typer.secho("stopped; the same command resumes", err=True)
    return 128 + int(signum)


def _stop(signum: int, frame: object) -> None:
    raise KeyboardInterrupt(signum)


def _forget_output() -> None:
    """Replace an output that cannot be written to, so that closing it at the end raises no error."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - as long as the process
