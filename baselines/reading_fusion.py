"""Text without an image: read every frame, vote the characters.

With several poor frames of one plate, fusing what is read in each serves the text better than reading one
fused image; it is what wins reading competitions, and what every restoration has to be compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mdlp_bench.methods import FrameBatch, Method, MethodDescriptor, TextMethod
from mdlp_bench.metrics.cost import count_parameters
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.readers import Reader, Reading
from mdlp_bench.readers.crnn import CrnnReader

FRAMES = 5
"""The frames it reads at most."""


class ReadingFusion(TextMethod):
    """Reads the frames of a sample one by one and votes.

    Args:
        descriptor: Its descriptor.
        reader: What reads.
        restorer: Restores each frame by itself before it is read; None reads the frames as captured.
    """

    def __init__(self, descriptor: MethodDescriptor, reader: Reader, restorer: Method | None = None) -> None:
        self.descriptor = descriptor
        self._reader = reader
        self._restorer = restorer

    def read_batch(self, batch: FrameBatch) -> list[Reading]:
        """One fused reading per sample."""
        return [self._fused(batch.single(index)) for index in range(len(batch))]

    def _fused(self, sample: FrameBatch) -> Reading:
        frames = sample.native[0][:FRAMES]
        if self._restorer is None:
            images = [to_working_size(frame) for frame in frames]
        else:
            alone = [replace(sample, native=((frame,),)) for frame in frames]
            images = [self._restorer.restore_batch(one)[0] for one in alone]
        return vote(self._reader.read(images))


def vote(readings: Sequence[Reading]) -> Reading:
    """Fuse readings of one plate.

    The length with the largest sum of character confidences wins; among the readings of that length each
    place goes to the character with the largest sum, ties to the first read. A character's confidence is its
    sum over the number of readings that voted. (The vote that labels tracks is another one:
    `mdlp_bench.curate.pairing.consensus.vote` aligns readings of other lengths and counts them too.)

    Returns:
        The fused reading, empty when every reading is.
    """
    weights: dict[int, float] = {}
    for reading in readings:
        weights[len(reading.text)] = weights.get(len(reading.text), 0.0) + sum(reading.char_confidences)
    length = max(weights, key=weights.__getitem__, default=0)
    voters = [reading for reading in readings if len(reading.text) == length]
    chosen = []
    for place in range(length):
        votes: dict[str, float] = {}
        for reading in voters:
            character = reading.text[place]
            votes[character] = votes.get(character, 0.0) + reading.char_confidences[place]
        chosen.append(max(votes.items(), key=lambda item: item[1]))
    return Reading(
        "".join(character for character, _ in chosen), tuple(total / len(voters) for _, total in chosen)
    )


def reading_fusion(restorer: Method | None = None) -> ReadingFusion:
    """The bundled CRNN on up to five frames.

    Args:
        restorer: Restores each frame by itself before it is read, e.g. `srcnn()`; None: as captured.

    Raises:
        MissingWeightsError: The CRNN's weights are missing.
    """
    reader = CrnnReader()
    restored = restorer.descriptor if restorer else None
    descriptor = MethodDescriptor(
        name=f"reading-fusion-{restored.name}" if restored else "reading-fusion",
        title=f"Reading fusion ({f'{restored.title}, ' if restored else ''}CRNN)",
        frames_used=FRAMES,
        frame_policy=f"the first five or fewer, {'restored and ' if restored else ''}read one by one",
        parameters=count_parameters(reader.network) + (restored.parameters if restored else 0),
        weights_sha256=reader.descriptor.weights_sha256,
        citation=reader.descriptor.citation,
        provenance="baseline",
        trained_on=("rendered plates", *(restored.trained_on if restored else ())),
        deterministic=restored is None or restored.deterministic,
        output="text",
    )
    return ReadingFusion(descriptor, reader, restorer)
