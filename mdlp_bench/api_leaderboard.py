"""The Python interface to leaderboards; `mdlp_bench` offers both names under its own name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdlp_bench.data import as_samples
from mdlp_bench.data.samples import Samples
from mdlp_bench.device import Compute
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import Predictions
from mdlp_bench.harness.run import Run
from mdlp_bench.leaderboard import add as _add
from mdlp_bench.leaderboard import report as _report
from mdlp_bench.leaderboard import site as _site
from mdlp_bench.leaderboard.store import Entry, Store
from mdlp_bench.leaderboard.submission import pack as _packing
from mdlp_bench.leaderboard.submission.form import Submission
from mdlp_bench.userfiles import Several

if TYPE_CHECKING:
    import torch


def pack(
    predictions: Predictions | str | Path,
    out: str | Path,
    form: str | Path | Mapping[str, Any],
    *,
    run: Run | str | Path | None = None,
) -> Submission:
    """Pack restored pictures and their form as a submission, and validate it.

    Args:
        predictions: What `mb.predict` returned, its folder, or a folder of `<sample_id>.png`.
        out: The zip file to write.
        form: A form's YAML file, or its fields (`mdlp_bench.leaderboard.submission.form.Submission`). Fields
            that the predictions already state about their method may be left out.
        run: With fields: the run whose scores are claimed, or its folder.

    Raises:
        SubmissionError: The form is missing or faulty, a sample failed, or a picture has another size.
        RunError: The predictions are damaged or incomplete.

    Example:
        >>> import mdlp_bench as mb
        >>> predictions = mb.predict("bicubic", mb.open("DATA", split="test"), "preds/bicubic")
        >>> form = {
        ...     "authors": ["A. Author"], "contact": "author@example.org", "hardware": "one CPU core",
        ...     "uses_synthetic": False, "extra_data": False, "test_set_not_trained_on": True,
        ... }
        >>> mb.pack(predictions, "mine.zip", form).method
        'Bicubic'
    """
    folder = predictions.folder if isinstance(predictions, Predictions) else Path(predictions)
    claimed = Run(Path(run)) if isinstance(run, str | Path) else run
    filled = _packing.filled_form(folder, form, claimed) if isinstance(form, Mapping) else Path(form)
    return _packing.pack(folder, filled, Path(out))


class Leaderboard:
    """A store of entries whose every score was recomputed from the submitted pictures.

    Args:
        store: Its folder; made by the first entry.

    Example:
        >>> import mdlp_bench as mb
        >>> data = mb.open("DATA", split="test")
        >>> form = {
        ...     "authors": ["A. Author"], "contact": "author@example.org", "hardware": "one CPU core",
        ...     "uses_synthetic": False, "extra_data": False, "test_set_not_trained_on": True,
        ... }
        >>> _ = mb.pack(mb.predict("bicubic", data, "preds/bicubic"), "mine.zip", form)
        >>> board = mb.Leaderboard("store")
        >>> entry = board.add("mine.zip", data, lpips="none")
        >>> board.report(entry).startswith("## Bicubic 1.0")
        True
        >>> board.build_site("site") > 1
        True
    """

    def __init__(self, store: str | Path) -> None:
        self.store = Store(Path(store))

    def add(
        self,
        archive: str | Path,
        samples: Samples | str | Path,
        *,
        readers: Several[str | Path] | None = None,
        lpips: str = "squeeze",
        device: str | torch.device = "cpu",
    ) -> Entry:
        """Validate a submission, recompute its scores and store it.

        Args:
            archive: The zip file.
            samples: The test set, or its path.
            readers: Reader names, default the protocol's; the first one ranks.
            lpips: Net of LPIPS: `alex`, `squeeze`, `vgg` or `none`.
            device: Where scores are computed.

        Raises:
            SubmissionError: The archive is faulty (all faults are named), or the entry is already there.
            MdlpBenchError: As in `mb.score`.
        """
        self.store.root.mkdir(parents=True, exist_ok=True)
        scoring = Compute.for_scoring(device)
        data = as_samples(samples)
        plan = ScoringPlan.from_names(readers, lpips, device=scoring.device, samples=data)
        return _add.add(self.store, Path(archive), data, plan)

    def report(self, entry: Entry) -> str:
        """Scores, flags and places of an entry among all entries, as Markdown."""
        return _report.report(self.store, entry)

    def build_site(self, out: str | Path) -> int:
        """Rank everything again and write the static site.

        Returns:
            The number of pages.

        Raises:
            SubmissionError: The store has no entries, or one is damaged.
        """
        return _site.build_site(Store.existing(self.store.root), Path(out))
