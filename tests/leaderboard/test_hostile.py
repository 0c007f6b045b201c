"""Attacks on the reader of submissions: each is refused in one clear line, with bounded memory and time."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import textwrap
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Final, cast

import cv2
import numpy as np
import pytest
import yaml

from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import SubmissionError
from mdlp_bench.images import decode
from mdlp_bench.leaderboard.submission.validate import read_submission, validate
from mdlp_bench.leaderboard.submission.yaml_strict import load_yaml

IDS = ["s0000", "s0001"]
ZipOf = Callable[..., bytes]


def _png(array: np.ndarray) -> bytes:
    done, content = cv2.imencode(".png", array)
    assert done
    return content.tobytes()


GOOD = _png(np.random.default_rng(1).integers(0, 256, (112, 224, 3), dtype=np.uint8))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _crafted(header: bytes, *chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + b"".join(chunks) + _chunk(b"IEND", b"")


def _with_chunk(kind: bytes, content: bytes) -> bytes:
    return GOOD[:33] + _chunk(kind, content) + GOOD[33:]


RGB = struct.pack(">2I5B", 224, 112, 8, 2, 0, 0, 0)
NOISE = np.random.default_rng(0)


def _info(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("placeholder")
    info.filename = name
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def _named(
    name: str, mode: int = 0o100644, content: bytes = b"x"
) -> dict[str, tuple[zipfile.ZipInfo, bytes]]:
    return {"member": (_info(name, mode), content)}


def _raw_named(zip_of: ZipOf, name: bytes) -> bytes:
    """An archive with a member of any byte string as name, of the same length in both headers."""
    marker = b"Q" * len(name)
    content = zip_of(**_named(marker.decode()))
    assert content.count(marker) == 2
    return content.replace(marker, name)


def _directory_at(content: bytes) -> tuple[int, int, int]:
    """Number of members, size and start of the central directory."""
    count, size, start = struct.unpack("<H2I", content[-12:-2])
    return count, size, start


def _patched(content: bytes, at: int, fmt: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(fmt, changed, at, value)
    return bytes(changed)


def _last_central(content: bytes) -> int:
    return content.rindex(b"PK\x01\x02")


def _first_central(content: bytes) -> int:
    return _directory_at(content)[2]


def _overlapping(zip_of: ZipOf) -> bytes:
    """The last member points at the data of the first: the trick behind quine-like bombs."""
    content = zip_of()
    return _patched(content, _last_central(content) + 42, "<I", 0)


def _million(zip_of: ZipOf) -> bytes:
    """A million entries in a directory that all point at one file."""
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0) + b"a"
    directory = entry * 1_000_000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 16960, 16960, len(directory), 0, 0)
    return directory + end


def _million_zip64(zip_of: ZipOf) -> bytes:
    """The million entries once more, with the records that zip64 has for so many."""
    content = _million(zip_of)
    size = len(content) - 22
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1_000_000, 1_000_000, size, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, size, 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, size, 0, 0)
    return content[:-22] + record + locator + end


def _deflate_bomb(zip_of: ZipOf) -> bytes:
    return zip_of(**{"predictions/s0002.png": b"\0" * 5_000_000})


def _lying_bomb(zip_of: ZipOf) -> bytes:
    """5 MB of zeros that claim to be 1,000 bytes."""
    content = zip_of(n=1, **{"predictions/s0001.png": b"\0" * 5_000_000})
    content = _patched(content, _last_central(content) + 24, "<I", 1000)
    local = content.rindex(b"PK\x03\x04", 0, _first_central(content))
    return _patched(content, local + 22, "<I", 1000)


def _png_bomb(size: int) -> bytes:
    return _crafted(RGB, _chunk(b"IDAT", zlib.compress(b"\0" * size)))


def _nested(depth: int) -> bytes:
    content = b"\0" * 10_000
    for _ in range(depth):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("more.zip", content)
        content = stream.getvalue()
    return content


def _encrypted(zip_of: ZipOf) -> bytes:
    content = zip_of()
    content = _patched(content, _last_central(content) + 8, "<H", 1)
    return _patched(content, content.rindex(b"PK\x03\x04") + 6, "<H", 1)


def _with_extra(zip_of: ZipOf, kind: int, payload: bytes) -> bytes:
    info = _info("predictions/s0002.png")
    info.extra = struct.pack("<2H", kind, len(payload)) + payload
    return zip_of(member=(info, GOOD))


def _duplicate(zip_of: ZipOf) -> bytes:
    stream = io.BytesIO(zip_of())
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("submission.yaml", b"method: other")
    return stream.getvalue()


def _bzip2(zip_of: ZipOf) -> bytes:
    stream = io.BytesIO(zip_of())
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("predictions/s0002.png", GOOD)
    return stream.getvalue()


def _commented(zip_of: ZipOf) -> bytes:
    content = zip_of()
    fake = zip_of(n=1)[-22:]
    return _patched(content, len(content) - 2, "<H", len(fake)) + fake


def _renamed(content: bytes, name: Callable[[str], str], mac: bool = False) -> bytes:
    """The archive with other names; with what macOS puts beside every file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for one in old.namelist():
            info = zipfile.ZipInfo("placeholder")
            info.filename = name(one)  # the constructor would replace backslashes on Windows
            new.writestr(info, old.read(one))
            if mac:
                folder, _, base = name(one).rpartition("/")
                new.writestr(f"__MACOSX/{folder}/._{base}", b"Mac OS X")
    return stream.getvalue()


def _picture(content: bytes) -> Callable[[ZipOf], bytes]:
    return lambda zip_of: zip_of(n=1, **{"predictions/s0001.png": content})


def _form(content: bytes) -> Callable[[ZipOf], bytes]:
    return lambda zip_of: zip_of(form=content)


def _member(name: str, mode: int = 0o100644, content: bytes = b"x") -> Callable[[ZipOf], bytes]:
    return lambda zip_of: zip_of(**_named(name, mode, content))


def _readings(lines: str | bytes) -> Callable[[ZipOf], bytes]:
    """A submission of texts, with these lines below the header."""
    content = lines if isinstance(lines, bytes) else f"sample_id,text,confidence\n{lines}".encode()
    return lambda zip_of: zip_of(n=0, form={"output": "text"}, **{"readings.csv": content})


READ: Final = "s0000,京A12345,0.9\ns0001,京A12345,0.9\n"
BILLION_LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b]\n"

ATTACKS: dict[str, tuple[Callable[[ZipOf], bytes], str]] = {
    # paths
    "traversal": (_member("../../evil.png"), "leaves the archive"),
    "traversal inside": (_member("predictions/../../evil.png"), "leaves the archive"),
    "dot component": (_member("predictions/./s0002.png"), "leaves the archive"),
    "empty component": (_member("predictions//s0002.png"), "leaves the archive"),
    "absolute": (_member("/etc/cron.d/evil"), "absolute path"),
    "backslash": (lambda z: _raw_named(z, b"..\\..\\evil.png"), "leaves the archive"),
    "drive": (_member("C:/evil.png"), "drive"),
    "control characters": (lambda z: _raw_named(z, b"predictions/\x1b[2J.png"), "control"),
    "null byte": (lambda z: _raw_named(z, b"predictions/s0002.png\0.exe"), "control"),
    "bidi override": (_member("predictions/s\u202egnp.png"), "control or invisible"),
    "zero width": (_member("predictions/s00\u200b00.png"), "control or invisible"),
    "cyrillic look-alike": (_member("prediсtions/s0000.png"), "look-alike"),
    "full-width look-alike": (_member("predictions/ｓ0000.png"), "look-alike"),
    "slash look-alike": (_member("predictions∕s0000.png"), "look-alike"),
    "combining marks": (_member("predictions/se\u0301.png"), "look-alike"),
    "unmarked encoding": (lambda z: _raw_named(z, "predictions/京.png".encode("gbk")), "not in UTF-8"),
    "reserved name": (_member("predictions/CON.png"), "reserved on Windows"),
    "trailing dot": (_member("predictions/s0000.png."), "blank or a dot"),
    "very long name": (_member("predictions/" + "a" * 5000 + ".png"), "255 bytes"),
    "case clash": (_member("predictions/S0000.png", content=GOOD), "by case only"),
    "duplicate": (_duplicate, "occurs twice"),
    "wrong name": (_member("predictions/s0000.png.exe"), "does not belong"),
    "leading dot": (_member("predictions/.s0000.png"), "does not belong"),
    "unknown sample": (_member("predictions/s0009.png", content=GOOD), "no sample of the test set"),
    "nested archive": (_member("inner.zip", content=_nested(5)), "does not belong"),
    "nested archive as picture": (_picture(_nested(2)), "not a PNG"),
    # kinds of members
    "symbolic link": (_member("predictions/s0002.png", 0o120777, b"/etc/passwd"), "symbolic link"),
    "device": (_member("predictions/s0002.png", 0o020666), "not a plain file"),
    "pipe": (_member("predictions/s0002.png", 0o010666), "not a plain file"),
    "folder with content": (_member("predictions/", 0o040755, b"x" * 10), "bytes, at most"),
    "encrypted": (_encrypted, "encrypted"),
    "AES entry": (lambda z: _with_extra(z, 0x9901, b"\2\0AE\3\0\0"), "encrypted"),
    "second name": (lambda z: _with_extra(z, 0x7075, b"\1\0\0\0\0../evil"), "second name"),
    "zip64 entry": (lambda z: _with_extra(z, 0x0001, struct.pack("<2Q", 1 << 40, 1 << 40)), "zip64"),
    "broken extra field": (
        lambda z: _patched(
            c := _with_extra(z, 0x4444, b"abcd"),
            _last_central(c) + 46 + len("predictions/s0002.png") + 2,
            "<H",
            99,
        ),
        "extra field is damaged",
    ),
    "other compression": (_bzip2, "compressed by method 12"),
    # bombs
    "deflate bomb": (_deflate_bomb, "5,000,000 bytes, at most"),
    "lying deflate bomb": (_lying_bomb, "larger than declared"),
    "overlapping members": (_overlapping, "overlap"),
    "million entries": (_million, "at most 20,000"),
    "many entries, zip64": (_million_zip64, "zip64 or holds more files"),
    "entry count lies low": (
        lambda z: _patched(_patched(z(), -14, "<H", 1), -12, "<H", 1),
        "more files than",
    ),
    "entry count lies high": (
        lambda z: _patched(_patched(z(), -14, "<H", 9), -12, "<H", 9),
        "end record says 9",
    ),
    "directory outside": (lambda z: _patched(z(), -6, "<I", 0x7FFFFFFF), "not where its end record says"),
    "directory damaged": (
        lambda z: _patched(c := z(), _first_central(c) + 28, "<H", 60000),
        "directory is damaged",
    ),
    "member outside": (lambda z: _patched(c := z(), _last_central(c) + 42, "<I", 0x7FFFFFF0), "overlap"),
    "data in front": (lambda z: b"#!/bin/sh\n" + z(), "before the archive"),
    "data behind": (lambda z: z() + b"\0" * 100, "behind its end"),
    "second end record in a comment": (_commented, "not where its end record says"),
    "split archive": (lambda z: _patched(z(), -18, "<H", 1), "split archive"),
    "truncated": (lambda z: z()[:-40], "not a zip file, cut off"),
    "empty file": (lambda z: b"", "not a zip file"),
    "not a zip": (lambda z: os.urandom(4096), "not a zip file"),
    "local header contradicts": (
        lambda z: _patched(c := z(), c.index(b"PK\x03\x04") + 18, "<I", 7),
        "contradicts the directory",
    ),
    "local name contradicts": (
        lambda z: z().replace(b"predictions/s0000.png", b"predictions/s0009.png", 1),
        "another name",
    ),
    "wrong checksum": (
        lambda z: _patched(
            _patched(c := z(), _first_central(c) + 16, "<I", 5), c.index(b"PK\x03\x04") + 14, "<I", 5
        ),
        "checksum",
    ),
    # pictures
    "huge header": (
        _picture(_crafted(struct.pack(">2I5B", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0), _chunk(b"IDAT", b"x"))),
        "2,147,483,647 x 2,147,483,647",
    ),
    "picture bomb": (_picture(_png_bomb(5_000_000)), "picture data are not those"),
    "too few rows": (_picture(_png_bomb(1000)), "picture data are not those"),
    "truncated picture": (_picture(GOOD[:-20]), "truncated PNG"),
    "animated": (_picture(_with_chunk(b"acTL", struct.pack(">2I", 2, 0))), "animated"),
    "16-bit": (_picture(_png(NOISE.integers(0, 65536, (112, 224, 3), dtype=np.uint16))), "16 bits"),
    "palette": (_picture(_crafted(struct.pack(">2I5B", 224, 112, 8, 3, 0, 0, 0))), "palette"),
    "grey": (_picture(_png(NOISE.integers(0, 256, (112, 224), dtype=np.uint8))), "grey"),
    "alpha": (_picture(_png(NOISE.integers(0, 256, (112, 224, 4), dtype=np.uint8))), "alpha"),
    "transparent colour": (_picture(_with_chunk(b"tRNS", b"\0\1\0\1\0\1")), "transparent"),
    "interlaced": (_picture(_crafted(struct.pack(">2I5B", 224, 112, 8, 2, 0, 0, 1))), "interlaced"),
    "wrong size": (_picture(_png(NOISE.integers(0, 256, (56, 112, 3), dtype=np.uint8))), "112 x 56"),
    "JPEG called PNG": (
        _picture(cv2.imencode(".jpg", NOISE.integers(0, 256, (112, 224, 3)))[1].tobytes()),
        "not a PNG",
    ),
    "damaged chunk": (_picture(GOOD[:60] + b"\0\0\0\0" + GOOD[64:]), "checksum"),
    "bytes behind a picture": (_picture(GOOD + b"PK\x03\x04payload"), "behind its end"),
    "unknown critical chunk": (_picture(_with_chunk(b"EVIL", b"x")), "chunk that no PNG"),
    # readings
    "readings with a picture": (
        lambda z: z(
            n=0, form={"output": "text"}, **{"readings.csv": READ.encode(), "predictions/s0000.png": GOOD}
        ),
        "does not belong in a submission of texts",
    ),
    "pictures with readings": (
        lambda z: z(**{"readings.csv": READ.encode()}),
        "does not belong in a submission of images",
    ),
    "no readings": (lambda z: z(n=0, form={"output": "text"}), "holds no reading"),
    "readings without a header": (_readings(READ.encode()), "does not begin with its header"),
    "readings of half the samples": (_readings("s0000,京A12345,0.9\n"), "1 of 2 samples have no reading"),
    "reading given twice": (_readings(READ + "s0000,京A54321,0.9\n"), "a sample that has a line already"),
    "reading of an unknown sample": (_readings(READ + "../evil,京A1,0.9\n"), "no sample of the test set"),
    "reading with markup": (_readings("s0000,<b>,0.9\ns0001,京A1,0.9\n"), "neither a letter, a digit"),
    "reading with look-alikes": (_readings("s0000,АВ12,0.9\ns0001,京A1,0.9\n"), "neither a letter, a digit"),
    "reading of many characters": (_readings(f"s0000,{'A' * 90},0.9\n"), "longer than 16 characters"),
    "reading of a ligature that grows": (_readings(f"s0000,{'ﷺ' * 2},0.9\n"), "longer than 16 characters"),
    "confidence that is no number": (_readings("s0000,京A1,nan\n"), "not a number from 0 to 1"),
    "confidence above one": (_readings("s0000,京A1,1.5\n"), "not a number from 0 to 1"),
    "confidence of many digits": (_readings(f"s0000,京A1,0.{'9' * 5000}\n"), "not a number from 0 to 1"),
    "reading with quotes and commas": (_readings('s0000,"京,A",0.9\n'), "4 cells, not 3"),
    "readings not in UTF-8": (_readings(b"\xff\xfe"), "not UTF-8"),
    "readings bomb": (_readings(b"0" * 5_000_000), "5,000,000 bytes, at most 2,097,152"),
    "readings of a million samples": (_readings("a,b,0\n" * 300_000), "no sample of the test set"),
    # forms
    "unknown output": (lambda z: z(form={"output": "video"}), "write image or text"),
    "billion laughs": (_form(BILLION_LAUGHS), "anchor or alias"),
    "python object": (_form(b"a: !!python/object/apply:os.system ['true']"), "uses a tag"),
    "deep nesting": (_form(b"a: " + b"[" * 5000), "nested deeper"),
    "huge form": (_form(b"a: " + b"x" * 100_000), "larger than 64 KiB"),
    "repeated key": (_form(b"method: a\nmethod: b\n"), "given twice"),
    "unknown key": (_form(yaml.safe_dump({"surprise": 1}).encode()), "not a field"),
    "script address": (
        lambda z: z(form={"paper_url": "javascript:alert(1)"}),
        "not an http(s) address",
    ),
    "infinite score": (lambda z: z(form={"claimed": {"ned": float("inf")}}), "finite number"),
    "share in per cent": (lambda z: z(form={"claimed": {"acc": 30.5}}), "better than a perfect output's 1"),
    "score below zero": (lambda z: z(form={"claimed": {"ned": -0.1}}), "better than a perfect output's 0"),
    "no time at all": (lambda z: z(form={"runtime_per_image_s": 2e-9}), "less than it takes to touch"),
    "long number": (_form(b"seed: " + b"9" * 5000), "cannot be read"),
    "not UTF-8": (_form(b"method: \xff\xfe"), "not UTF-8"),
    "merge key": (_form(b"<<: {method: a}\n"), "not a field of the form"),
    "citation that runs a command": (
        lambda z: z(form={"bibtex": "@misc{a, title={\\input{/etc/passwd}}}"}),
        "uses the command \\input",
    ),
    "citation with a preamble": (lambda z: z(form={"bibtex": "@preamble{{x}}"}), "is an @preamble"),
    "citation with a second entry": (
        lambda z: z(form={"bibtex": "@misc{a, title={A}}\n@misc{b, title={B}}"}),
        "behind the end of its entry",
    ),
    "citation with unbalanced braces": (
        lambda z: z(form={"bibtex": "@misc{a, title={A\\}}"}),
        "unbalanced braces",
    ),
    "folder around it and a file beside that": (
        lambda z: _renamed(z(**{"other.txt": b"x"}), lambda n: n if n == "other.txt" else f"mine/{n}"),
        "lies in the folder mine/",
    ),
    "other protocol": (lambda z: z(form={"protocol": "psnr-y-channel"}), "not the protocol"),
}


@pytest.fixture(scope="module")
def two_samples() -> Samples:
    """What `read_submission` asks of a test set."""
    return cast(Samples, SimpleNamespace(sample_ids=IDS, name="two", fingerprint="0" * 64))


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused_with_one_clear_line(
    name: str, zip_of: ZipOf, tmp_path: Path, two_samples: Samples
) -> None:
    build, expected = ATTACKS[name]
    path = tmp_path / "in" / "attack.zip"
    path.parent.mkdir()
    path.write_bytes(build(zip_of))
    began = time.perf_counter()
    report = validate(path, IDS)
    assert time.perf_counter() - began < 10
    lines = list(report.faults.lines())
    matching = [line for line in lines if expected in line]
    assert matching, lines
    for line in lines:
        assert line.isprintable() and len(line) < 1500
        assert "; " in line or line.startswith("..."), line
    with pytest.raises(SubmissionError) as caught:
        read_submission(path, two_samples, tmp_path / "work")
    assert "\n" not in str(caught.value)
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()} <= {
        "in/attack.zip",
        "work/pictures.u8",
    }


@pytest.mark.parametrize(
    "content",
    [
        "s0000,京A1,1.5\ns0001,京A1,0.9\n",
        "s0000,京,A1,0.9\ns0001,京A1,0.9\n",
        b"\xff\xfe",
        b"no header",
        b"0" * 5_000_000,
    ],
)
def test_a_faulty_reading_is_not_reported_as_missing_too(
    content: str | bytes, zip_of: ZipOf, tmp_path: Path
) -> None:
    path = tmp_path / "faulty.zip"
    path.write_bytes(_readings(content)(zip_of))
    (line,) = validate(path, IDS).faults.lines()
    assert "no reading" not in line


@pytest.mark.parametrize("name", ["encrypted", "symbolic link"])
def test_a_refused_picture_is_not_reported_as_missing_too(name: str, zip_of: ZipOf, tmp_path: Path) -> None:
    path = tmp_path / "faulty.zip"
    path.write_bytes(ATTACKS[name][0](zip_of))
    (line,) = validate(path, IDS).faults.lines()
    assert ATTACKS[name][1] in line


def test_there_are_enough_attacks_and_the_unharmed_archive_passes(
    zip_of: ZipOf, tmp_path: Path, two_samples: Samples
) -> None:
    assert len(ATTACKS) >= 30
    path = tmp_path / "good.zip"
    path.write_bytes(zip_of())
    report = validate(path, IDS)
    assert list(report.faults.lines()) == []
    found = read_submission(path, two_samples, tmp_path / "work")
    assert [one.sample_id for one in found] == IDS
    assert [p.name for p in (tmp_path / "work").iterdir()] == ["pictures.u8"]


@pytest.mark.parametrize(
    "name",
    [
        lambda n: f"my submission/{n}",
        lambda n: f"a/b/{n}",
        lambda n: n.replace("/", "\\"),
        lambda n: f"mine\\{n}".replace("/", "\\"),
        lambda n: n.replace(".png", ".PNG"),
        lambda n: f"./{n}",
        lambda n: n.replace("predictions/", "Predictions/").replace("submission", "Submission"),
    ],
)
@pytest.mark.parametrize("mac", [False, True])
def test_archives_from_peoples_machines_are_read(
    name: Callable[[str], str], mac: bool, zip_of: ZipOf, tmp_path: Path, two_samples: Samples
) -> None:
    path = tmp_path / "people.zip"
    junk = {"predictions/Thumbs.db": b"x", ".DS_Store": b"x", "desktop.ini": b"x"} if mac else {}
    path.write_bytes(_renamed(zip_of(**junk), name, mac))
    report = validate(path, IDS)
    assert list(report.faults.lines()) == []
    assert report.ignored == (9 if mac else 0)
    assert ("ignored" in str(report)) is mac
    found = {one.sample_id: one.image for one in read_submission(path, two_samples, tmp_path / "work")}
    with zipfile.ZipFile(io.BytesIO(zip_of())) as plain:
        for sample_id in IDS:
            expected = decode(plain.read(f"predictions/{sample_id}.png"), sample_id)
            assert np.array_equal(found[sample_id], expected)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "predictions/ehthumbs_vista.db",
            "predictions/@eaDir/s0000.png",
            "#recycle/s0000.png",
            ".Trash-1000/x",
        ),
        *(
            "predictions/.~lock.x#",
            ".git/config",
            ".ipynb_checkpoints/x.png",
            "__pycache__/x.pyc",
            ".nomedia",
        ),
        *("predictions/s0000.png:Zone.Identifier", ".TemporaryItems/x", "~$notes.docx", "predictions/Icon\r"),
    ],
)
def test_what_systems_leave_behind_is_ignored(name: str, zip_of: ZipOf, tmp_path: Path) -> None:
    path = tmp_path / "people.zip"
    path.write_bytes(zip_of(**{name: b"x"}))
    report = validate(path, IDS)
    assert list(report.faults.lines()) == [] and report.ignored == 1


@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"\x1f\x8b", "gzip"), (b"7z\xbc\xaf", "7-Zip"), (b"Rar!", "RAR"), (bytes(257) + b"ustar", "tar")],
)
def test_other_archives_are_called_by_their_names(start: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(start + bytes(500))
    (line,) = validate(tmp_path / "a.zip").faults.lines()
    assert f"a {kind} archive, not a zip file; make the archive with" in line


def test_faults_that_differ_in_detail_are_one_line(zip_of: ZipOf, tmp_path: Path) -> None:
    sizes = {f"predictions/s{n:04d}.png": _png(np.zeros((50 + n, 60, 3), np.uint8)) for n in range(8)}
    path = tmp_path / "sizes.zip"
    path.write_bytes(zip_of(n=0, **sizes))
    (line,) = validate(path, [f"s{n:04d}" for n in range(8)]).faults.lines()
    assert line.startswith("8 faults of one kind: predictions/s0000.png: 60 x 50 pixels") and "5 more" in line


def test_pictures_may_have_the_names_of_mdlps_groups(zip_of: ZipOf, tmp_path: Path) -> None:
    path = tmp_path / "groups.zip"
    path.write_bytes(zip_of())
    report = validate(path, ["val-s0000", "val-s0001"])
    assert list(report.faults.lines()) == [] and report.sample_ids == ["val-s0000", "val-s0001"]
    lines = list(validate(path, ["val-s0000", "train-s0000", "val-s0001"]).faults.lines())
    assert "predictions/s0000.png: no sample of the test set" in lines[0]
    path.write_bytes(zip_of(**{"predictions/val-s0000.png": GOOD}))
    assert any(
        "is of the sample of" in line for line in validate(path, ["val-s0000", "val-s0001"]).faults.lines()
    )


def test_many_equal_faults_are_one_line(zip_of: ZipOf, tmp_path: Path) -> None:
    path = tmp_path / "equal.zip"
    small = _png(NOISE.integers(0, 256, (56, 112, 3), dtype=np.uint8))
    ids = [f"s{number:04d}" for number in range(40)]
    path.write_bytes(zip_of(n=2, **{f"predictions/{i}.png": small for i in ids[2:]}))
    (line,) = validate(path, ids).faults.lines()
    assert line.startswith("38 times 112 x 56 pixels, not 224 x 112: predictions/s0002.png, ")
    assert "and 35 more; save it as" in line


def test_a_form_is_read_as_yaml_1_2(form: dict[str, object], zip_of: ZipOf, tmp_path: Path) -> None:
    text = yaml.safe_dump(form).replace("deterministic: true", "deterministic: yes")
    text = text.replace("version: '1.0'", "version: 2026-01-01").replace("license: MIT", "license: no")
    path = tmp_path / "form.zip"
    path.write_bytes(zip_of(form=text.encode()))
    found = validate(path, IDS).submission
    assert found is not None and found.deterministic is True
    assert (found.version, found.license) == ("2026-01-01", "no")
    again = found.model_copy(update={"version": "1e5", "contact": "12:30", "license": "true"})
    for load in (yaml.safe_load, lambda text: load_yaml(text.encode(), "form")):
        loaded = load(again.to_yaml())
        assert (loaded["version"], loaded["contact"], loaded["license"]) == ("1e5", "12:30", "true")


def test_links_pipes_and_folders_given_as_archives(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "folder.zip").mkdir()
    for name, expected in (
        ("pipe.zip", "regular"),
        ("folder.zip", "a folder; make the archive with"),
        ("none.zip", "cannot be read"),
    ):
        (line,) = validate(tmp_path / name).faults.lines()
        assert expected in line
    with (tmp_path / "sparse.zip").open("wb") as stream:
        stream.truncate(20 * 2**30)
    (line,) = validate(tmp_path / "sparse.zip").faults.lines()
    assert "larger than 1,024 MiB" in line


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to tell the peak memory")
def test_memory_stays_below_200_megabytes(zip_of: ZipOf, tmp_path: Path) -> None:
    """The largest attacks in one process of their own, whose peak the operating system tells."""
    for name in (
        "million entries",
        "lying deflate bomb",
        "picture bomb",
        "deflate bomb",
        "billion laughs",
        "readings of a million samples",
    ):
        (tmp_path / f"{name}.zip").write_bytes(ATTACKS[name][0](zip_of))
    bomb = _png_bomb(5_000_000)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(300):
            archive.writestr(f"predictions/s{number:04d}.png", bomb)
    (tmp_path / "many bombs.zip").write_bytes(stream.getvalue())
    program = textwrap.dedent(
        """
        import re, sys, time
        from pathlib import Path
        from mdlp_bench.leaderboard.submission.validate import validate
        began = time.perf_counter()
        for path in sorted(Path(sys.argv[1]).glob("*.zip")):
            assert len(validate(path, ["s0000"]).faults)
        peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
        print(int(peak) // 1024, time.perf_counter() - began)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    megabytes, seconds = map(float, done.stdout.split())
    print(f"peak {megabytes:.0f} MB, {seconds:.1f} s")  # noqa: T201 - shown with -s
    assert megabytes < 200
    assert seconds < 10
