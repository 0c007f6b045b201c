"""One track to its triplets: load, measure, read, choose, test against the thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from mdlp_bench import plate
from mdlp_bench.curate.pairing.choose import Measured, choose_ground_truth, choose_windows, first_late
from mdlp_bench.curate.pairing.config import PairingConfig, RejectCode
from mdlp_bench.curate.pairing.consensus import Consensus, vote
from mdlp_bench.curate.tracks import BadTrack, Track
from mdlp_bench.data.sources.names import sample_id_of
from mdlp_bench.errors import DataError
from mdlp_bench.images import ImageU8
from mdlp_bench.quality.measures import measure_frame, unsteady
from mdlp_bench.readers.base import Reader, Reading
from mdlp_bench.schema import EncodedImage, Sample, TextOrigin

SHOWN_FRAMES: Final = 3


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a track, or one triplet of it, was left out."""

    code: RejectCode
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a track.

    Attributes:
        track_id: The track.
        samples: Its triplets.
        rejections: Why there are no (or not all) triplets.
        notes: Oddities that led to no rejection, as (code, message).
        indices: Frame numbers, in order.
        frames: Their measures.
        readings: What each reader read in each frame, [frame][reader]; empty without readers.
        gt: Position of the ground truth.
        starts: Positions at which kept triplets start.
        consensus: What the readers agree on.
        text: Text of the samples.
        text_origin: Where it comes from.
        shown: Encoded bytes of a few frames and of the ground truth (or the last frame), for a report.
    """

    track_id: str
    samples: tuple[Sample, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    indices: tuple[int, ...] = ()
    frames: tuple[Measured, ...] = ()
    readings: tuple[tuple[Reading, ...], ...] = ()
    gt: int | None = None
    starts: tuple[int, ...] = ()
    consensus: Consensus | None = None
    text: str | None = None
    text_origin: TextOrigin | None = None
    shown: tuple[tuple[bytes, str], ...] = field(default=(), repr=False)


def pair_track(track: Track | BadTrack, config: PairingConfig, readers: Sequence[Reader] = ()) -> Outcome:
    """Make the triplets of one track; a function of its arguments and files alone.

    Args:
        track: See `open_tracks`.
        config: See `PairingConfig`.
        readers: Vote on the text when there is no label, raise the score of legible ground truths, and reject
            triplets that can be read already.
    """
    if isinstance(track, BadTrack):
        code: RejectCode = "frame-order" if track.code == "frame-order" else "annotation"
        return Outcome(track.track_id, rejections=(Rejection(code, track.message),))
    return _TrackPairing(track, config, readers).outcome()


class _TrackPairing:
    """The steps of `pair_track`, with what they share."""

    def __init__(self, track: Track, config: PairingConfig, readers: Sequence[Reader]) -> None:
        self.track, self.config, self.readers = track, config, readers
        self.notes: list[tuple[str, str]] = list(track.notes)
        self.images: list[EncodedImage | None] = []
        self.frames: list[Measured] = []
        self.readings: list[tuple[Reading, ...]] = []
        self.gt: int | None = None
        self.consensus: Consensus | None = None

    def outcome(self) -> Outcome:
        self._measure()
        usable = [p for p, frame in enumerate(self.frames) if frame.measures is not None]
        self._note_growth()
        if not usable:
            return self._rejected("broken-image", "no frame can be used")
        needed = self.config.n_frames + 1
        if len(usable) < needed:
            return self._rejected("too-short", f"{len(usable)} usable frames, {needed} are needed")
        self.gt = choose_ground_truth(self.frames, self.config)
        if self.gt is None:
            return self._rejected("broken-image", "no late frame can be used as ground truth")
        gt = self.frames[self.gt]
        index = self.track.frames[self.gt].index
        if gt.height < self.config.min_gt_height:
            return self._rejected(
                "gt-too-small",
                f"frame {index} is the best, {gt.height} px high; {self.config.min_gt_height} are needed",
            )
        if gt.sharpness < self.config.min_gt_sharpness:
            return self._rejected(
                "gt-blurred",
                f"frame {index} is the best, sharpness {gt.sharpness:.0f}; "
                f"{self.config.min_gt_sharpness:g} is needed",
            )
        text, origin, complaint = self._text()
        if complaint is not None:
            return self._rejected("text-uncertain", complaint)
        return self._triplets(text, origin)

    def _measure(self) -> None:
        pixels: list[ImageU8 | None] = []
        for frame in self.track.frames:
            try:
                image, crop = frame.load()
                measures = measure_frame(crop)
            except DataError as error:
                self._note("broken-frame", str(error))
                self.images.append(None)
                self.frames.append(Measured(None))
                pixels.append(None)
            else:
                self.images.append(image)
                self.frames.append(Measured(measures))
                pixels.append(crop)
        self.readings = [()] * len(pixels)
        if not self.readers:
            return
        places = [p for p, crop in enumerate(pixels) if crop is not None]
        crops = [crop for crop in pixels if crop is not None]
        by_reader = [reader.read(crops) for reader in self.readers] if crops else []
        for number, place in enumerate(places):
            read = tuple(found[number] for found in by_reader)
            self.readings[place] = read
            confidence = float(np.mean([reading.confidence for reading in read]))
            self.frames[place] = Measured(self.frames[place].measures, confidence)

    def _note_growth(self) -> None:
        """Note sizes that contradict the order: a plate grows as it nears and shrinks as it leaves."""
        sizes = [(f.measures.width, f.measures.height) for f in self.frames if f.measures is not None]
        if (found := unsteady(sizes)) is not None:
            self._note("unsteady-size", found)

    def _note(self, code: str, message: str) -> None:
        self.notes.append((code, f"track {self.track.track_id}: {message}"))

    def _text(self) -> tuple[str | None, TextOrigin | None, str | None]:
        """The text, its origin, and the reason not to trust it."""
        gt = self.frames[self.gt or 0]
        if self.readers:
            sharp = [
                p
                for p in range(first_late(len(self.frames), self.config), len(self.frames))
                if p == self.gt or self.frames[p].sharpness >= self.config.sharp_share * gt.sharpness
            ]
            self.consensus = vote([reading for p in sharp for reading in self.readings[p]])
        label = self.track.text
        if label is not None:
            if not plate.is_valid(label):
                self._note("text-grammar", f"label {label!r} is not a plate")
            if self.consensus and self.consensus.text != label and self._sure(self.consensus):
                agreed = f"{self.consensus.text} ({self.consensus.confidence:.2f})"
                self._note("label-disagrees", f"labelled {label}, the readers agree on {agreed}")
            return label, "label", None
        if self.consensus is None:
            return None, None, None
        if not self._sure(self.consensus):
            confidence = f"{self.consensus.confidence:.2f}; {self.config.min_text_confidence:g} is needed"
            return None, None, f"the readers agree on {self.consensus.text!r} with confidence {confidence}"
        if not plate.is_valid(self.consensus.text):
            return None, None, f"the readers agree on {self.consensus.text!r}, which is not a plate"
        return self.consensus.text, "reader", None

    def _sure(self, consensus: Consensus) -> bool:
        return consensus.confidence >= self.config.min_text_confidence

    def _triplets(self, text: str | None, origin: TextOrigin | None) -> Outcome:
        gt = self.gt or 0
        starts = choose_windows(self.frames, gt, self.config)
        if not starts:
            return self._rejected(
                "no-window",
                f"no {self.config.n_frames} consecutive usable frames before frame "
                f"{self.track.frames[gt].index} fit the policy {self.config.policy}",
            )
        samples: list[Sample] = []
        kept: list[int] = []
        rejections: list[Rejection] = []
        for start in sorted(starts):
            window = range(start, start + self.config.n_frames)
            if complaint := next((c for p in window if (c := self._too_readable(p, text))), None):
                rejections.append(Rejection("not-degraded", f"track {self.track.track_id}: {complaint}"))
            else:
                kept.append(start)
                samples.append(self._sample(window, gt, text, origin))
        return self._outcome(tuple(samples), tuple(rejections), tuple(kept), text, origin)

    def _too_readable(self, position: int, text: str | None) -> str | None:
        frame, gt = self.frames[position], self.frames[self.gt or 0]
        index = self.track.frames[position].index
        if frame.sharpness > self.config.max_frame_sharpness * gt.sharpness:
            share = frame.sharpness / gt.sharpness
            return f"frame {index} has {share:.2f} of the ground truth's sharpness"
        for reading in self.readings[position]:
            if (
                text is not None
                and plate.normalise(reading.text) == text
                and reading.confidence >= self.config.max_frame_confidence
            ):
                return f"frame {index} is read as {text} with confidence {reading.confidence:.2f}"
        return None

    def _sample(self, window: range, gt: int, text: str | None, origin: TextOrigin | None) -> Sample:
        track = self.track
        layout = track.layout
        if layout is None and text is not None and plate.is_valid(text):
            layouts = plate.parse(text).layouts
            layout = layouts[0] if len(layouts) == 1 else None
        return Sample(
            sample_id=sample_id_of(f"{track.track_id}-{track.frames[window[0]].index:04d}"),
            plate_id=track.plate_id or text or track.track_id,
            track_id=track.track_id,
            split=track.split,
            domain="real",
            source="tracks",
            frames=tuple(image for image in self.images[window.start : window.stop] if image is not None),
            frame_indices=tuple(track.frames[p].index for p in window),
            gt=self.images[gt],
            text=text,
            text_origin=origin,
            layout=layout,
        )

    def _rejected(self, code: RejectCode, message: str) -> Outcome:
        return self._outcome(
            (), (Rejection(code, f"track {self.track.track_id}: {message}"),), (), None, None
        )

    def _outcome(
        self,
        samples: tuple[Sample, ...],
        rejections: tuple[Rejection, ...],
        starts: tuple[int, ...],
        text: str | None,
        origin: TextOrigin | None,
    ) -> Outcome:
        usable = [p for p, image in enumerate(self.images) if image is not None]
        first = starts[0] if starts else 0
        last = self.gt if self.gt is not None else (usable[-1] if usable else None)
        places = [p for p in usable if p >= first][: min(SHOWN_FRAMES, self.config.n_frames)]
        places += [] if last is None or last in places else [last]
        shown: list[tuple[bytes, str]] = []
        for place in places:
            image = self.images[place]
            if image is not None:
                role = "ground truth" if place == self.gt else "frame"
                shown.append((image.content, f"{role} {self.track.frames[place].index}"))
        return Outcome(
            track_id=self.track.track_id,
            samples=samples,
            rejections=rejections,
            notes=tuple(self.notes),
            indices=tuple(frame.index for frame in self.track.frames),
            frames=tuple(self.frames),
            readings=tuple(self.readings),
            gt=self.gt,
            starts=starts,
            consensus=self.consensus,
            text=text,
            text_origin=origin,
            shown=tuple(shown),
        )
