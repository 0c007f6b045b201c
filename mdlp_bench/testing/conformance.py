"""One check per kind of plug-in; every check makes its own small data, except that of a source."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

import numpy as np

from mdlp_bench.data.opening import open_samples
from mdlp_bench.data.samples import Samples
from mdlp_bench.data.sources.registry import SOURCES, Source
from mdlp_bench.engine import one_thread
from mdlp_bench.errors import DataError, MethodError
from mdlp_bench.images import ImageU8, decode
from mdlp_bench.methods.base import (
    AnyMethod,
    FrameBatch,
    MethodDescriptor,
    TextMethod,
    check_readings,
    check_restored,
    run_on,
)
from mdlp_bench.methods.registry import load_method
from mdlp_bench.metrics.base import UserMetric, load_metric
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size
from mdlp_bench.readers import Reader, ReaderDescriptor, Reading, load_reader
from mdlp_bench.schema import SAMPLE_SCHEMA
from mdlp_bench.synth.degrade import Recipe, degrade_triplet, load_recipe, replay_frames
from mdlp_bench.synth.render import Appearance, render_samples

T = TypeVar("T")

_IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def check_method(method: AnyMethod | str, *, samples: int = 4) -> None:
    """Check a method of images or texts.

    It is run on rendered plates with one, two, three and five frames of differing sizes. The check covers
    shapes and types; equal outputs in a second call, in another batch and after pickling (for a name: after
    loading it again); that the seed matters only if the descriptor says so; that frames are not changed; that
    tiny and black frames give an output or an error, but no wrong shape.

    Args:
        method: The method, or its name as for `mb.load_method`.
        samples: How many plates; fewer are faster.

    Raises:
        AssertionError: What is wrong.
        MdlpBenchError: It cannot be loaded.
    """
    loaded = load_method(method) if isinstance(method, str) else method
    descriptor: object = getattr(loaded, "descriptor", None)
    _require(isinstance(descriptor, MethodDescriptor), "method: has no attribute descriptor")
    assert isinstance(descriptor, MethodDescriptor)  # noqa: S101 - for type checkers
    name = f"method {descriptor.name}"
    wanted = "text" if isinstance(loaded, TextMethod) else "image"
    _require(descriptor.output == wanted, f"{name}: gives {wanted}s, its descriptor says {descriptor.output}")
    batch = _frame_batch(samples, with_gt=descriptor.provenance == "oracle")
    before = pickle.dumps(batch)
    first = _outputs(loaded, batch)
    _require(pickle.dumps(batch) == before, f"{name}: changes the frames that it is given")
    _same(first, _outputs(loaded, batch), f"{name}: gives something else when it is called again")
    alone = [_outputs(loaded, batch.single(index))[0] for index in range(len(batch))]
    _same(first, alone, f"{name}: what it gives for a sample depends on the other samples of the batch")
    if descriptor.deterministic:
        _same(
            first,
            _outputs(loaded, replace(batch, seed=1)),
            f"{name}: depends on the seed; say deterministic=False in its descriptor",
        )
    again = load_method(method) if isinstance(method, str) else _pickled(loaded, name)
    _require(again.descriptor == descriptor, f"{name}: has another descriptor when it is loaded again")
    _same(first, _outputs(again, batch), f"{name}: gives something else when it is loaded again")
    gt = (batch.ground_truth[0],) if batch.ground_truth else None
    for shape in ((1, 1), (3, 400)):
        odd = FrameBatch(("odd",), ((np.zeros((*shape, 3), np.uint8),),), ground_truth=gt)
        try:
            with one_thread():
                found = run_on(loaded, odd)
        except Exception:
            # A sample that it cannot restore counts as failed; a wrong shape would stop the whole job.
            continue
        _checked(loaded, found, 1)


def check_metric(metric: UserMetric | str) -> None:
    """Check a metric of a user's own.

    The check covers shapes and types; that identical images get the value `best` and no score lies beyond
    `worst` or `best`; that scores are the same in a second call, in another batch and after pickling; that
    images are not changed; that an empty batch gives no scores.

    Args:
        metric: What `mb.metric` makes, or its name or `file.py:NAME`.

    Raises:
        AssertionError: What is wrong.
        MdlpBenchError: It cannot be loaded, or does not give one finite number per image.
    """
    loaded = load_metric(metric) if isinstance(metric, str) else metric
    info, name = loaded.info, f"metric {loaded.info.name}"
    gt = np.stack([to_working_size(image) for image in _plates(4)])
    noise = np.random.default_rng(0).integers(0, 256, gt.shape, np.uint8)
    restored = np.stack([gt[0] // 2, gt[1][:, ::-1], noise[2], np.zeros_like(gt[3])])
    before = restored.copy(), gt.copy()
    scores = loaded(restored, gt)
    _require(
        np.array_equal(restored, before[0]) and np.array_equal(gt, before[1]),
        f"{name}: changes the images that it is given",
    )
    _same(scores, loaded(restored, gt), f"{name}: gives something else when it is called again")
    alone = np.concatenate([loaded(restored[i : i + 1], gt[i : i + 1]) for i in range(len(gt))])
    _require(np.allclose(scores, alone), f"{name}: a score depends on the other images of the batch")
    _require(len(loaded(restored[:0], gt[:0])) == 0, f"{name}: gives scores for an empty batch")
    perfect = loaded(gt, gt)
    if info.best is not None:
        _require(
            np.allclose(perfect, info.best),
            f"{name}: identical images get {perfect[0]:.6g}, its best value is {info.best:.6g}",
        )
    sign = 1.0 if info.higher_is_better else -1.0
    every = sign * np.concatenate([scores, perfect])
    if info.worst is not None:
        _require(
            bool((every >= sign * info.worst - 1e-9).all()),
            f"{name}: an image scores worse than a failed one, whose value is {info.worst:.6g}",
        )
    _require(
        info.best is None or bool((every <= sign * info.best + 1e-9).all()),
        f"{name}: an image scores better than its best value, or higher_is_better is the wrong way round",
    )
    if not isinstance(metric, str):
        _same(scores, _pickled(loaded, name)(restored, gt), f"{name}: gives something else after pickling")


def check_reader(reader: Reader | str) -> None:
    """Check a text reader.

    The check covers that there is one `Reading` per crop, in order; that it is the same in a second call and
    in another batch; that features are float32 [B, D] and the same from both methods; that crops are not
    changed; that no crops give no readings, and that crops of one pixel and long crops give a reading.

    Args:
        reader: The reader, or its name as for `mb.load_reader`.

    Raises:
        AssertionError: What is wrong.
        MdlpBenchError: It cannot be loaded.
    """
    loaded = load_reader(reader) if isinstance(reader, str) else reader
    _require(isinstance(loaded, Reader), f"reader: is a {type(loaded).__name__}, not a Reader")
    descriptor: object = getattr(loaded, "descriptor", None)
    _require(isinstance(descriptor, ReaderDescriptor), "reader: has no attribute descriptor")
    name = f"reader {loaded.descriptor.name}"
    crops = _plates(5)
    before = [crop.copy() for crop in crops]
    first = loaded.read(crops)
    _require(
        len(first) == len(crops) and all(isinstance(one, Reading) for one in first),
        f"{name}: must return a list with one Reading per crop",
    )
    _same(crops, before, f"{name}: changes the crops that it is given")
    _texts_same(first, loaded.read(crops), f"{name}: reads something else when it is called again")
    _texts_same(first, loaded.read(crops[::-1])[::-1], f"{name}: does not keep the order of the crops")
    alone = [loaded.read([crop])[0] for crop in crops]
    _texts_same(first, alone, f"{name}: a reading depends on the other crops of the batch")
    features = loaded.features(crops)
    readings, beside = loaded.read_with_features(crops)
    _texts_same(first, readings, f"{name}: read_with_features reads something else than read")
    if features is not None:
        _require(
            features.dtype == np.float32 and features.ndim == 2 and len(features) == len(crops),
            f"{name}: features must be float32 [B, D]",
        )
        _require(bool(np.isfinite(features).all()), f"{name}: has features that are not finite")
        _require(
            beside is not None and np.allclose(features, beside, atol=1e-4),
            f"{name}: read_with_features gives other features than features",
        )
    _require(loaded.read([]) == [], f"{name}: gives readings for no crops")
    for shape in ((1, 1), (8, 600), (600, 8)):
        found = loaded.read([np.zeros((*shape, 3), np.uint8)])
        _require(len(found) == 1, f"{name}: gives no reading for a crop of {shape[1]} x {shape[0]} pixels")
    if isinstance(reader, str):
        again = load_reader(reader)
        _require(again.descriptor == loaded.descriptor, f"{name}: has another descriptor when loaded again")
        _texts_same(first, again.read(crops), f"{name}: reads something else when it is loaded again")


def check_source(source: Source | str, path: str | Path) -> None:
    """Check a source on a small data set of its layout.

    The check covers that it does not recognise an empty folder; that ids are unique; that a sample is the
    same by iteration, by position, by columns, after pickling, and when it is opened again; that each split
    can be opened by itself; that a broken image is left out and reported, and stops nothing.

    Args:
        source: The source, or its name or `file.py:NAME`.
        path: A data set of at least two samples; a broken copy of it is made in a temporary folder.

    Raises:
        AssertionError: What is wrong.
        MdlpBenchError: The data set cannot be opened.
    """
    kind = SOURCES[source] if isinstance(source, str) else source
    name, path = f"source {kind.name}", Path(path)
    with TemporaryDirectory() as folder:
        _require(not kind.recognise(Path(folder)), f"{name}: recognises an empty folder")

    def opened(where: Path, split: str | None = None) -> Samples:
        if isinstance(source, str):
            return open_samples(where, split=split, source=source)
        from mdlp_bench.data.sources.frame_order import AUTO

        found = kind.open(str(where), split, AUTO)
        return found if split is None else found.select(split=split)

    samples = opened(path)
    ids = list(samples.sample_ids)
    _require(len(ids) >= 2, f"{name}: {path} must hold at least two samples")
    _require(len(set(ids)) == len(ids), f"{name}: sample ids are not unique")
    stream = list(samples)
    for sample in stream:
        sample.check()
    _require([s.sample_id for s in stream] == ids, f"{name}: iterating gives other ids than sample_ids")
    _require([samples[i] for i in range(len(ids))] == stream, f"{name}: samples[i] is not the i-th sample")
    rows = [sample.to_row() for sample in stream]
    _require(list(samples.rows()) == rows, f"{name}: batches hold other values than the samples")
    for column in ("sample_id", "text", "split", "plate_id"):
        found, expected = [row[column] for row in samples.rows([column])], [row[column] for row in rows]
        _require(found == expected, f"{name}: column {column} differs when it is read by itself")
    _require(
        all(batch.schema.equals(SAMPLE_SCHEMA) for batch in samples.batches(2)),
        f"{name}: batches do not have the schema of samples",
    )
    again = opened(path)
    _require(again.fingerprint == samples.fingerprint, f"{name}: has another fingerprint when opened again")
    copied = _pickled(samples, name)
    _require(list(copied) == stream, f"{name}: its samples are others after pickling")
    _require(sum(samples.splits.values()) == len(ids), f"{name}: splits do not add up to all samples")
    for split in samples.splits:
        part = opened(path, split)
        own = [sample for sample in stream if sample.split == split]
        _require(list(part) == own, f"{name}: split {split} opened by itself has other samples")
    chosen = samples.select(sample_ids=ids[:1])
    _require(list(chosen.sample_ids) == ids[:1], f"{name}: select gives other samples than asked for")
    if path.is_dir():
        _check_broken(opened, path, len(ids), name)


def _check_broken(opened: Callable[[Path], Samples], path: Path, count: int, name: str) -> None:
    """Break one image after another until a sample is left out; each time all others must stay."""
    images = [p for p in sorted(path.rglob("*")) if p.suffix.lower() in _IMAGE_SUFFIXES]
    for image in images[:8]:
        with TemporaryDirectory() as folder:
            # The same folder name, of which some layouts make the split.
            copy = Path(folder) / path.resolve().name
            shutil.copytree(path, copy)
            broken = copy / image.relative_to(path)
            broken.write_bytes(broken.read_bytes()[:40])
            samples = opened(copy)
            kept = len(list(samples))
            rejected = [problem for problem in samples.problems if problem.rejected]
        if kept < count:
            _require(bool(rejected), f"{name}: leaves out a broken sample and reports no problem")
            _require(kept == count - 1, f"{name}: one broken image costs {count - kept} samples")
            return
    _require(not images, f"{name}: keeps samples whose images are broken")


def check_recipe(recipe: Recipe | str | Path) -> None:
    """Check a degradation recipe on rendered plates.

    The check covers that it makes as many frames as asked for, that they can be decoded, and that none is
    larger than the working size; that the bytes are the same in a second call, from the stored parameters and
    after pickling; that another seed or sample gives other frames, where anything is drawn; that fewer frames
    are the first of more; that it refuses an array that is not an image.

    Args:
        recipe: The recipe, or its name or YAML file as for `load_recipe`.

    Raises:
        AssertionError: What is wrong.
        MdlpBenchError: It cannot be loaded.
    """
    loaded = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    name = f"recipe {loaded.id}"
    for number, plate in enumerate(_plates(3)):
        made = degrade_triplet(plate, loaded, seed=0, sample_id=str(number), n_frames=3)
        frames = [decode(frame, f"{name}, frame {n}") for n, frame in enumerate(made.frames)]
        _require(len(frames) == 3, f"{name}: makes {len(frames)} frames instead of 3")
        _require(
            all(f.shape[0] <= WORKING_SIZE[0] and f.shape[1] <= WORKING_SIZE[1] for f in frames),
            f"{name}: makes frames that are larger than the working size",
        )
        same = degrade_triplet(plate, loaded, seed=0, sample_id=str(number), n_frames=3)
        _require(same == made, f"{name}: makes other frames when it is applied again")
        _require(
            replay_frames(plate, made.parameters) == made.frames,
            f"{name}: the stored parameters do not make the same frames",
        )
        copied = degrade_triplet(plate, _pickled(loaded, name), seed=0, sample_id=str(number), n_frames=3)
        _require(copied == made, f"{name}: makes other frames after pickling")
        two = degrade_triplet(plate, loaded, seed=0, sample_id=str(number), n_frames=2)
        _require(two.frames == made.frames[:2], f"{name}: two frames are not the first two of three")
    plate = _plates(1)[0]
    places = ((0, "0"), (1, "0"), (0, "1"))
    made_at = [degrade_triplet(plate, loaded, seed=seed, sample_id=s, n_frames=1) for seed, s in places]
    different = {tuple(made.frames) for made in made_at}
    drawn = [made.parameters["frames"] for made in made_at]
    nothing_drawn = drawn[0] == drawn[1] == drawn[2]
    _require(nothing_drawn or len(different) == 3, f"{name}: seed or sample do not matter to what it draws")
    try:
        degrade_triplet(plate.astype(np.float32), loaded, seed=0, sample_id="0")
    except DataError:
        return
    raise AssertionError(f"{name}: takes an image that is not uint8")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def _pickled(thing: T, name: str) -> T:
    try:
        copied: T = pickle.loads(pickle.dumps(thing))
    except Exception as error:
        raise AssertionError(f"{name}: cannot be pickled ({error}), so workers cannot be given it") from error
    return copied


def _plates(count: int) -> list[ImageU8]:
    """Rendered plates of differing sizes."""
    sizes = [(112, 224), (56, 112), (90, 200), (112, 224), (64, 190)]
    return [
        next(
            render_samples(7, 1, start=n, size=sizes[n % len(sizes)], appearance=Appearance(difficulty=0.3))
        ).image
        for n in range(count)
    ]


def _frame_batch(count: int, *, with_gt: bool) -> FrameBatch:
    recipe = load_recipe("surveillance")
    plates = _plates(count)
    frames = []
    for number, plate in enumerate(plates):
        made = degrade_triplet(
            plate, recipe, seed=0, sample_id=str(number), n_frames=(3, 1, 5, 2)[number % 4]
        )
        frames.append(tuple(decode(frame, "frame") for frame in made.frames))
    gt = tuple(plates) if with_gt else None
    return FrameBatch(tuple(f"plate-{n}" for n in range(count)), tuple(frames), ground_truth=gt)


def _outputs(method: AnyMethod, batch: FrameBatch) -> Sequence[Any]:
    """Images or readings of a batch, checked."""
    with one_thread():
        found = run_on(method, batch)
    return _checked(method, found, len(batch))


def _checked(method: AnyMethod, found: object, count: int) -> Sequence[Any]:
    name = method.descriptor.name
    try:
        if isinstance(method, TextMethod):
            return check_readings(found, count, name)
        return list(check_restored(found, count, name))
    except MethodError as error:
        raise AssertionError(str(error)) from error


def _same(first: Iterable[Any], second: Iterable[Any], message: str) -> None:
    pairs = zip(first, second, strict=True)
    equal = (np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in pairs)
    _require(all(equal), message)


def _texts_same(first: Sequence[Reading], second: Sequence[Reading], message: str) -> None:
    """Equal texts, and confidences to 1e-3: in another batch networks sum in another order."""
    _require([one.text for one in first] == [one.text for one in second], message)
    values = [[c for one in readings for c in one.char_confidences] for readings in (first, second)]
    _require(np.allclose(values[0], values[1], atol=1e-3), message)
