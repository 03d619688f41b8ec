"""YAML that people write: what is read, and what each refusal says."""

from pathlib import Path

import pytest

from paycue.handwritten import HandwrittenError, read

POLICY = """\
policy: standard
version: 2
window: {from: "09:00", to: 18:00, days: No}
minimum_gap: 0d
caps:
steps:
  - {when: due - 7d, channels: [email]}
  - when: due
    channels: email
"""


def refusal(text: str) -> HandwrittenError:
    with pytest.raises(HandwrittenError) as caught:
        read(text, "file.yaml")
    return caught.value


def test_values_stay_the_text_that_was_written_quoted_or_not() -> None:
    window = read(POLICY).required("window")
    assert [window.required(key).text() for key in ("from", "to", "days")] == ["09:00", "18:00", "No"]
    assert read(POLICY).required("minimum_gap").text() == "0d"


def test_an_empty_value_is_an_absent_one() -> None:
    assert read(POLICY).get("caps") is None
    assert read(POLICY).get("spread") is None
    with pytest.raises(HandwrittenError, match="line 5, caps: found no value"):
        read(POLICY, "p.yaml").required("caps")


def test_a_missing_key_names_itself_and_the_line_of_its_mapping() -> None:
    step = read(POLICY, "p.yaml").required("steps").list()[1]
    with pytest.raises(HandwrittenError) as caught:
        step.required("stage")
    assert (caught.value.file, caught.value.line, caught.value.field) == ("p.yaml", 8, "steps[2].stage")


def test_a_list_is_not_a_word() -> None:
    step = read(POLICY, "p.yaml").required("steps").list()[1]
    with pytest.raises(HandwrittenError, match=r"^p.yaml, line 9, steps\[2\].channels: found 'email', expected a list$"):
        step.required("channels").list()


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        HandwrittenError, match="line 4, minimum_gap: found the unknown key 'minimum_gap', expected one of policy, version, window"
    ):
        read(POLICY, "p.yaml").only("policy", "version", "window")


def test_a_key_twice_is_refused_at_any_depth() -> None:
    assert str(refusal("a: 1\nb: 2\na: 3")) == "file.yaml, line 3, a: found the key 'a' a second time, expected it once (line 1)"
    with pytest.raises(HandwrittenError, match=r"line 2, a\.b: found the key 'b' a second time"):
        read("a: {b: 1,\n  b: 2}").required("a").get("b")


@pytest.mark.parametrize("text", ["1.5", "one", "1e3", "-1", "11", "٣", '""', "99999999999999999999"])
def test_a_number_out_of_its_limits_is_refused(text: str) -> None:
    with pytest.raises(HandwrittenError, match="expected a whole number, at least 0, at most 10"):
        read(f"version: {text}").required("version").integer(0, 10)


def test_a_number_within_its_limits_is_read() -> None:
    assert read(POLICY).required("version").integer(1) == 2
    assert read('version: "-3"').required("version").integer() == -3


def test_a_choice_is_one_of_its_words() -> None:
    assert read(POLICY).required("policy").choice("standard", "other") == "standard"
    with pytest.raises(HandwrittenError, match="found 'standard', expected one of all, working"):
        read(POLICY).required("policy").choice("all", "working")


def test_a_parser_that_refuses_makes_a_refusal_of_its_expectation() -> None:
    assert read("gap: 7").required("gap").parsed(int, "a number of days") == 7
    with pytest.raises(HandwrittenError, match="gap: found 'x', expected a number of days"):
        read("gap: x").required("gap").parsed(int, "a number of days")


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("", 0, "nothing"),
        ("# only a comment", 0, "nothing"),
        ("- 1", 1, "a list"),
        ("policy", 1, "'policy'"),
        ("a: [", 1, "'<stream end>'"),
        ("a: 1\nb: \x01", 2, "the control character '\\x01'"),
        ("a: 1\n---\nb: 2", 2, "another document"),
        ("a: *b", 1, "undefined alias 'b'"),
        ("? [a]\n: b", 1, "a key that is not a word"),
        ("[" * 5000, 0, "values nested too deeply"),
    ],
)
def test_what_is_no_mapping_is_refused_with_its_line(text: str, line: int, found: str) -> None:
    error = refusal(text)
    assert (error.line, error.found) == (line, found)


def test_a_text_without_an_end_is_refused() -> None:
    assert "at most 1000000" in str(refusal("a: " + "x" * 1_000_001))


def test_a_tag_builds_no_object() -> None:
    assert read("a: !!python/object/apply:os.abort []").required("a").list() == []


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(HandwrittenError) as caught:
        read("a: " + "x" * 500).required("a").choice("b")
    assert len(str(caught.value)) < 150


def test_a_file_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"\xef\xbb\xbfpolicy: standard\r\nversion: 1\r\n")
    assert read(path).required("policy").text() == "standard"


def test_a_file_that_is_not_utf_8_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(HandwrittenError, match=r"policy\.yaml, line 2: found bytes that are not UTF-8"):
        read(path)


def test_a_file_that_is_not_there_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(HandwrittenError, match=r"nowhere\.yaml: found no such file or directory, expected a file that can be read"):
        read(tmp_path / "nowhere.yaml")
