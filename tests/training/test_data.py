"""Batches are functions of (samples, seed, step), and frames and ground truth are varied alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pytest
import torch
from conftest import sample_row
from hypothesis import given
from hypothesis import strategies as st

from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError, MdlpBenchError
from mdlp_bench.methods.tensors import to_images, to_tensor
from mdlp_bench.training.data import TrainingData, _until_one_dies, augment, choose

MakeSamples = Callable[..., Samples]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_depends_on_seed_and_step_alone(make_samples: MakeSamples, workers: int) -> None:
    samples = make_samples(10)
    first, second = TrainingData(samples, seed=3), TrainingData(samples, seed=3)
    first.batch(0, 4)
    streamed = list(second.stream(1, 4, 4, workers=workers))
    for step, batch in zip((1, 2, 3), streamed, strict=True):
        alone = first.batch(step, 4)
        assert torch.equal(alone.frames, batch.frames)
        assert torch.equal(alone.gt, batch.gt)
        assert alone.texts == batch.texts
    assert not torch.equal(TrainingData(samples, seed=4).batch(1, 4).gt, streamed[0].gt)


def test_every_epoch_visits_every_sample_once(make_samples: MakeSamples) -> None:
    data = TrainingData(make_samples(6, rows=[sample_row(2 * i) for i in range(6)]), seed=0)
    seen = Counter(text for step in range(3) for text in data.batch(step, 2).texts)
    assert set(seen.values()) == {1}
    assert len(seen) == 6


def test_processes_share_a_batch_without_overlap(make_samples: MakeSamples) -> None:
    data = TrainingData(make_samples(10), seed=0)
    whole = data.batch(2, 6)
    shares = [data.batch(2, 6, rank, 3) for rank in range(3)]
    for rank, share in enumerate(shares):
        assert torch.equal(share.gt, whole.gt[rank::3])


def test_values_and_shapes(make_samples: MakeSamples) -> None:
    pixels = TrainingData(make_samples(4), seed=0, frames=2).batch(0, 3)
    assert pixels.frames.dtype == pixels.gt.dtype == torch.uint8
    batch = pixels.to("cpu")
    assert batch.frames.shape == (3, 2, 3, 112, 224)
    assert batch.gt.shape == (3, 3, 112, 224)
    assert batch.frames.dtype == torch.float32
    assert -1 <= float(batch.frames.min()) < float(batch.frames.max()) <= 1


@given(count=st.integers(1, 5), available=st.integers(1, 7), seed=st.integers(0, 99))
def test_chosen_frames_keep_their_order(count: int, available: int, seed: int) -> None:
    frames = [np.full((2, 2, 3), i, np.uint8) for i in range(available)]
    chosen = [int(frame[0, 0, 0]) for frame in choose(frames, count, np.random.default_rng(seed))]
    assert len(chosen) == count
    assert chosen == sorted(chosen)
    if available >= count:
        assert len(set(chosen)) == count
    else:
        assert chosen == [*range(available), *[available - 1] * (count - available)]


def test_frames_and_ground_truth_are_augmented_alike() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (112, 224, 3), dtype=np.uint8)
    for seed in range(20):
        *frames, gt = augment([image] * 4, np.random.default_rng(seed), 1.0)
        assert all(np.array_equal(frame, gt) for frame in frames)
        assert not np.array_equal(gt, image)
    untouched = augment([image] * 4, np.random.default_rng(0), 0.0)
    assert np.array_equal(untouched[0], image)


def test_exposure_changes_as_much_as_asked() -> None:
    grey = np.full((112, 224, 3), 100, np.uint8)

    def spread(exposure: float) -> float:
        levels = [
            augment([grey], np.random.default_rng(seed), 1.0, exposure)[0].mean() for seed in range(200)
        ]
        return float(np.std(levels))

    assert spread(0.0) == 0.0
    assert 9 < spread(1.0) < 16
    assert 2.2 < spread(2.5) / spread(1.0) < 3.2


def test_a_lost_frame_is_replaced_by_its_predecessor() -> None:
    frames = tuple(np.full((112, 224, 3), 40 * i, np.uint8) for i in range(1, 4))
    lost = 0
    for seed in range(400):
        *found, _ = augment((*frames, frames[0]), np.random.default_rng(seed), 1.0)
        levels = [float(frame.mean()) for frame in found]
        lost += levels[1] == levels[0] or levels[2] == levels[1]
    assert 5 <= lost <= 45


def test_samples_that_cannot_be_trained_on_are_named(make_samples: MakeSamples) -> None:
    rows = [sample_row(0), sample_row(1, gt=None)]
    with pytest.raises(DataError, match="sample s0001 has no ground truth"):
        TrainingData(make_samples(rows=rows, name="no_gt"), seed=0)
    rows = [sample_row(0), sample_row(1, frames=[], frame_indices=[])]
    with pytest.raises(DataError, match="sample s0001 has no frames"):
        TrainingData(make_samples(rows=rows, name="no_frames"), seed=0)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_one_line_from_a_worker_too(make_samples: MakeSamples, workers: int) -> None:
    data = TrainingData(make_samples(3), seed=0)
    place = data.table.schema.get_field_index("gt")
    broken = pa.array([{"bytes": b"no image", "path": None}] * 3, data.table.schema.field("gt").type)
    data.table = data.table.set_column(place, "gt", broken)
    with pytest.raises(DataError) as caught:
        list(data.stream(0, 2, 2, workers=workers))
    found = str(caught.value)
    assert "ground truth: not a readable image" in found and "\n" not in found


def test_a_worker_that_died_is_one_line() -> None:
    def loader(message: str) -> Iterator[int]:
        yield 1
        raise RuntimeError(message)

    with pytest.raises(MdlpBenchError, match=r"a worker process died.*must do its work under `if __name__"):
        list(_until_one_dies(loader("DataLoader worker (pid(s) 7) exited unexpectedly")))
    with pytest.raises(RuntimeError, match="another"):
        list(_until_one_dies(loader("another")))


def test_tensors_and_images_are_inverse() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 8, 3), dtype=np.uint8)
    tensor = to_tensor(images)
    assert tensor.shape == (2, 3, 5, 8)
    assert np.array_equal(to_images(tensor), images)
    assert to_images(torch.tensor([-3.0, 0.0, 3.0]).view(3, 1, 1)).ravel().tolist() == [0, 128, 255]
