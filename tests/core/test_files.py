"""Files in YAML: what YAML 1.1 would take for something else is refused with its line, the rest is read."""

from pathlib import Path

import pytest

from workflow.core import configuration, files, rooms

TWICE = "stands already in line 1, and the last would win; allowed: each key once; put both together, or remove one"
TEXT = "allowed: text in YAML; mend that line"
NOTHING = "allowed: keys with their values, such as `seeds: 20`; write one, or leave it out"
TABS = "found character that cannot start any token; allowed: blanks before a key; replace the tabs by blanks"
BAD = {
    b"a: 1\na: 2\n": f"line 2: a {TWICE}",
    b"a: {b: 1, b: 2}\n": f"line 1: b {TWICE}",
    b"a: 1\n'a': 2\n": f"line 2: a {TWICE}",
    b'{"a": 1,\n\t"a": 2}': f"line 2: a {TWICE}",
    b"a: 010\n": "line 1: 010 is read to base 8, as 8; allowed: no 0 before a number; write 10 or 8",
    b"a: [1, -0_17]\n": "line 1: -0_17 is read to base 8, as -15; allowed: no 0 before a number; write -17 or -15",
    b"a: 1:30\n": "line 1: 1:30 is read to base 60, as 90; allowed: a number in decimals; write 90, or '1:30'",
    b"a: 1:0.5\n": "line 1: 1:0.5 is read to base 60, as 60.5; allowed: a number in decimals; write 60.5, or '1:0.5'",
    b"a: 2024-01-02\n": "line 1: 2024-01-02 is read as a date; allowed: a number or text; write '2024-01-02'",
    b"a: 2024-02-30\n": "line 1: 2024-02-30 is read as a date; allowed: a number or text; write '2024-02-30'",
    b"a:\n  on: 1\n": "line 2: the key 'on' is read as bool; allowed: text; write it in quotes",
    b"a:\n  No: 1\n": "line 2: the key 'No' is read as bool; allowed: text; write it in quotes",
    b"1: a\n": "line 1: the key '1' is read as int; allowed: text; write it in quotes",
    b"~: a\n": "line 1: the key '~' is read as null; allowed: text; write it in quotes",
    b"? [a]\n: 1\n": "line 1: a list or a section stands for a key; allowed: text; write a name",
    b"\ta: 1\n": f"line 1: {TABS}",
    b"a:\n\tb: 1\n": f"line 2: {TABS}",
    b"a: 1\n---\nb: 2\n": "line 2: but found another document; allowed: one document; remove the line `---` and what "
    "is not to be read",
    b"a: \xe9\n": "line 1: the byte 0xe9 is no UTF-8; allowed: text in UTF-8; save the file in that encoding",
    b"\xff\xfea\0": "line 1: the byte 0xff is no UTF-8; allowed: text in UTF-8; save the file in that encoding",
    b"a: &b [*b]\n": "line 1: an alias stands for what it is in; allowed: an alias of something else; write it out",
    b"a: *b\n": f"line 1: found undefined alias; {TEXT}",
    b"a: b: c\n": f"line 1: mapping values are not allowed in this context; {TEXT}",
    b"a: !x 1\n": f"line 1: could not determine a constructor for the tag '!x'; {TEXT}",
    b"a: !!python/tuple [1]\n": "line 1: could not determine a constructor for the tag "
    f"'tag:yaml.org,2002:python/tuple'; {TEXT}",
    b"": f"nothing given; {NOTHING}",
    b"# a\n": f"nothing given; {NOTHING}",
    b"[1]\n": f"list '[1]' given; {NOTHING}",
    b"seeds 3\n": f"str 'seeds 3' given; {NOTHING}",
}
GOOD = {
    b"\xef\xbb\xbfa: 1\r\nb: 2\r\n": {"a": 1, "b": 2},
    b"a: 0x10\nb: 1_000\nc: 0b11\nd: 007\ne: 0\n": {"a": 16, "b": 1000, "c": 3, "d": 7, "e": 0},
    b"a: -0.5\nb: 08\n": {"a": -0.5, "b": "08"},
    b"a: yes\nb: off\nc: 'on'\n": {"a": True, "b": False, "c": "on"},
    b"a: &x {b: 1}\nc: {<<: *x, d: 2}\n": {"a": {"b": 1}, "c": {"b": 1, "d": 2}},
    b'{\n\t"a": 1e3}': {"a": 1000.0},
    b"%YAML 1.1\n---\na: '010'\nb: '1:30'\n": {"a": "010", "b": "1:30"},
}


@pytest.mark.parametrize(("content", "line"), BAD.items())
def test_what_is_misread_is_refused_with_its_line(tmp_path, content, line):
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    assert files.section(path)[1] == [f"{path}: {line}"]
    with pytest.raises(configuration.ConfigError) as caught:
        configuration.check([path])
    assert str(caught.value).split("\n")[1:] == [f"{path}: {line}"]


@pytest.mark.parametrize(("content", "value"), GOOD.items())
def test_what_has_one_reading_is_read(tmp_path, content, value):
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    assert files.section(path) == (value, [])


def test_every_fault_of_a_file_is_told(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a: 010\na: 1:30\nb:\n- {c: 1, c: 2}\n")
    assert [line.split(": ")[1] for line in files.section(path)[1]] == ["line 2", "line 1", "line 2", "line 4"]


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert files.section(tmp_path / "a.yaml")[1] == [
        f"{tmp_path}/a.yaml: No such file or directory; allowed: a file that can be read; give its path"
    ]


def test_the_files_that_come_with_the_workflow_have_no_fault():
    paths = sorted((configuration.ROOT / "config").rglob("*.yaml"))
    assert len(paths) >= 5 and [files.read(path)[1] for path in paths] == [[]] * len(paths)


def test_a_key_of_a_claim_that_stands_twice_is_refused_with_its_line(tmp_path, monkeypatch):
    path = tmp_path / "toy.yaml"
    path.write_text("- family: A\n  family: B\n", encoding="utf-8")
    monkeypatch.setattr(rooms, "claims_file", lambda paper: path)
    assert rooms.listed_claims("preconditioning") == ([], [f"line 2: family {TWICE}"])


@pytest.mark.parametrize("name", ["config", "preconditioning"])
def test_the_defaults_are_read_as_strictly(tmp_path, monkeypatch, name):
    (tmp_path / "config").mkdir()
    for known in ("config", "preconditioning"):
        text = (configuration.ROOT / f"config/{known}.yaml").read_text(encoding="utf-8")
        (tmp_path / f"config/{known}.yaml").write_text(text + "seeds: 010\n" * (known == name), encoding="utf-8")
    monkeypatch.setattr(configuration, "ROOT", Path(tmp_path))
    with pytest.raises(configuration.ConfigError, match=f"config/{name}.yaml: line [0-9]+: 010 is read to base 8"):
        configuration.check(configuration.own_files())
    with pytest.raises(configuration.ConfigError, match="010 is read to base 8"):
        configuration.default()
