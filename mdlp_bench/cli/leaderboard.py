"""The leaderboard commands: pack, validate, run, add, check, build, serve, export."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdlp_bench.cli.console import counted, opened
from mdlp_bench.cli.options import (
    DEFAULT_LPIPS,
    DeviceOption,
    LabelsOption,
    LpipsOption,
    OldTestSet,
    OrderOption,
    PrecisionOption,
    ReaderOption,
    ScoringPrecisionOption,
    SeedOption,
    SplitOption,
    TestSetArgument,
    WorkersOption,
    moved,
    required,
)

if TYPE_CHECKING:
    from mdlp_bench.data import Samples
    from mdlp_bench.harness.plan import ScoringPlan

app = typer.Typer(
    help="Submit predictions, recompute their scores, rank them, and build the site.", no_args_is_help=True
)

SubmissionArgument = Annotated[Path, typer.Argument(help="A submission zip.", show_default=False)]

_PACK_EXAMPLES = """Examples:\n
  mdlp-bench leaderboard pack preds/mine --init --form submission.yaml -o mine.zip\n
  mdlp-bench leaderboard pack preds/mine --template form.yaml --run runs/mine\n
  mdlp-bench leaderboard pack preds/mine --form form.yaml -o mine.zip"""


@app.command(epilog=_PACK_EXAMPLES)
def pack(
    predictions: Annotated[
        Path,
        typer.Argument(
            help="The folder that `predict` wrote, or a folder of <sample_id>.png.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The zip to write. Required without --template.")
    ] = None,
    form: Annotated[
        Path | None, typer.Option("--form", help="The form.", show_default="PREDICTIONS/submission.yaml")
    ] = None,
    init: Annotated[
        bool,
        typer.Option("--init", help="Ask for the fields that --set does not give, and write the form first."),
    ] = False,
    template: Annotated[
        Path | None,
        typer.Option("--template", help="Only write the form there, to be filled in with an editor."),
    ] = None,
    answers: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="FIELD=ANSWER", help="With --init or --template: a field's answer; repeat."
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", help="With --init or --template: claim the scores of this run folder."),
    ] = None,
) -> None:
    """Pack predictions and their form as a submission."""
    from mdlp_bench.errors import SubmissionError
    from mdlp_bench.files import write_text
    from mdlp_bench.leaderboard.submission import pack as packing
    from mdlp_bench.leaderboard.submission.form import SUBMISSION_FILE

    parts = [answer.partition("=") for answer in answers or ()]
    if wrong := [field for field, sign, _ in parts if not sign]:
        raise SubmissionError(f"--set {wrong[0]}: write FIELD=ANSWER, e.g. --set contact=me@example.org")
    given = {field.strip(): answer for field, _, answer in parts}
    if given and not (init or template):
        raise SubmissionError("--set goes with --init or --template; edit an existing form")
    if template is not None:
        write_text(template, packing.template(predictions, run, given))
        typer.echo(f"form to fill in: {template}")
        typer.echo(f"then: mdlp-bench leaderboard pack {predictions} --form {template} -o OUT.zip")
        return
    target = required(out, "-o OUT.zip")
    path = form or predictions / SUBMISSION_FILE
    if init:
        filled = packing.interview(
            predictions,
            run,
            _asker(),
            lambda reason: typer.secho(reason, fg=typer.colors.YELLOW, err=True),
            given,
        )
        write_text(path, filled.to_yaml())
        typer.echo(f"form written: {path}")
    submission = packing.pack(predictions, path, target)
    typer.echo(
        f"{submission.method} {submission.version} packed: {target} ({target.stat().st_size / 2**20:.1f} MB)"
    )


_PATIENCE_S = 20.0


def _asker() -> Callable[[str, str, str], str]:
    """How to ask: prompts on a terminal, elsewhere lines of standard input, with a limit on the waiting."""
    from mdlp_bench.errors import SubmissionError

    if sys.stdin.isatty():
        return lambda _, question, default: str(
            typer.prompt(question, default=default, show_default=bool(default))
        )
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()

    def take(name: str, question: str, default: str) -> str:
        try:
            line = lines.get(timeout=_PATIENCE_S)
        except queue.Empty:
            line = ""
        if not line:
            raise SubmissionError(
                f"{name} ({question}): no answer, and no terminal to ask on; "
                f"give --set {name}=ANSWER, or fill in what --template form.yaml writes"
            )
        return line.strip() or default

    return take


_STORE = Path("leaderboard")

_VALIDATE_EXAMPLES = """Examples:\n
  mdlp-bench leaderboard validate mine.zip\n
  mdlp-bench leaderboard validate mine.zip DATA --split test"""


@app.command(epilog=_VALIDATE_EXAMPLES)
def validate(
    archive: SubmissionArgument,
    data: Annotated[
        Path | None,
        typer.Argument(help="The test set, to check that every sample is there.", show_default=False),
    ] = None,
    dataset: OldTestSet = None,
    split: SplitOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            help="Also name the store's board of this test set, or how the set differs from a board's.",
            file_okay=False,
            show_default="leaderboard, where it is",
        ),
    ] = None,
) -> None:
    """Check a submission; every fault is named with its remedy (exit code 1)."""
    from mdlp_bench.errors import ProtocolError
    from mdlp_bench.leaderboard.dataset_cards import bound
    from mdlp_bench.leaderboard.store import Store
    from mdlp_bench.leaderboard.submission.validate import validate as check

    test_set = moved(data, dataset, "DATA after the submission", "--dataset DATA")
    samples = None if test_set is None else opened(test_set, split=split, order=order, labels=labels)
    board, difference = "", None
    if samples is not None and (store is not None or (_STORE / "datasets").is_dir()):
        board_store = Store.existing(store or _STORE)
        try:
            slug, samples = bound(board_store, samples)
            has_board = board_store.dataset_folder(slug).is_dir()
            board = f", for {'the' if has_board else 'a new'} board {samples.name}"
        except ProtocolError as error:
            difference = error
    report = check(archive, None if samples is None else samples.sample_ids)
    if samples is not None and difference is not None:
        report.faults.add_error("test-set", samples.name, difference)
    if report.valid:
        typer.echo(f"{report}{board}")
        return
    for line in report.faults.lines():
        typer.echo(line)
    typer.secho(counted(len(report.faults), "fault"), fg=typer.colors.RED, err=True)
    raise typer.Exit(1)


StoreOption = Annotated[
    Path, typer.Option("--store", help="The folder that holds entries/ and datasets/.", file_okay=False)
]


def _test_set(data: Path | None, old: Path | None) -> Path:
    return required(moved(data, old, "DATA", "--dataset DATA"), "DATA, the test set,")


def _opened_to_score(
    test_set: Path,
    split: str | None,
    order: str | None,
    labels: Path | None,
    readers: list[str] | None,
    lpips: str,
    device: str,
    precision: str,
) -> tuple[Samples, ScoringPlan]:
    """A test set and how entries of it are scored; names and device are checked before anything is read."""
    from mdlp_bench.device import Compute
    from mdlp_bench.harness.plan import ScoringPlan

    ScoringPlan.check_names(readers, lpips)
    scoring = Compute.for_scoring(device, precision)
    samples = opened(test_set, split=split, order=order, labels=labels)
    return samples, ScoringPlan.from_names(readers, lpips, device=scoring.device, samples=samples)


_NEW_EXAMPLES = """Examples:\n
  mdlp-bench leaderboard new LPBlur DATA --labels labels.csv --about "Real blurred plates"\n
  mdlp-bench leaderboard new MDLP DATA --split test --no-texts --source https://example.org"""


@app.command("new", epilog=_NEW_EXAMPLES)
def new_board(
    name: Annotated[str, typer.Argument(help="The board's name.", show_default=False)],
    data: TestSetArgument = None,
    dataset: OldTestSet = None,
    split: SplitOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    store: StoreOption = _STORE,
    reader: ReaderOption = None,
    about: Annotated[str, typer.Option("--about", help="What the board is for, in one sentence.")] = "",
    source: Annotated[str, typer.Option("--source", help="Where to get the data set.")] = "",
    sibling: Annotated[
        list[str] | None,
        typer.Option("--sibling", help="A data set with plates or pictures in common; may be repeated."),
    ] = None,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="Keep and show small pictures of up to 48 samples.")
    ] = False,
    no_texts: Annotated[bool, typer.Option("--no-texts", help="Do not keep the plates' texts.")] = False,
) -> None:
    """Make a board of a data set, also of one that may not be redistributed.

    The store then holds ids, hashes of the pictures, texts, readings and scores. Whoever has the data set can
    add to the board and recompute it, because the pictures are recognised by their hashes.
    """
    from mdlp_bench.harness.plan import ScoringPlan
    from mdlp_bench.leaderboard.dataset_cards import make_board
    from mdlp_bench.leaderboard.store import Store

    ScoringPlan.check_names(reader, "none")
    samples = opened(_test_set(data, dataset), split=split, order=order, labels=labels)
    card = make_board(
        Store(store),
        name,
        samples,
        ScoringPlan.from_names(reader, "none", samples=samples).readers,
        about=about,
        source=source,
        siblings=sibling or (),
        thumbnails=thumbnails,
        texts=not no_texts,
    )
    size = f"{counted(card.n_samples, 'sample')} of {counted(card.n_plates, 'plate')}"
    typer.echo(f"{card.name}: {size}, {card.fingerprint[:8]}")
    typer.echo(f"stored: {Store(store).dataset_folder(card.slug)}")


_ADD_EXAMPLES = """Examples:\n
  mdlp-bench leaderboard add mine.zip DATA --split test\n
  mdlp-bench leaderboard add mine.zip DATA --reader crnn --reader ppocrv4 --report comment.md"""


@app.command(epilog=_ADD_EXAMPLES)
def add(
    archive: SubmissionArgument,
    data: TestSetArgument = None,
    dataset: OldTestSet = None,
    split: SplitOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    store: StoreOption = _STORE,
    reader: ReaderOption = None,
    lpips: LpipsOption = DEFAULT_LPIPS,
    device: DeviceOption = "cpu",
    precision: ScoringPrecisionOption = "fp32",
    report: Annotated[
        Path | None, typer.Option("--report", help="Also write the result as Markdown.")
    ] = None,
) -> None:
    """Recompute a submission's scores, store it as an entry, and rank it."""
    from mdlp_bench.errors import SubmissionError
    from mdlp_bench.files import write_text
    from mdlp_bench.leaderboard.add import add as add_entry
    from mdlp_bench.leaderboard.report import report as write_report
    from mdlp_bench.leaderboard.store import Store

    if not archive.is_file():
        raise SubmissionError(f"{archive}: no such file; name the zip that `leaderboard pack` wrote")
    test_set = _test_set(data, dataset)
    samples, plan = _opened_to_score(test_set, split, order, labels, reader, lpips, device, precision)
    board_store = Store(store)
    entry = add_entry(board_store, archive, samples, plan)
    text = write_report(board_store, entry)
    if report is not None:
        write_text(report, text)
    typer.echo(text)
    typer.echo(f"stored: {entry.folder}")


_ADD_BENCH_EXAMPLES = """Example:\n
  mdlp-bench leaderboard add-bench demo demo/data --split test"""


@app.command("add-bench", epilog=_ADD_BENCH_EXAMPLES)
def add_bench(
    folder: Annotated[
        Path,
        typer.Argument(help="The folder that `bench` or `demo` wrote.", show_default=False),
    ],
    data: TestSetArgument = None,
    dataset: OldTestSet = None,
    split: SplitOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    store: StoreOption = _STORE,
    reader: ReaderOption = None,
    lpips: LpipsOption = DEFAULT_LPIPS,
    device: DeviceOption = "cpu",
    precision: ScoringPrecisionOption = "fp32",
    parts_of: Annotated[
        str | None,
        typer.Option("--parts-of", help="Methods whose names begin with this one's are its ablations."),
    ] = None,
    workers: WorkersOption = None,
) -> None:
    """Pack, validate and add every method of a bench; entries that are there already are left alone.

    The bench may have been made on more samples than the test set has.
    """
    from mdlp_bench.engine import LocalEngine
    from mdlp_bench.leaderboard.bundled_entries import add_references
    from mdlp_bench.leaderboard.store import Store

    test_set = _test_set(data, dataset)
    samples, plan = _opened_to_score(test_set, split, order, labels, reader, lpips, device, precision)
    added = add_references(
        Store(store), folder, samples, plan, parts_of=parts_of, engine=LocalEngine(workers or 1)
    )
    for entry in added:
        typer.echo(f"{entry.key}: {entry.folder}")
    typer.echo(f"{counted(len(added), 'entry', 'entries')} added")


@app.command()
def deprecate(
    method: Annotated[str, typer.Argument(help="The method's name in paths.", show_default=False)],
    version: Annotated[str, typer.Argument(help="Its version.", show_default=False)],
    reason: Annotated[str, typer.Option("--reason", help="Why; shown on the method's page.")],
    store: StoreOption = _STORE,
) -> None:
    """Withdraw a version: it is no longer ranked, but its entries stay."""
    from mdlp_bench.leaderboard.add import deprecate as withdraw
    from mdlp_bench.leaderboard.store import Store

    withdraw(Store.existing(store), method, version, reason)
    typer.echo(f"{method} {version} is withdrawn")


_CHECK_EXAMPLES = """Examples:\n
  mdlp-bench leaderboard check\n
  mdlp-bench leaderboard check --store theirs/leaderboard --since leaderboard\n
  mdlp-bench leaderboard check --recompute archives --dataset DATA --split test"""


@app.command(epilog=_CHECK_EXAMPLES)
def check(
    store: StoreOption = _STORE,
    since: Annotated[
        Path | None,
        typer.Option(
            "--since", help="An earlier copy of the store, none of which may have changed.", file_okay=False
        ),
    ] = None,
    archives: Annotated[
        Path | None,
        typer.Option(
            "--recompute", help="Also score these archives again (a folder, or one); needs --dataset."
        ),
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", "-d", help="The test set, with --recompute.")
    ] = None,
    split: SplitOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
) -> None:
    """Check a store as a whole: its chain and files, and every number derived again from the samples.

    With --recompute the entries whose archives are at hand are scored again, pictures and readings included.
    """
    from mdlp_bench.errors import SubmissionError
    from mdlp_bench.leaderboard.store import Store
    from mdlp_bench.leaderboard.store_integrity import check_store

    existing = Store.existing(store)
    lines = list(check_store(existing, since).lines())
    recomputed = ""
    if archives is not None:
        from mdlp_bench.leaderboard.recompute import recompute

        if dataset is None:
            raise SubmissionError("archives are scored on their test set; give --dataset")
        if not archives.exists():
            raise SubmissionError(f"{archives}: no such file or folder; name one that holds archives")
        samples = opened(dataset, split=split, order=order, labels=labels)
        n, faults = recompute(existing, samples, archives)
        lines += faults.lines()
        recomputed = f", {n:,} entries scored again"
    for line in lines:
        typer.echo(line)
    if lines:
        raise typer.Exit(1)
    typer.echo(f"{store}: sound{recomputed}")


_BUILD_EXAMPLES = """Example:\n
  mdlp-bench leaderboard build -o site"""


@app.command(epilog=_BUILD_EXAMPLES)
def build(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the site.")] = Path("site"),
    store: StoreOption = _STORE,
) -> None:
    """Rank everything again and write the static site; it opens from disk and below any address."""
    from mdlp_bench.leaderboard.site import build_site
    from mdlp_bench.leaderboard.store import Store

    n_pages = build_site(Store.existing(store), out)
    typer.echo(f"{n_pages} pages: {out / 'index.html'}")


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(help="A built site.")] = Path("site"),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 for any free one.")] = 8000,
) -> None:
    """Show a built site on this machine only; stop with Ctrl-C."""
    from mdlp_bench.leaderboard.site import serve as make_server

    with make_server(folder, port) as server:
        typer.echo(f"http://127.0.0.1:{server.server_port}/")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("stopped")


_RUN_EXAMPLES = """Examples:\n
  mdlp-bench leaderboard run my_method.py:restore DATA --split test -o preds/mine\n
  mdlp-bench leaderboard run my_net.py:build=my_weights.pth DATA --split test -o preds/net --seconds 600"""


@app.command(epilog=_RUN_EXAMPLES)
def run(
    method: Annotated[
        str,
        typer.Argument(
            help="file.py:function, a registered method, or either with =WEIGHTS.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The prediction folder.")],
    data: TestSetArgument = None,
    dataset: OldTestSet = None,
    split: SplitOption = None,
    order: OrderOption = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Time for everything.")] = 3600,
    megabytes: Annotated[int, typer.Option("--megabytes", min=100, help="Memory of each process.")] = 8192,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
    precision: PrecisionOption = "fp32",
) -> None:
    """Predict with a submitted method in a separate process with limited time and memory.

    It sees frames only. This is NOT a sandbox: the file can do what you can. Run strangers' code in a
    container without network.
    """
    from mdlp_bench.device import Compute
    from mdlp_bench.leaderboard.isolated import run_isolated

    test_set = _test_set(data, dataset)
    compute = Compute.resolve(device, precision)
    samples = opened(test_set, split=split, order=order)
    found = run_isolated(
        method, samples, out, seconds=seconds, megabytes=megabytes, seed=seed, compute=compute
    )
    typer.echo(
        f"{counted(found.record.dataset.n_samples, 'sample')} restored, {found.record.n_failed} failed: {out}"
    )


_EXPORT_EXAMPLES = """Examples:\n
  mdlp-bench leaderboard export -o board.csv\n
  mdlp-bench leaderboard export -o board.tex --board BOARD\n
  mdlp-bench leaderboard export -o cites.bib\n
  mdlp-bench leaderboard export -o .eval_results/plates.yaml --method srcnn --hub-dataset owner/plates\n
  mdlp-bench leaderboard export -o README.md --method srcnn --hub-dataset owner/plates\n
  mdlp-bench leaderboard export DATA -o bundle.zip --split test"""


@app.command(epilog=_EXPORT_EXAMPLES)
def export(
    data: TestSetArgument = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="What to write: .csv, .tex, .md, .html (board), .bib, .yaml (.eval_results) or .md "
            "(model-index) with --method, .zip (a Codabench bundle of the test set DATA). Required.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = _STORE,
    board: Annotated[
        str | None, typer.Option("--board", help="Address of the board.", show_default="the first")
    ] = None,
    method: Annotated[str | None, typer.Option("--method", help="One method's scores.")] = None,
    hub_dataset: Annotated[
        str | None, typer.Option("--hub-dataset", help="owner/name of the data set on the hub.")
    ] = None,
    dataset: OldTestSet = None,
    split: SplitOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    title: Annotated[str, typer.Option("--title", help="Title of a bundle.")] = "Licence plate restoration",
    image: Annotated[str, typer.Option("--image", help="Docker image of a bundle.")] = "mdlp-bench:latest",
    reader: ReaderOption = None,
    lpips: LpipsOption = DEFAULT_LPIPS,
) -> None:
    """Write a board or a method's scores for a paper, the Hugging Face hub or Codabench."""
    from mdlp_bench.errors import SubmissionError
    from mdlp_bench.files import write_text
    from mdlp_bench.leaderboard.export import bibtex, board_table, eval_results, model_index, write_codabench
    from mdlp_bench.leaderboard.store import Store

    # Version 0.1 took OUT as the argument.
    old = data if data is not None and out is None and not data.is_dir() else None
    out = required(moved(out, old, "-o OUT", "OUT"), "-o OUT")
    test_set = moved(None if old is not None else data, dataset, "DATA", "--dataset DATA")
    if out.suffix == ".zip":
        if test_set is None:
            raise SubmissionError("a Codabench bundle needs its test set: leaderboard export DATA -o x.zip")
        write_codabench(
            opened(test_set, split=split, order=order, labels=labels),
            out,
            title=title,
            image=image,
            readers=reader,
            lpips=lpips,
        )
    else:
        from mdlp_bench.leaderboard.boards import find_board

        chosen = find_board(Store.existing(store), board)
        if method is not None:
            if hub_dataset is None:
                raise SubmissionError("a method's scores name their data set; give --hub-dataset owner/name")
            row = chosen.row(method)
            write = eval_results if out.suffix in (".yaml", ".yml") else model_index
            write_text(out, write(chosen, row, hub_dataset))
        elif out.suffix == ".bib":
            write_text(out, bibtex(chosen))
        else:
            from mdlp_bench.harness.tables import write_table

            write_table(board_table(chosen), out)
    typer.echo(f"written: {out}")


@app.command("test-set")
def test_set(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write; new or unfinished.")],
    plates: Annotated[int, typer.Option("--plates", min=2, help="How many; the board has 200.")] = 200,
) -> None:
    """Write the test set of the bundled board, which is the demo's: the same pictures on every machine."""
    from mdlp_bench.harness.demo import write_test_set

    write_test_set(out, plates)
    typer.echo(f"{counted(plates, 'plate')}: {out}")
