"""Bundled methods as entries: their form is filled in from the record; all else is as for outsiders."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import mdlp_bench
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import SubmissionError
from mdlp_bench.files import slugify, write_text
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import Predictions
from mdlp_bench.harness.run import PredictionsRecord, Run, RunRecord
from mdlp_bench.harness.tables.latex import escape_latex
from mdlp_bench.leaderboard.add import add_all
from mdlp_bench.leaderboard.copy_detection import output_hash
from mdlp_bench.leaderboard.dataset_cards import bound
from mdlp_bench.leaderboard.store import Entry, Store
from mdlp_bench.leaderboard.submission.form import SUBMISSION_FILE, Submission
from mdlp_bench.leaderboard.submission.pack import claimed_scores, pack
from mdlp_bench.methods.base import MethodDescriptor

if TYPE_CHECKING:
    from mdlp_bench.data.samples import Samples

_AUTHORS = "The mdlp-bench developers"


def add_references(
    store: Store,
    folder: Path,
    samples: Samples,
    plan: ScoringPlan,
    *,
    parts_of: str | None = None,
    engine: Engine = SERIAL,
) -> list[Entry]:
    """Pack, validate and add every method of a bench folder; oracles and entries that exist are left alone.

    The bench may have been made on more samples than the test set has: those of the test set are taken. A
    method whose outputs are those of an entry of its own, scored under another protocol, keeps its version.

    Args:
        store: The store.
        folder: What `bench` or `demo` wrote, with `predictions/<method>` and `runs/<method>`.
        samples: The test set.
        plan: Readers and image scorers.
        parts_of: A method; the others whose names begin with its name are its ablations.
        engine: Where samples are scored.

    Raises:
        SubmissionError: There are no predictions in the folder, or none of `parts_of`.
        MdlpBenchError: As in `pack` and `add_all`.
    """
    records = {
        path.parent: PredictionsRecord.read(path.parent)
        for path in sorted((folder / "predictions").glob(f"*/{PredictionsRecord.file_name}"))
    }
    if not records:
        raise SubmissionError(f"{folder}: no predictions in it; give the folder that `bench` or `demo` wrote")
    whole = next((record.method for record in records.values() if record.method.name == parts_of), None)
    if parts_of is not None and whole is None:
        raise SubmissionError(f"{folder}: no predictions of {parts_of}, whose parts were asked for")
    slug, samples = bound(store, samples)
    known = [entry for entry in store.entries() if entry.record.dataset == slug]
    archives: list[Path] = []
    taken: dict[str, Path] = {}
    with tempfile.TemporaryDirectory(prefix="mdlp-bench-") as work:
        for path, record in records.items():
            if record.method.provenance == "oracle":
                continue
            run = _run_of(folder, record, samples, plan)
            form = reference_form(record, run, _whole(record.method, whole))
            own = [entry for entry in known if entry.method == form.slug]
            form = form.model_copy(update={"version": _version(path, own, samples.sample_ids)})
            first = taken.setdefault(form.slug, path)
            if first != path:
                raise SubmissionError(f"{path}: has the title of {first}; give one of them another")
            if store.entry_folder(form, slug).exists():
                continue
            place = Path(work) / form.slug
            write_text(place / SUBMISSION_FILE, form.to_yaml())
            archives.append(place / "submission.zip")
            pack(path, place / SUBMISSION_FILE, archives[-1], samples.sample_ids)
        return add_all(store, archives, samples, plan, engine=engine)


def reference_form(
    record: PredictionsRecord, run: Run | None = None, whole: MethodDescriptor | None = None
) -> Submission:
    """The form of a method whose predictions were made with this package.

    Args:
        record: Record of the predictions.
        run: Their scores, to be claimed; None to claim nothing.
        whole: The method that this one is a part of.
    """
    method = record.method
    seconds = record.seconds / record.dataset.n_samples
    hardware = record.environment.platform
    if record.cost is not None:
        seconds = record.cost.ms_per_image / 1000
        hardware += f", {record.cost.threads} thread{'s' if record.cost.threads != 1 else ''}"
    # Bundled methods are trained on rendered plates or on MDLP; any other training data are extra.
    rendered = {name for name in method.trained_on if "render" in name.lower()}
    extra = {name for name in method.trained_on if "mdlp" not in name.lower()} - rendered
    return Submission(
        schema_version=1,
        method=reference_name(method),
        version=mdlp_bench.__version__,
        output=method.output,
        authors=[_AUTHORS],
        contact="this project's issue tracker",
        follows=method.citation,
        teacher=method.teacher,
        license=method.licence,
        training_data=list(method.trained_on),
        uses_synthetic=bool(rendered),
        extra_data=bool(extra),
        frames_used=method.frames_used,
        n_parameters=method.parameters,
        deterministic=method.deterministic,
        seed=None if method.deterministic else record.seed,
        hardware=hardware,
        runtime_per_image_s=round(seconds, 6) if seconds >= 1e-6 else None,
        device="cpu" if record.device == "cpu" else "gpu",
        claimed={} if run is None else claimed_scores(run),
        bibtex=_bibtex(method),
        test_set_not_trained_on=True,
        ablation_of=None if whole is None else slugify(reference_name(whole)),
    )


def reference_name(method: MethodDescriptor) -> str:
    """The method's name on the board: its title in the letters that a form allows."""
    words = method.title.replace("%", " percent ")
    title = " ".join(re.sub(r"[^A-Za-z0-9 ,._+()-]+", " ", words).split())
    return title[:60] if title[:1].isalnum() else method.name


def _bibtex(method: MethodDescriptor) -> str | None:
    """A citation of our implementation and the work it follows; None where there is nothing to cite."""
    if method.citation is None:
        return None
    made = "with its official weights" if method.provenance == "official" else "as implemented here"
    return (
        f"@misc{{mdlp-bench-{method.name},\n"
        f"  title = {{{escape_latex(method.title)}, {made}}},\n"
        f"  author = {{{{{_AUTHORS}}}}},\n"
        f"  howpublished = {{mdlp-bench {mdlp_bench.__version__}}},\n"
        f"  note = {{After {escape_latex(method.citation)}}}\n"
        "}\n"
    )


def _version(predictions: Path, entries: Sequence[Entry], sample_ids: Collection[str]) -> str:
    """The version of the method's latest entry that has these outputs; that of the package without one."""
    if entries:
        chosen = frozenset(sample_ids)
        outputs = {output_hash(one) for one in Predictions(predictions) if one.sample_id in chosen}
        for entry in reversed(entries):
            if entry.output_hashes == outputs - {None}:
                return entry.version
    return mdlp_bench.__version__


def _run_of(folder: Path, record: PredictionsRecord, samples: Samples, plan: ScoringPlan) -> Run | None:
    """The scores of a method on exactly these samples by the plan's rules, when the bench has them."""
    path = folder / "runs" / record.method.name
    if not (path / RunRecord.file_name).is_file():
        return None
    run = Run(path)
    same = run.record.dataset.fingerprint == samples.fingerprint
    return run if same and run.record.protocol == plan.protocol.id else None


def _whole(method: MethodDescriptor, whole: MethodDescriptor | None) -> MethodDescriptor | None:
    is_part = whole is not None and method != whole and method.name.startswith(f"{whole.name}-")
    return whole if is_part else None
