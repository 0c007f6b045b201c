"""Text without an image: read every frame, vote the characters.

With several poor frames of one plate, fusing the readings of all frames gives better texts than reading one
fused image. Such a vote wins reading competitions, so every restoration should be compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from mdlp_bench.files import slugify
from mdlp_bench.methods import MOST_FRAMES, FrameBatch, Method, MethodDescriptor, TextMethod
from mdlp_bench.metrics.cost import count_parameters
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.plate import grammars
from mdlp_bench.plate.grammar import Grammar, Template
from mdlp_bench.readers import Reader, Reading, load_reader
from mdlp_bench.readers.crnn.ctc_reader import CtcReader


class ReadingFusion(TextMethod):
    """Reads the frames of a sample one by one and votes.

    Args:
        descriptor: Its descriptor.
        reader: The reader.
        restorer: Restores each frame by itself before it is read; None reads the frames as captured.
        grammars: The grammars that the fused text must fit, where the readings allow it (see `vote`).
    """

    def __init__(
        self,
        descriptor: MethodDescriptor,
        reader: Reader,
        restorer: Method | None = None,
        grammars: Sequence[Grammar] = (),
    ) -> None:
        self.descriptor = descriptor
        self._reader = reader
        self._restorer = restorer
        self._grammars = tuple(grammars)

    def read_batch(self, batch: FrameBatch) -> list[Reading]:
        """One fused reading per sample."""
        self._reader.to(batch.device)
        is_whole = batch.compute.numerics == "batched"
        parts = [batch] if is_whole else [batch.single(index) for index in range(len(batch))]
        return [reading for part in parts for reading in self._fused(part)]

    def _fused(self, batch: FrameBatch) -> list[Reading]:
        frames = [native[: self.descriptor.frames_used] for native in batch.native]
        if self._restorer is None:
            images = [to_working_size(frame) for some in frames for frame in some]
        else:
            owners = [index for index, some in enumerate(frames) for _ in some]
            gt = batch.ground_truth
            alone = replace(
                batch,
                sample_ids=tuple(batch.sample_ids[index] for index in owners),
                native=tuple((frame,) for some in frames for frame in some),
                ground_truth=None if gt is None else tuple(gt[index] for index in owners),
            )
            images = list(self._restorer.restore_batch(alone))
        read = iter(self._reader.read(images))
        return [vote(list(islice(read, len(some))), self._grammars) for some in frames]


def vote(readings: Sequence[Reading], grammars: Sequence[Grammar] = ()) -> Reading:
    """Fuse readings of one plate.

    The length with the largest sum of character confidences wins; among the readings of that length each
    place goes to the character with the largest sum, ties to the first read. A character's confidence is its
    sum over the number of readings that voted. (The vote that labels tracks is another one:
    `mdlp_bench.curate.pairing.consensus.vote` aligns readings of other lengths and counts them too.)

    Args:
        readings: One per frame.
        grammars: Where characters that were read make a plate of one of them, the plate with the largest sum
            wins instead: a 0 gives way to an O where letters stand. Readings as long as a plate then win over
            others.

    Returns:
        The fused reading, empty when every reading is.
    """
    templates = [t for grammar in grammars for layout in grammar.layouts.values() for t in layout]
    weights: dict[int, float] = {}
    for reading in readings:
        weights[len(reading.text)] = weights.get(len(reading.text), 0.0) + sum(reading.char_confidences)
    fitting = {length: weight for length, weight in weights.items() if length in map(_length, templates)}
    length = max(fitting or weights, key=weights.__getitem__, default=0)
    voters = [reading for reading in readings if len(reading.text) == length]
    votes: list[dict[str, float]] = [{} for _ in range(length)]
    for reading in voters:
        for place, (character, confidence) in enumerate(
            zip(reading.text, reading.char_confidences, strict=True)
        ):
            votes[place][character] = votes[place].get(character, 0.0) + confidence
    plates = [found for template in templates if (found := _best(votes, template)) is not None]
    chosen = max(plates, key=lambda plate: sum(total for _, total in plate)) if plates else _best(votes, None)
    return Reading(
        "".join(character for character, _ in chosen or ()),
        tuple(total / len(voters) for _, total in chosen or ()),
    )


def _length(template: Template) -> int:
    return len(template.places)


def _best(votes: Sequence[Mapping[str, float]], template: Template | None) -> list[tuple[str, float]] | None:
    """At each place the allowed character with the most votes; None if that is not a plate."""
    if template is not None and len(template.places) != len(votes):
        return None
    chosen = []
    for place, counted in enumerate(votes):
        allowed = {c: v for c, v in counted.items() if template is None or c in template.places[place]}
        if not allowed:
            return None
        chosen.append(max(allowed.items(), key=lambda item: item[1]))
    text = "".join(character for character, _ in chosen)
    return chosen if template is None or template.matches(text) else None


def reading_fusion(
    restorer: Method | None = None,
    *,
    reader: str | Reader = "crnn",
    frames: int = MOST_FRAMES,
    by_grammar: bool = False,
) -> ReadingFusion:
    """A reader on up to `frames` frames.

    A line such as `mine = reading_fusion(reader="onnx:mine.onnx", frames=9)` in a file of yours makes
    `that_file.py:mine` a method of every command.

    Args:
        restorer: Restores each frame by itself before it is read, e.g. `srcnn()`; None: as captured.
        reader: A reader, or its name (see `mdlp_bench.readers.load_reader`).
        frames: The frames it reads at most, lowest index first.
        by_grammar: Prefer plates of the grammars that the reader knows (see `vote`).

    Raises:
        ReaderError: There is no such reader.
        MissingWeightsError: The reader's weights are missing.
    """
    reader = load_reader(reader) if isinstance(reader, str) else reader
    read = reader.descriptor
    restored = restorer.descriptor if restorer else None
    reads = slugify(read.name.removeprefix("crnn").removeprefix("-")) if read.name != "crnn" else ""
    parts = ("reading-fusion", reads, restored.name if restored else "")
    descriptor = MethodDescriptor(
        name="-".join(part for part in parts if part),
        title=f"Reading fusion ({f'{restored.title}, ' if restored else ''}{read.title})",
        frames_used=frames,
        frame_policy=f"the first {frames} or fewer, {'restored and ' if restored else ''}read one by one",
        parameters=(count_parameters(reader.network) if isinstance(reader, CtcReader) else 0)
        + (restored.parameters if restored else 0),
        weights_sha256=read.weights_sha256,
        citation=read.citation,
        provenance="baseline",
        trained_on=(
            *(("rendered plates",) if isinstance(reader, CtcReader) else ()),
            *(restored.trained_on if restored else ()),
        ),
        deterministic=restored is None or restored.deterministic,
        output="text",
    )
    known = [grammars()[name] for name in read.grammars] if by_grammar else []
    return ReadingFusion(descriptor, reader, restorer, known)


def reading_fusion_latin() -> ReadingFusion:
    """The bundled Latin reader on up to five frames, by grammar: the baseline of the LRLPR challenge.

    Raises:
        MissingWeightsError: The reader's weights are missing.
    """
    return reading_fusion(reader="crnn-latin", by_grammar=True)
