"""What a scoring computes and by which rules: readers, image scorers, distribution distances."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, SupportsIndex

from mdlp_bench.data.samples import Samples
from mdlp_bench.device import check_device
from mdlp_bench.errors import MissingWeightsError, ReaderError
from mdlp_bench.harness.scorers import (
    FidelityScorer,
    ImageScorer,
    LpipsScorer,
    RegisteredScorer,
    SetFeatures,
    UserScorer,
)
from mdlp_bench.metrics.base import MetricInfo, UserMetric, load_metric, lpips_column
from mdlp_bench.metrics.protocol import CURRENT, Protocol, checked_net, protocol_named
from mdlp_bench.readers.base import Reader
from mdlp_bench.userfiles import Several, one_or_more

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoringPlan:
    """What to compute, and by which rules.

    A plan made by `from_names` travels to workers as these names, and is loaded again there.

    Attributes:
        readers: Text readers. The columns of the first have no suffix and decide the ranking; those of the
            others are named `ned@<reader>` and so on.
        image_scorers: PSNR and SSIM, plain and aligned, LPIPS where its weights are there, and metrics of
            users' own.
        inception: Makes the features of FID and KID; None leaves the two out.
        unavailable: Metrics that cannot be computed, with the reason that tables and runs give.
        protocol: The rules.
        device: Where networks compute (LPIPS, the CRNN, Inception); the values agree to 1e-4.
        asked: The arguments of `from_names` that made it.
    """

    readers: tuple[Reader, ...]
    image_scorers: tuple[ImageScorer[Any], ...]
    unavailable: Mapping[str, str] = field(default_factory=dict)
    inception: SetFeatures | None = None
    protocol: Protocol = CURRENT
    device: str = "cpu"
    asked: tuple[tuple[str, ...], str, bool, str, str, bool, tuple[UserMetric | str, ...]] | None = None

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        if self.asked is None:
            return super().__reduce_ex__(protocol)
        return (type(self).from_names, self.asked)

    @classmethod
    def from_names(
        cls,
        readers: Several[str | Path] | None = None,
        lpips: str = "squeeze",
        fid: bool = False,
        protocol: str | None = None,
        device: str = "cpu",
        aligned: bool = True,
        metrics: Several[UserMetric | str | Path] = (),
        *,
        remote: bool = False,
        samples: Samples | None = None,
    ) -> Self:
        """The plan for what a user asked for.

        Args:
            readers: Reader names (see `load_reader`), `panel` for all, or `auto` for the bundled one that
                knows the texts of `samples`; default the protocol's.
            lpips: `alex`, `squeeze`, `vgg`, or `none`. Without its weights the column is marked unavailable
                with its reason; no other net takes its place.
            fid: Also FID and KID, when Inception's weights are in torch hub's cache; they are never fetched,
                and without them the two are marked unavailable. Takes about 0.2 s per image and CPU.
            protocol: The id of the rules; default the current ones.
            device: `cpu`, `mps`, `cuda` or `cuda:N`, where networks compute.
            aligned: Also PSNR and SSIM after registration, which takes two thirds of the time of scoring.
            metrics: Further metrics: made by `mb.metric`, or their names as for `load_metric`.
            samples: What is scored; `auto` needs it. Readers that cannot know its texts are logged, one line
                each.
            remote: The work is done on other machines, which have the device; here all is loaded on the CPU.

        Raises:
            ReaderError: There is no such reader, or `auto` has no samples to go by.
            ProtocolError: There is no such LPIPS net, protocol or metric.
            MdlpBenchError: The device is not there.
        """
        from mdlp_bench.readers import AUTO, DEFAULT_READER, PANEL, load_reader, reader_for
        from mdlp_bench.readers.reach import beyond_reach

        given: list[str | Path] = [] if readers is None else one_or_more(readers)
        further: list[UserMetric | str | Path] = one_or_more(metrics)
        asked_readers = [str(name) for name in given]
        asked_metrics = [str(one) if isinstance(one, Path) else one for one in further]
        cls.check_names(asked_readers, lpips)
        rules = CURRENT if protocol is None else protocol_named(protocol)
        # Where a name leaves the choice open, the protocol's reader takes the first one's place.
        judge = rules.text.reader
        if AUTO in asked_readers:
            if samples is None:
                raise ReaderError("the reader auto is chosen by the samples that are scored; give them")
            found = reader_for(samples.column("text"))
            found = judge if found == DEFAULT_READER else found
            asked_readers = [found if name == AUTO else name for name in asked_readers]
        panel = (judge, *PANEL[1:])
        names = [n for name in asked_readers or [judge] for n in (panel if name == "panel" else (name,))]
        here = "cpu" if remote else device
        check_device(here)
        loaded = tuple(load_reader(name).to(here) for name in dict.fromkeys(names))
        if samples is not None:
            texts = samples.column("text")
            for reader in loaded:
                if beyond := beyond_reach(reader.descriptor, texts):
                    logger.warning("%s", beyond)
        scorers: list[ImageScorer[Any]] = [FidelityScorer()]
        if aligned:
            scorers.append(RegisteredScorer(rules.registration))
        users = [load_metric(one) if isinstance(one, str) else one for one in asked_metrics]
        unavailable = {}
        if lpips != "none":
            try:
                scorers.append(LpipsScorer(lpips, here))
            except MissingWeightsError as error:
                unavailable[lpips_column(lpips)] = str(error)
        scorers += map(UserScorer, users)
        inception = None
        if fid:
            from mdlp_bench.metrics.inception import InceptionFeatures

            try:
                inception = InceptionFeatures(here, download=False)
            except MissingWeightsError as error:
                unavailable |= dict.fromkeys(("fid", "kid"), str(error))
        asked = (tuple(names), lpips, fid, rules.id, device, aligned, tuple(asked_metrics))
        return cls(loaded, tuple(scorers), unavailable, inception, rules, device, asked)

    @staticmethod
    def check_names(readers: Sequence[str] | None, lpips: str) -> None:
        """Check names as `from_names` takes them; nothing is loaded.

        Raises:
            ReaderError: There is no such reader.
            ProtocolError: There is no such LPIPS net.
        """
        from mdlp_bench.readers import AUTO, check_reader

        for name in readers or ():
            if name not in (AUTO, "panel"):
                check_reader(name)
        if lpips != "none":
            checked_net(lpips, hint=", and none")

    @property
    def user_metrics(self) -> tuple[MetricInfo, ...]:
        """The descriptions of the users' own metrics."""
        return tuple(one.metric.info for one in self.image_scorers if isinstance(one, UserScorer))

    @property
    def weights(self) -> dict[str, str]:
        """SHA-256 of every weight file a score depends on, by its name."""
        found = {r.descriptor.name: r.descriptor.weights_sha256 for r in self.readers}
        hashes = {f"reader {name}": sha for name, sha in found.items() if sha is not None}
        for scorer in self.image_scorers:
            hashes.update(scorer.weights)
        if self.inception is not None:
            hashes["inception"] = self.inception.weights_sha256
        return hashes
