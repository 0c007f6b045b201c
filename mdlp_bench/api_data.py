"""The Python interface to making and checking data sets, and to the study of the domain gap.

`mdlp_bench` offers these functions under its own name. Defaults are those of the command line. Paths, data
sets and lists are given as for `mdlp_bench.api`: the path of a data set will do, and a single name counts as
a list of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdlp_bench.curate import audit as _audit
from mdlp_bench.curate import pairing as _pairing
from mdlp_bench.curate import splitting as _splitting
from mdlp_bench.data import DecodedSamples, as_samples, open_samples, write_parquet
from mdlp_bench.data.export import EXPORTS
from mdlp_bench.data.export.card import CardFields
from mdlp_bench.data.export.huggingface import export_huggingface
from mdlp_bench.data.plate_split import DEFAULT_RATIOS
from mdlp_bench.data.samples import Samples
from mdlp_bench.device import Compute
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import DataError, checked, no_such
from mdlp_bench.readers import AUTO, DEFAULT_READER, check_reader
from mdlp_bench.synth import build as _build
from mdlp_bench.synth.degrade import load_recipe
from mdlp_bench.userfiles import Several, one_or_more

if TYPE_CHECKING:
    import torch

    from mdlp_bench.gap.report_model import GapStudy
    from mdlp_bench.synth.render import Provinces


def synthesise(
    out: str | Path,
    recipe: str | Path = "surveillance",
    *,
    plates: int | Samples | str | Path = 1000,
    frames: int = 3,
    provinces: Provinces = "uniform",
    split: str | None = None,
    ratios: Mapping[str, float] = DEFAULT_RATIOS,
    seed: int = 0,
    engine: Engine = SERIAL,
) -> Samples:
    """Make a synthetic data set: ground truths, degraded by a recipe, in plate-disjoint splits.

    Args:
        out: The folder to write; an unfinished one is continued.
        recipe: A named recipe or a YAML file.
        plates: How many plates to render, or a data set or its path, whose ground truths are degraded.
        frames: Degraded frames per sample.
        provinces: Provinces of rendered plates: `uniform`, or `ccpd` (88 % 皖).
        split: Render only plates of this split.
        ratios: Shares of the splits.
        seed: Seed of plates and degradation.
        engine: Where the work is done; the bytes do not depend on it.

    Returns:
        The data set, opened.

    Raises:
        DataError: There is no such recipe, a sample has no ground truth, or the folder holds something else.

    Example:
        >>> import mdlp_bench as mb
        >>> data = mb.synthesise("SYNTH", "surveillance", plates=4, split="test", seed=7)
        >>> len(data), len(data[0].frames), data.splits
        (4, 3, {'test': 4})
    """
    loaded, folder = load_recipe(recipe), Path(out)
    if isinstance(plates, Samples | str | Path):
        if split is not None:
            raise DataError("split is for rendered plates; choose samples of a split with mb.open")
        _build.synthesise_samples(
            as_samples(plates), loaded, folder, seed=seed, n_frames=frames, ratios=ratios, engine=engine
        )
    else:
        _build.synthesise_rendered(
            loaded, plates, folder,
            seed=seed, n_frames=frames, provinces=provinces, ratios=ratios, only=split, engine=engine,
        )  # fmt: skip
    return open_samples(folder)


def pair(
    tracks: str | Path,
    out: str | Path,
    *,
    config: Mapping[str, Any] | None = None,
    readers: Several[str] = (),
    order: str | None = None,
    limit: int | None = None,
    name: str | None = None,
    engine: Engine = SERIAL,
) -> _pairing.PairingReport:
    """Make a data set of triplets from captured tracks; the report says what was left out and why.

    Args:
        tracks: A folder of tracks, or a table of frames (see docs/curation.md).
        out: The folder to write, with `pairing.html` beside the data.
        config: Thresholds and policy, e.g. `{"policy": "official", "n_frames": 5}`
            (see `mdlp_bench.curate.pairing.PairingConfig`).
        readers: Readers that vote on the text where there is no label.
        order: How the names of frames are read (see `mb.open`).
        limit: Use only this many tracks, the first ones.
        name: Name of the data set, default that of the tracks.
        engine: Where the work is done; the bytes do not depend on it.

    Raises:
        DataError: There are no tracks, none gives a triplet, or a threshold is not allowed.
        ReaderError: A reader cannot be loaded.

    Example:
        >>> import mdlp_bench as mb
        >>> report = mb.pair("TRACKS", "PAIRS", config={"min_gt_height": 32})
        >>> report.tracks, report.triplets
        (3, 3)
        >>> len(mb.open("PAIRS"))
        3
    """
    thresholds = _pairing.make_config(**(config or {}))
    return _pairing.pair(
        Path(tracks), Path(out), thresholds,
        readers=one_or_more(readers), order=order, limit=limit, name=name, engine=engine,
    )  # fmt: skip


def split(
    samples: Samples | str | Path,
    out: str | Path,
    *,
    ratios: Mapping[str, float] = DEFAULT_RATIOS,
    seed: int = 0,
    search: int = 0,
    by: Several[str] = ("plate_id",),
    keep: bool = False,
    engine: Engine = SERIAL,
) -> _splitting.SplitReport:
    """Write a data set with new splits, by plate and never by sample: adding data moves no plate.

    Args:
        samples: A data set, or its path.
        out: The folder to write.
        ratios: Share of each split.
        seed: Seed of the hash that decides.
        search: Try this many seeds and take the one that balances the strata best.
        by: Columns whose values stay together.
        keep: Keep the existing splits and move only plates that leak, each as a whole.
        engine: Where the work is done; the bytes do not depend on it.

    Raises:
        DataError: The ratios are not shares of a whole, or a column cannot be split by.

    Example:
        >>> import mdlp_bench as mb
        >>> report = mb.split(mb.open("DATA"), "SPLIT", ratios={"train": 0.5, "test": 0.5}, search=8)
        >>> list(report.splits), mb.audit(mb.open("SPLIT")).leaks
        (['train', 'test'], 0)
    """
    if keep and search:
        raise DataError("search needs new splits; leave keep out")
    rule = _splitting.SplitRule(ratios=dict(ratios), seed=seed, by=tuple(one_or_more(by)), keep=keep)
    return _splitting.split_dataset(as_samples(samples), Path(out), rule, search=search, engine=engine)


def audit(
    samples: Samples | str | Path,
    *,
    config: Mapping[str, Any] | None = None,
    reader: str | None = None,
    engine: Engine = SERIAL,
) -> _audit.Audit:
    """Look for leaks between splits, duplicates, broken and doubtful samples.

    Args:
        samples: All splits of a data set, or its path.
        config: Thresholds (see `mdlp_bench.curate.audit.AuditConfig`).
        reader: A reader that labels are compared with.
        engine: Where the work is done; the result does not depend on it.

    Raises:
        DataError: There are no samples, or a threshold is not allowed.
        ReaderError: The reader cannot be loaded.

    Example:
        >>> import mdlp_bench as mb
        >>> mb.audit(mb.open("DATA")).leaks
        0
    """
    return _audit.audit(
        as_samples(samples),
        checked(_audit.AuditConfig, config or {}, "audit"),
        reader=reader,
        engine=engine,
    )


def export(
    samples: Samples | str | Path,
    out: str | Path,
    *,
    to: str = "parquet",
    name: str | None = None,
    version: str = "1.0.0",
    engine: Engine = SERIAL,
) -> int:
    """Write a data set in another layout.

    Args:
        samples: A data set, or its path.
        out: The folder to write; an unfinished one is continued.
        to: `parquet`, `decoded` (bitmaps in Parquet), `huggingface` (a repository folder with a card),
            `mdlp`, `lrlpr` or `webdataset`.
        name: Name of the data set, in Parquet and the card.
        version: Version of the data set, in the same places.
        engine: Where shards of Parquet are written; the bytes do not depend on it.

    Returns:
        How many samples were written.

    Raises:
        DataError: There is no such layout, or the folder holds something else.

    Example:
        >>> import mdlp_bench as mb
        >>> mb.export(mb.open("DATA", split="test"), "FOLDER", to="mdlp") == len(mb.open("FOLDER"))
        True
    """
    layouts = ("parquet", "decoded", "huggingface", *EXPORTS)
    if to not in layouts:
        raise no_such("layout", to, layouts, DataError)
    folder, data = Path(out), as_samples(samples)
    if to in EXPORTS:
        return EXPORTS[to].write(data, folder)
    if to == "huggingface":
        return export_huggingface(
            data, folder, CardFields(), name=name, version=version, engine=engine
        ).samples
    given = DecodedSamples(data) if to == "decoded" else data
    return write_parquet(given, folder, name=name, version=version, engine=engine).samples


def gap_study(
    real: str | Path,
    synthetic: Several[str | Path],
    out: str | Path,
    *,
    samples: int = 1000,
    reader: str | None = DEFAULT_READER,
    seed: int = 0,
    device: str | torch.device = "auto",
    engine: Engine = SERIAL,
    **settings: Any,
) -> GapStudy:
    """Compare synthetic sets with a real one: what differs, how much, and whether that is more than chance.

    `out` gets `report.html`, `gap.json` and the figures. `mdlp-bench gap study --methods` also measures what
    the differences cost trained networks.

    Args:
        real: The real data set, of any layout.
        synthetic: Each is `FOLDER`, `FOLDER@RECIPE` (its ground truths, degraded) or `render@RECIPE`.
        out: The folder of the report.
        samples: About how many samples of each set are used at most; plates stay whole.
        reader: Gives NED and the distances in its features: a name as for `load_reader`, or `auto` for the
            bundled one that knows the real set's texts; None leaves them out.
        seed: Seed of everything random.
        device: Where the reader and Inception compute.
        engine: Where frames are measured.
        settings: Further fields of `mdlp_bench.gap.report_model.StudySettings`, e.g. `permutations=999`.

    Raises:
        DataError: A set cannot be opened or measured, or has fewer than three plates.
        ReaderError: There is no such reader, or it cannot be loaded.
        MdlpBenchError: The device is not there.

    Example:
        >>> import mdlp_bench as mb
        >>> study = mb.gap_study("DATA", ["DATA@bicubic"], "gap", reader=None, folds=2, permutations=19)
        >>> study.gaps[0].name
        'DATA-bicubic'
    """
    from mdlp_bench.gap.gap_study import open_sets, run_study, study_reader, write_gap_report
    from mdlp_bench.gap.report_model import GapReport, StudySettings
    from mdlp_bench.gap.sets import SetSpec

    place, folder = Compute.for_scoring(device).device, Path(out)
    if reader is not None and reader != AUTO:
        check_reader(reader)
    given: list[str | Path] = one_or_more(synthetic)
    texts = [str(real), *map(str, given)]
    sets = open_sets([SetSpec.parse(text) for text in texts], folder, limit=samples, seed=seed, engine=engine)
    loaded = None if reader is None else study_reader(reader, sets)
    name = None if loaded is None else loaded.descriptor.name
    asked = StudySettings(limit=samples, seed=seed, reader=name, **settings)
    study, _ = run_study(sets, texts, folder, asked, loaded, device=place, engine=engine)
    write_gap_report(GapReport(study=study, transfer=None), sets, folder)
    return study
