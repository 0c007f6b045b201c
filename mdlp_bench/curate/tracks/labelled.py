"""Tracks with the texts of a label list that does not lie beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mdlp_bench.curate.tracks.track import BadTrack, Track, TrackSet
from mdlp_bench.data.sources.labels import LabelKeys, LabelRow, check_text, read_labels
from mdlp_bench.errors import DataError


def with_labels(tracks: TrackSet, path: Path) -> TrackSet:
    """Give tracks the texts of a list; its keys are track ids or the paths of their folders.

    Raises:
        DataError: The list cannot be read, or none of its lines fits a track.
    """
    rows, problems = read_labels(path)
    keys = LabelKeys[str]([(row, None) for row in rows])
    for track in tracks:
        keys.add(track.track_id, track.track_id)
    found, faults = keys.match("track")
    if not found:
        raise DataError(f"{path}: none of its lines names a track; the key is the track_id")
    notes = (*tracks.notes, *(problem.message for problem in (*problems, *faults)))
    return replace(tracks, notes=notes, _tracks=_LabelledTracks(tracks, found))


@dataclass(frozen=True, slots=True)
class _LabelledTracks:
    tracks: Iterable[Track | BadTrack]
    found: Mapping[str, LabelRow]

    def __iter__(self) -> Iterator[Track | BadTrack]:
        for track in self.tracks:
            row = self.found.get(track.track_id)
            if row is None or not row.text or isinstance(track, BadTrack):
                yield track
                continue
            text, layout, problems = check_text(row.text, track.track_id, None, row.where)
            notes = [note for note in track.notes if note[0] != "text-unreadable"]
            notes += [(p.code, p.message) for p in problems if p.code == "text-unreadable"]
            yield replace(track, text=text, layout=layout or track.layout, notes=tuple(notes))
