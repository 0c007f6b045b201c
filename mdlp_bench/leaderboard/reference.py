"""Bundled methods as entries: their predictions are made here, so their form is filled in from the record."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import mdlp_bench
from mdlp_bench.errors import SubmissionError
from mdlp_bench.harness.predict import Predictions
from mdlp_bench.harness.run import PredictionsRecord
from mdlp_bench.harness.score import ScoringPlan
from mdlp_bench.leaderboard.add import add_predictions
from mdlp_bench.leaderboard.store import Entry, Store, dataset_slug
from mdlp_bench.leaderboard.submission import Submission

if TYPE_CHECKING:
    from mdlp_bench.data.samples import Samples


def add_references(
    store: Store, folder: Path, samples: Samples, plan: ScoringPlan, *, progress: bool = False
) -> list[Entry]:
    """Add every method of a bench folder, oracles left out; entries that exist are left alone.

    Args:
        store: The store.
        folder: What `bench` or `demo` wrote, with `predictions/<method>`.
        samples: The samples it was made on.
        plan: Readers and image scorers.
        progress: Show bars on standard error.

    Raises:
        SubmissionError: There are no predictions in the folder.
        MdlpBenchError: As in `add_predictions`.
    """
    found = sorted((folder / "predictions").glob(f"*/{PredictionsRecord.file_name}"))
    if not found:
        raise SubmissionError(f"{folder}: no predictions in it; give the folder that `bench` or `demo` wrote")
    added: list[Entry] = []
    taken: dict[str, Path] = {}
    slug = dataset_slug(samples.name, samples.fingerprint)
    for path in found:
        predictions = Predictions(path.parent)
        if predictions.record.method.provenance == "oracle":
            continue
        form = reference_form(predictions.record)
        first = taken.setdefault(form.slug, path.parent)
        if first != path.parent:
            raise SubmissionError(f"{path.parent}: has the title of {first}; give one of them another")
        if not store.entry_folder(form, slug).exists():
            added.append(add_predictions(store, form, predictions, samples, plan, progress=progress))
    return added


def reference_form(record: PredictionsRecord) -> Submission:
    """The form of a method whose predictions were made with this package."""
    method = record.method
    seconds = record.seconds / record.dataset.n_samples
    # Bundled methods are trained on rendered plates or on MDLP; all else their weights have seen is extra.
    rendered = {name for name in method.trained_on if "render" in name.lower()}
    extra = {name for name in method.trained_on if "mdlp" not in name.lower()} - rendered
    title = " ".join(re.sub(r"[^A-Za-z0-9 ,._+()-]+", " ", method.title).split())
    return Submission(
        schema_version=1,
        method=title[:60] if title[:1].isalnum() else method.name,
        version=mdlp_bench.__version__,
        authors=["The mdlp-bench developers"],
        contact="this project's issue tracker",
        paper_url=None,
        license=method.licence,
        training_data=list(method.trained_on),
        uses_synthetic=bool(rendered),
        extra_data=bool(extra),
        frames_used=method.frames_used,
        n_parameters=method.parameters,
        deterministic=method.deterministic,
        seed=record.seed,
        hardware=record.environment.platform,
        runtime_per_image_s=seconds if seconds > 0 else None,
        device="cpu" if record.device == "cpu" else "gpu",
        test_set_not_trained_on=True,
    )
