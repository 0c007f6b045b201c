"""What changed between two data sets, or two versions of one."""

from __future__ import annotations

from typing import Any

from mdlp_bench.data.samples import Samples
from mdlp_bench.frozen import Frozen


class Change(Frozen):
    """One sample that both data sets have but that differs; `what` names the columns."""

    sample_id: str
    what: tuple[str, ...]


class Move(Frozen):
    """One sample that is in another split, or that has another id."""

    sample_id: str
    new_id: str
    old_split: str
    new_split: str


class Diff(Frozen):
    """The result of `diff`.

    Attributes:
        added: Ids in the second data set only.
        removed: Ids in the first only.
        moved: Samples whose split differs, and samples with the same images under another id.
        changed: Samples of one id whose images, text or plate differ.
        same: Number of samples that are equal in all of this.
    """

    old: str
    new: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    moved: tuple[Move, ...]
    changed: tuple[Change, ...]
    same: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.moved or self.changed)


def diff(old: Samples, new: Samples) -> Diff:
    """Compare two data sets by sample id, split, plate, text and image hashes.

    With manifests no image is read.

    Raises:
        DataError: A data set cannot be read.
    """
    before, after = _index(old), _index(new)
    moved, changed = [], []
    same = 0
    for sample_id in sorted(before.keys() & after.keys()):
        left, right = before[sample_id], after[sample_id]
        if left["split"] != right["split"]:
            moved.append(_move(left, right))
        what = tuple(name for name in _COMPARED if left[name] != right[name])
        if what:
            changed.append(Change(sample_id=sample_id, what=tuple(_COMPARED[name] for name in what)))
        same += left["split"] == right["split"] and not what
    removed, added = before.keys() - after.keys(), after.keys() - before.keys()
    renamed = {_images(after[sample_id]): sample_id for sample_id in sorted(added)}
    for sample_id in sorted(removed):
        new_id = renamed.pop(_images(before[sample_id]), None)
        if new_id is not None:
            moved.append(_move(before[sample_id], after[new_id]))
            removed, added = removed - {sample_id}, added - {new_id}
    return Diff(
        old=old.name,
        new=new.name,
        added=tuple(sorted(added)),
        removed=tuple(sorted(removed)),
        moved=tuple(moved),
        changed=tuple(changed),
        same=same,
    )


_COMPARED = {"frames_sha256": "frames", "gt_sha256": "gt", "text": "text", "plate_id": "plate_id"}


def _index(samples: Samples) -> dict[str, dict[str, Any]]:
    return {row["sample_id"]: row for row in samples.index()}


def _images(row: dict[str, Any]) -> tuple[Any, ...]:
    return (*row["frames_sha256"], row["gt_sha256"])


def _move(left: dict[str, Any], right: dict[str, Any]) -> Move:
    return Move(
        sample_id=left["sample_id"],
        new_id=right["sample_id"],
        old_split=left["split"],
        new_split=right["split"],
    )
