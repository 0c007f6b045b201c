"""The functions and classes that a training loop calls give the numbers of the harness's tables."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torchmetrics import MetricCollection

import mdlp_bench as mb
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError, MdlpBenchError
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.run import Run
from mdlp_bench.harness.score import score
from mdlp_bench.metrics import classes, functional, perceptual

M = mb.metrics
EXACT = 1e-6


@pytest.fixture
def scored(make_samples: Callable[..., Samples], shared_dir: Path, tmp_path: Path) -> tuple[Samples, Run]:
    """Twelve samples, the mean of their frames scored by the harness with the CRNN and LPIPS (squeeze)."""
    samples = make_samples(12)
    predictions = mb.predict("frame-mean", samples, tmp_path / "preds")
    plan = ScoringPlan.from_names(["crnn"], "squeeze")
    return samples, score([predictions], samples, [tmp_path / "run"], plan)[0]


def restored_and_gt(samples: Samples) -> list[tuple[torch.Tensor, torch.Tensor, list[str]]]:
    """In batches of five: what frame-mean gives, ground truths and texts."""
    found = []
    for batch in DataLoader(samples.torch(), batch_size=5):
        restored = torch.from_numpy(batch["frames"].numpy().mean(axis=1).round().astype(np.uint8))
        found.append((restored, batch["gt"], batch["text"]))
    return found


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_functions_and_classes_agree_with_the_harness(scored: tuple[Samples, Run]) -> None:
    samples, run = scored
    table = run.per_sample()
    reader = mb.load_reader("crnn")
    metrics: dict[str, Any] = {
        "psnr": M.PSNR(), "ssim": M.SSIM(), "psnr_aligned": M.AlignedPSNR(), "ssim_aligned": M.AlignedSSIM(),
        "lpips_squeeze": M.LPIPS("squeeze"), "ned": M.NED(reader), "acc": M.Accuracy(reader),
        "cer": M.CER(reader), "frd": M.FRD(reader), "krd": M.KRD(reader),
    }  # fmt: skip
    columns: dict[str, list[float]] = {"psnr": [], "ssim": [], "psnr_aligned": [], "lpips_squeeze": []}
    for restored, gt, texts in restored_and_gt(samples):
        columns["psnr"] += M.psnr(restored, gt).tolist()
        columns["ssim"] += M.ssim(restored.float() / 255, gt.float() / 255, data_range=(0, 1)).tolist()
        columns["psnr_aligned"] += M.psnr_aligned(restored, gt).tolist()
        columns["lpips_squeeze"] += M.lpips(restored, gt, net="squeeze").tolist()
        for metric in metrics.values():
            second = texts if isinstance(metric, classes._TextMean) else gt
            metric.update(restored, second)
    for name, values in columns.items():
        assert values == pytest.approx(table[name].to_pylist(), abs=EXACT), name
    for name, metric in metrics.items():
        assert float(metric.compute()) == pytest.approx(run.summary[name].mean, abs=EXACT, rel=EXACT), name
        assert metric.higher_is_better is M.METRICS[name].higher_is_better
        metric.reset()
        assert np.isnan(float(metric.compute()))


def test_a_metric_travels_and_skips_samples_without_a_text() -> None:
    metric = M.NED()
    metric.update(["京P20S75", "x"], ["京P20S76", ""])
    copy = pickle.loads(pickle.dumps(metric))
    copy.update([], [])
    assert float(copy.compute()) == pytest.approx(1 / 7)
    with pytest.raises(DataError, match="give it a reader"):
        metric.update(torch.zeros(1, 3, 112, 224, dtype=torch.uint8), ["京P20S76"])
    with pytest.raises(DataError, match="1 readings or images for 2 texts"):
        metric.update(["京P20S75"], ["京P20S76", "京P20S76"])


FORMS: dict[str, Callable[[np.ndarray], tuple[Any, dict[str, Any]]]] = {
    "numpy, channels first": lambda x: (np.moveaxis(x, 3, 1), {}),
    "numpy float": lambda x: (x / 255, {"data_range": (0, 1)}),
    "tensor": lambda x: (torch.from_numpy(x), {}),
    "tensor -1 to 1": lambda x: (
        torch.from_numpy(x).permute(0, 3, 1, 2).float() / 127.5 - 1,
        {"data_range": (-1, 1)},
    ),
    "half precision": lambda x: (torch.from_numpy(x).half(), {"data_range": (0, 255)}),
    "white as a float": lambda x: (torch.from_numpy(x).float() / 255, {"data_range": 1.0}),
    "white as an int": lambda x: (x.astype(np.float32), {"data_range": 255}),
    "range as a list": lambda x: (x / 255, {"data_range": [0, np.float32(1)]}),
    "with gradient": lambda x: (torch.from_numpy(x).float().requires_grad_(), {"data_range": (0, 255)}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_image_has_the_same_score(form: str) -> None:
    rng = np.random.default_rng(3)
    preds, target = rng.integers(0, 256, (2, 2, 24, 40, 3), np.uint8)
    expected = M.psnr(preds, target)
    first, options = FORMS[form](preds)
    second, _ = FORMS[form](target)
    for name in ("psnr", "ssim"):
        found = getattr(M, name)(first, second, **options)
        assert type(found) is type(first) and found.shape == (2,)
        assert np.allclose(np.asarray(found), getattr(M, name)(preds, target), atol=EXACT)
    assert expected.dtype == np.float64


@pytest.mark.parametrize(
    ("images", "options", "says"),
    [
        (np.zeros((112, 224, 3), np.uint8), {}, r"give a batch, \[B, H, W, 3\]"),
        (np.zeros((1, 3, 20, 3), np.uint8), {}, "give a batch"),
        (np.zeros((1, 20, 20, 4), np.uint8), {}, "give a batch"),
        (np.zeros((1, 20, 20, 3), np.int64), {}, "images are int64"),
        (np.zeros((1, 20, 20, 3)), {}, r"data_range=\(0, 1\) or \(-1, 1\)"),
        *(
            (np.zeros((1, 20, 20, 3)), {"data_range": wrong}, "give black and white")
            for wrong in (
                (1, 1),
                (0, 1, 2),
                "01",
                torch.tensor([0, 1]),
                (0, np.inf),
                (-np.inf, 1),
                (0, np.nan),
                0,
                -1.0,
                np.inf,
                True,
                (False, True),
                (0, "1"),
                (1, 0),
                {},
                object(),
            )
        ),
        (np.zeros((1, 20, 20, 3), np.uint8), {"data_range": "01"}, "give black and white"),
        (np.full((1, 20, 20, 3), 200.0), {"data_range": (0, 1)}, r"from 200 to 200, far outside data_range"),
        (np.full((1, 20, 20, 3), -0.6), {"data_range": 1}, "far outside"),
        (np.full((1, 20, 20, 3), 2.1), {"data_range": (-1, 1)}, "state their range, or clip them"),
        (np.full((1, 20, 20, 3), np.nan), {"data_range": (0, 1)}, "not finite"),
        ([[1]], {}, "give a numpy array or a torch tensor"),
    ],
)
def test_what_is_no_image_is_refused(images: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        functional.psnr(images, images, **options)
    assert "\n" not in str(caught.value)
    if options and isinstance(images, np.ndarray) and images.dtype == np.uint8:
        with pytest.raises(DataError, match=says):
            M.FID(**options)


def test_classes_refuse_what_is_no_image() -> None:
    for metric in (M.PSNR(), M.KID()):
        with pytest.raises(DataError, match="give a numpy array or a torch tensor"):
            metric.update(5, 5)
        metric.update(torch.zeros(0, 3, 20, 20, dtype=torch.uint8), np.zeros((0, 20, 20, 3), np.uint8))


def test_what_a_network_overshoots_is_clipped() -> None:
    gt = np.full((1, 20, 20, 3), 255, np.uint8)
    for overshoot in (1.0, 1.2, 1.5):
        assert M.psnr(np.full(gt.shape, overshoot), gt, data_range=1.0)[0] == 100
    assert M.psnr(np.full(gt.shape, 2.0), gt, data_range=(-1, 1))[0] == 100


def test_lpips_names_a_wrong_net_a_device_that_is_not_there_and_small_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = np.zeros((1, 32, 32, 3), np.uint8)
    for net in ("foo", "none", None, 3):
        for make in (lambda name: M.lpips(images, images, net=name), M.LPIPS):
            with pytest.raises(
                MdlpBenchError, match=rf"no LPIPS net {net!r}; there are: alex, squeeze, vgg$"
            ):
                make(net)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for device in ("cuda", torch.device("cuda:1")):
        with pytest.raises(MdlpBenchError, match="not on this machine"):
            M.lpips(images, images, device=device)
    with pytest.raises(MdlpBenchError, match="choose from auto, cpu"):
        M.lpips(images, images, device="gpu")


@pytest.mark.filterwarnings("ignore:The parameter 'pretrained'", "ignore:Arguments other than a weight enum")
@pytest.mark.parametrize("net", ["alex", "squeeze", "vgg"])
def test_the_smallest_images_of_a_backbone_are_those_that_it_takes(net: str) -> None:
    lpips = pytest.importorskip("lpips")
    backbone = lpips.LPIPS(net=net, pnet_rand=True, pretrained=False, verbose=False)
    side = perceptual._SMALLEST[net]  # type: ignore[index]
    with torch.inference_mode():
        backbone(*torch.zeros(2, 1, 3, side, side + 20))
        with pytest.raises(RuntimeError):
            backbone(*torch.zeros(2, 1, 3, side - 1, side + 20))


def test_images_too_small_for_lpips_are_named(shared_dir: Path) -> None:
    small = np.zeros((1, 16, 60, 3), np.uint8)
    with pytest.raises(
        DataError, match=r"16 x 60 are too small for LPIPS \(squeeze\), which needs 17 pixels"
    ):
        M.lpips(small, small, net="squeeze", device="auto")
    large = np.zeros((1, 17, 60, 3), np.uint8)
    assert M.lpips(large, large, net="squeeze", device=torch.device("cpu"))[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("by_name", [True, False])
def test_metrics_with_readers_are_cloned_pickled_and_collected(by_name: bool, shared_dir: Path) -> None:
    metric = M.NED("crnn" if by_name else mb.load_reader("crnn"))
    gt = mb.render(PLATE, difficulty=0.0).image[None]
    for copy in (
        metric.clone(),
        pickle.loads(pickle.dumps(metric)),
        MetricCollection([metric]).clone("val_"),
    ):
        copy.update(gt, [PLATE])
        found = copy.compute()
        assert float(found["val_NED"] if isinstance(found, dict) else found) == 0
    assert metric.update_count == 0


PLATE = "京P20S76"


@pytest.mark.parametrize("score", [M.ned, M.accuracy, M.cer, lambda p, t: M.within(p, t, 1)])
@pytest.mark.parametrize(
    ("preds", "target", "says"),
    [
        (PLATE, PLATE, r"readings: '京P20S76' is a single text; give a list with one text per plate"),
        ([PLATE], PLATE, "true texts: '京P20S76' is a single text"),
        (PLATE, [PLATE], "readings: '京P20S76' is a single text"),
        ([None], [PLATE], "readings: number 0 is None"),
        ([PLATE, PLATE], [PLATE, None], "true texts: number 1 is None"),
        ([7], [PLATE], "number 0 is of type int"),
        (None, [PLATE], "readings: a NoneType was given"),
        (PLATE.encode(), [PLATE], "single text"),
    ],
)
def test_texts_that_are_no_list_of_texts_are_refused(
    score: Callable[..., Any], preds: Any, target: Any, says: str
) -> None:
    with pytest.raises(DataError, match=says):
        score(preds, target)
    metric = M.NED()
    if target != [PLATE, None]:
        with pytest.raises(DataError, match=says):
            metric.update(preds, target)


def test_readings_count_as_their_texts_and_a_reader_can_be_named(shared_dir: Path) -> None:
    gt = mb.render(PLATE, difficulty=0.0).image[None]
    readings = mb.load_reader("crnn").read(list(gt))
    assert M.ned(readings, [PLATE])[0] == M.ned(np.array([PLATE]), (PLATE,))[0] == 0
    without, named = M.NED(), M.NED("crnn")
    without.update(readings, [PLATE])
    named.update(gt, [PLATE])
    named.update([PLATE, PLATE], [PLATE, None])
    floats = torch.from_numpy(gt).float() / 255
    for form in (floats.clone().requires_grad_(), floats.bfloat16()):
        metric = M.NED("crnn", data_range=1.0)
        metric.update(form, [PLATE])
        assert float(metric.compute()) == 0
    assert float(without.compute()) == float(named.compute()) == 0
    distance = M.FRD("crnn")
    distance.update(gt, gt)
    assert np.isnan(float(distance.compute()))
    for wrong in (M.NED, M.FRD):
        with pytest.raises(MdlpBenchError, match="no reader 'crn'"):
            wrong("crn")
        with pytest.raises(MdlpBenchError, match="a function is no reader"):
            wrong(lambda images: images)


_WORKER = """
import sys, torch, mdlp_bench as mb
rank = int(sys.argv[1])
torch.distributed.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
images = torch.randint(0, 256, (8, 3, 24, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
texts = ["京P20S7" + str(n) for n in range(8)]
psnr, ned = mb.metrics.PSNR(), mb.metrics.NED()
share = slice(0, 5) if rank == 0 else slice(5, 8)
psnr.update(images[share], images.flip(3)[share])
ned.update(texts[share], ["京P20S75"] * len(texts[share]))
print(float(psnr.compute()), float(ned.compute()))
"""


def test_processes_share_what_they_have_seen(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WORKER]
    workers = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "meet")], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    found = [worker.communicate(timeout=120)[0].split() for worker in workers]
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (8, 3, 24, 40), dtype=torch.uint8, generator=generator)
    expected = [M.psnr(images, images.flip(3)).mean().item(), 7 / 8 / 7]
    for rank in range(2):
        assert [float(value) for value in found[rank]] == pytest.approx(expected)


def test_names_are_public_only_and_import_what_they_need() -> None:
    assert set(dir(M)) == set(M.__all__) and all(getattr(M, name) is not None for name in M.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = M.nonsense
    code = (
        "import sys, mdlp_bench as mb; mb.metrics.psnr; print({'torch', 'torchmetrics'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_classes_ask_for_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    monkeypatch.delitem(sys.modules, "mdlp_bench.metrics.classes")
    with pytest.raises(MdlpBenchError, match=r"mdlp-bench\[torchmetrics\]"):
        _ = M.PSNR
