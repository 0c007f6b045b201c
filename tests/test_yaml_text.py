"""YAML that people write: plain values mean what they look like, in every file that the project reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mdlp_bench.errors import DataError, MethodError
from mdlp_bench.plate.grammar import load_grammars
from mdlp_bench.synth.degrade import parse_recipe
from mdlp_bench.training.registry import read_recipe
from mdlp_bench.yaml_text import dump_yaml, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, word) for word in ("no", "Yes", "on", "OFF", "y", "N", "12:30", "190:20:30", "2026-01-01")),
        ("010", 10),
        ("1e-3", 0.001),
        ("1_000", 1000),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("0x1F", "0x1F"),
        ("=", "="),
        ('"true"', "true"),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    found = parse_yaml(f"key: {text}\n", "x")["key"]
    assert found == value and type(found) is type(value)


def test_what_is_written_reads_alike_under_both_versions() -> None:
    content = {
        word: word for word in ("no", "y", "12:30", "1e3", "010", "2026-01-01", "<<", "=", "~", "0x1f")
    }
    text = dump_yaml(content)
    assert yaml.safe_load(text) == content == parse_yaml(text, "x")


def test_mappings_are_merged_and_own_values_win() -> None:
    text = "x-base: &base {a: 1, b: 2}\none: {<<: *base, b: 3}\n"
    assert parse_yaml(text, "x")["one"] == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\na: 2\n", "x: line 2: the key 'a' is given twice; correct the YAML"),
        (b"a: [\n", "x: line 2: .*; correct the YAML"),
        (b"a: !!python/object:os.system {}\n", "x: line 1: could not determine a constructor"),
        (b"a: \xff\n", r"x: not UTF-8 \(byte 3\)"),
        (b"[" * 5000, "x: a value cannot be read"),
        (b"a: \x00\n", "x: not valid YAML; correct"),
        (b"a: " + b"9" * 5000 + b"\n", "x: a value cannot be read"),
    ],
)
def test_what_cannot_be_read_is_one_line(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        parse_yaml(content, "x")
    assert "\n" not in str(caught.value)
    assert parse_yaml(b"\xef\xbb\xbfa: 1", "x") == {"a": 1}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path, tmp_path / ("n" * 300)):
        with pytest.raises(MethodError, match="cannot be read"):
            read_yaml(path, MethodError)


def test_trainings_recipes_and_grammars_read_words_as_meant(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(
        "options: {tem: no, dfm: On, size: small}\ntraining: {learning_rate: 1e-3}\n", encoding="utf-8"
    )
    recipe = read_recipe(str(path))
    assert recipe.options == {"tem": False, "dfm": True, "size": "small"}
    assert recipe.training.learning_rate == 0.001
    path.write_text("options: [1]\n", encoding="utf-8")
    with pytest.raises(MethodError, match="sections"):
        read_recipe(str(path))
    grammar = tmp_path / "grammars.yaml"
    grammar.write_text("no: {title: Norway, pattern: LLNNNNN}\n", encoding="utf-8")
    assert list(load_grammars(grammar)) == ["no"]
    head = "name: on\nversion: 1\ndescription: no\ncamera: {width: 40}\noutput: {format: png}\n"
    text = head + "steps: [{op: resize, params: {of: frame, interpolation: area}}]\n"
    made = parse_recipe(text, "x.yaml")
    assert (made.name, made.description) == ("on", "no")
