"""The fixed rules of scoring, as data; a run carries their id and is never ranked with runs of others."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mdlp_bench.errors import ProtocolError, no_such, one_of
from mdlp_bench.files import sha256_bytes
from mdlp_bench.frozen import Frozen
from mdlp_bench.images import check_rgb, stretched

LpipsNet = Literal["alex", "squeeze", "vgg"]


def checked_net(net: str, *, hint: str = "") -> LpipsNet:
    """The name, checked to be one of an LPIPS net; `hint` says what else can be given.

    Raises:
        ProtocolError: There is no such net.
    """
    known: tuple[LpipsNet, ...] = get_args(LpipsNet)
    return one_of("LPIPS net", net, known, ProtocolError, hint=hint)


class ResizeRules(Frozen):
    """How images of any size are brought to the working size.

    Each axis is treated separately: one that must grow is interpolated bicubically, as the field does; one
    that must shrink is averaged over areas, because bicubic interpolation without a prefilter aliases and
    would punish methods that restore more pixels than the working size. Shrinking comes first.
    """

    height: int = 112
    width: int = 224
    channels: Literal["RGB"] = "RGB"
    dtype: Literal["uint8"] = "uint8"
    backend: Literal["opencv"] = "opencv"
    grow: Literal["INTER_CUBIC"] = "INTER_CUBIC"
    shrink: Literal["INTER_AREA"] = "INTER_AREA"
    order: Literal["shrink, then grow"] = "shrink, then grow"


class SsimRules(Frozen):
    """The constants of SSIM (Wang et al. 2004, section III-B and C)."""

    window: int = 11
    sigma: float = 1.5
    k1: float = 0.01
    k2: float = 0.03
    covariance: Literal["population"] = "population"
    region: Literal["valid"] = "valid"
    channels: Literal["mean of R, G, B"] = "mean of R, G, B"


class RegistrationRules(Frozen):
    """How outputs are registered before the aligned scores: first at half resolution, then at full.

    Attributes:
        translation: The most iterations of the translation, at half resolution.
        affine: The most iterations of the affine map, at each resolution.
    """

    translation: int = 20
    affine: int = 12


class TextRules(Frozen):
    """How readings are compared with the ground truth's text.

    Attributes:
        cer_cap: The largest CER of a sample, which is that of a failed one; None for no limit.
        failed: The scores of a failed sample: the worst value of every text metric, and a wrong reading of
            full confidence where readings are compared with confidences; None for an empty reading.
        hallucinated: Which wrong plates count as hallucinated; None for those of the ground truth's grammar.
    """

    reader: str = "crnn"
    normalisation: Literal["NFKC, upper case, no separators"] = "NFKC, upper case, no separators"
    ned_denominator: Literal["max"] = "max"
    ned_gt_denominator: Literal["target"] = "target"
    cer_cap: float | None = None
    failed: Literal["worst"] | None = None
    hallucinated: Literal["any grammar"] | None = None


class BootstrapRules(Frozen):
    """How intervals are computed: whole plates are resampled, never single images.

    Attributes:
        shares: Limits of means of zeros and ones; None for the resampled ones of any mean.
        correction: How comparisons allow for few and unequal plates; None for CR1, which allows for few only.
    """

    unit: Literal["plate_id"] = "plate_id"
    interval: Literal["bca"] = "bca"
    resamples: int = 2000
    confidence: float = 0.95
    shares: Literal["clopper-pearson"] | None = None
    correction: Literal["cr2"] | None = None


class Protocol(Frozen):
    """One set of scoring rules.

    The PSNR cap of 100 dB touches identical images only: the smallest error that an 8-bit RGB image of the
    working size can show, one grey level in one value, gives 96.9 dB.
    """

    id: str
    resize: ResizeRules = ResizeRules()
    psnr_cap_db: float = 100.0
    ssim: SsimRules = SsimRules()
    lpips_net: LpipsNet = "alex"
    lpips_version: Literal["0.1"] = "0.1"
    registration: RegistrationRules | None = None
    """None: at full resolution alone, with at most 50 iterations of each map."""
    text: TextRules = TextRules()
    failed_image: Literal["black"] = "black"
    """The picture of a failed sample for metrics that compare sets (FID, KID, FRD, KRD)."""
    bootstrap: BootstrapRules = BootstrapRules()

    def fingerprint(self) -> str:
        """The SHA-256 of the rules' canonical JSON (sorted keys, no blanks), 64 hexadecimal digits.

        A rule that is None does not exist in that protocol and is left out, so that a protocol keeps its
        fingerprint when later ones have more rules.
        """
        rules = self.model_dump(mode="json", exclude_none=True)
        canonical = json.dumps(rules, sort_keys=True, separators=(",", ":"))
        return sha256_bytes(canonical.encode())


MDLP_V1: Final = Protocol(id="mdlp-v1")
"""The first protocol of this benchmark."""

MDLP_V2: Final = Protocol(
    id="mdlp-v2",
    registration=RegistrationRules(),
    text=TextRules(reader="crnn-2", cer_cap=2.0, failed="worst"),
    bootstrap=BootstrapRules(shares="clopper-pearson", correction="cr2"),
)
"""As the first, but: a reader that abstains where there is no plate, the worst values for failed samples,
exact limits of shares, CR2 for unequal plates, and registration that starts at half resolution."""

MDLP_V3: Final = MDLP_V2.model_copy(
    update={
        "id": "mdlp-v3",
        "text": MDLP_V2.text.model_copy(update={"reader": "crnn-3", "hallucinated": "any grammar"}),
    }
)
"""As the second, but: a reader that rectifies, and hallucination counts plates of every known grammar."""

PROTOCOLS: Final = MappingProxyType({protocol.id: protocol for protocol in (MDLP_V1, MDLP_V2, MDLP_V3)})
"""All protocols by id. They share their image rules; `WORKING_SIZE` and the metrics' constants are theirs."""

CURRENT: Final = MDLP_V3
"""The protocol of new runs unless another one is asked for."""

WORKING_SIZE: Final = (CURRENT.resize.height, CURRENT.resize.width)
"""Height and width at which images are compared."""


def protocol_named(name: str) -> Protocol:
    """The protocol of an id.

    Raises:
        ProtocolError: There is none.
    """
    if name not in PROTOCOLS:
        raise no_such("protocol", name, PROTOCOLS, ProtocolError, hint=" (or update mdlp-bench)")
    return PROTOCOLS[name]


def to_working_size(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring one RGB image, uint8 [H, W, 3], to the working size by the rule of `ResizeRules`.

    The aspect ratio is not kept (the field stretches plates). An image that already has the size is
    returned as it is.

    Returns:
        uint8 [112, 224, 3].

    Raises:
        DataError: Not uint8, not [H, W, 3], or empty.
    """
    check_rgb(image)
    return stretched(image, WORKING_SIZE)
