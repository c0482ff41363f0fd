"""Stops, thoughts and UTF-8 across token boundaries."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ttscale.compiler.stop_patterns import problem
from ttscale.runtime.engines.llama.text import Answer


def feed(text: bytes, sizes: list[int], stops: tuple[str, ...] = (), thinking: bool = False) -> tuple[Answer, bool]:
    answer, at = Answer(stops, thinking=thinking), 0
    for size in sizes:
        if at >= len(text):
            break
        if answer.push(text[at : at + size]):
            return answer, True
        at += size
    return answer, False


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(st.text(min_size=1), st.lists(st.integers(1, 5), min_size=400, max_size=400))
def test_any_cut_of_the_bytes_gives_the_text(text: str, sizes: list[int]) -> None:
    if "think>" in text:
        return
    answer, _ = feed(text.encode("utf-8", "ignore"), sizes)
    whole = text.encode("utf-8", "ignore").decode()
    assert whole.startswith(answer.parts().text)
    if sum(sizes) >= len(whole.encode()):
        assert answer.parts().text == whole


def test_half_a_character_is_left_out() -> None:
    answer = Answer(())
    answer.push("naïve €".encode()[:-1])
    assert answer.parts().text == "naïve "


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_stop_is_found_across_tokens(size: int) -> None:
    answer, stopped = feed(b"one two\n\nQuestion: three", [size] * 100, ("\n\nQuestion:", "zzz"))
    assert stopped
    assert answer.parts().text == "one two"


def test_the_earliest_of_two_stops_counts() -> None:
    answer, stopped = feed(b"abcdef", [6], ("ef", "cd"))
    assert stopped and answer.parts().text == "ab"


@pytest.mark.parametrize("size", [1, 3, 100])
def test_thoughts_are_kept_apart_and_stops_wait_for_their_end(size: int) -> None:
    text = b"\n<think>\nfirst STOP\nthen</think>\n\nThe answer. STOP more"
    answer, stopped = feed(text, [size] * 100, ("STOP",))
    parts = answer.parts()
    if size == 100:
        assert not stopped or parts.text == "The answer. "
    else:
        assert stopped
    assert parts.thoughts == "first STOP\nthen"
    assert parts.text.startswith("The answer. ")
    assert parts.thought_tokens == -(-(text.index(b"</think>") + len(b"</think>")) // size)


def test_a_block_that_the_template_opened() -> None:
    answer, _ = feed(b"hm, hm</think>4", [1] * 100, thinking=True)
    assert (answer.parts().text, answer.parts().thoughts) == ("4", "hm, hm")


def test_a_block_that_never_closes_leaves_no_answer() -> None:
    answer, _ = feed(b"<think>on and on", [4] * 10)
    assert (answer.parts().text, answer.parts().thoughts, answer.parts().thought_tokens) == ("", "on and on", 4)


def test_a_closing_tag_without_an_opening_one() -> None:
    answer, _ = feed(b"so it is 4</think>\n4", [1] * 100)
    assert (answer.parts().text, answer.parts().thoughts) == ("4", "so it is 4")


def test_a_nested_tag_does_not_open_twice() -> None:
    answer, _ = feed(b"<think>a <think>b</think>c", [2] * 100)
    assert (answer.parts().text, answer.parts().thoughts) == ("c", "a <think>b")


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_a_pattern_ends_a_text_where_its_match_begins(size: int) -> None:
    data = "Eins ist größer. Zwei folgt! Drei".encode()
    for pattern, text in (
        (r"(?<=[.!?])\s", "Eins ist größer."),
        (r"\s+[A-Z]\w+ folgt", "Eins ist größer."),
        ("ß", "Eins ist grö"),
    ):
        answer = Answer((), (pattern,))
        stopped = [answer.push(data[at : at + size]) for at in range(0, len(data), size)]
        assert answer.parts().text == text and answer.stopped_by == pattern, "whatever the tokens are"
        assert any(stopped)


def test_the_first_of_a_stop_text_and_a_pattern_counts() -> None:
    answer = Answer(("two",), ("o[nt]e",))
    assert answer.push(b"one two")
    assert (answer.parts().text, answer.stopped_by) == ("", "o[nt]e")


def test_what_is_given_does_not_stop_an_answer_that_goes_on() -> None:
    answer = Answer(("\n\n",), (r"\d\.",))
    assert not answer.push(b"1. first\n\n", stops=False)
    assert not answer.push(b"\n2")
    assert answer.push(b".\n\n")
    assert answer.parts().text == "1. first\n\n\n" and answer.stopped_by == r"\d\."


def test_patterns_wait_for_the_end_of_thoughts() -> None:
    answer = Answer((), (r"\d+;",))
    assert not answer.push("<think>ä 1; 2;</think>".encode())
    assert answer.push("ä 33;".encode())
    assert answer.parts().text == "ä "


@pytest.mark.parametrize(
    ("pattern", "words"),
    [("a*", "empty text"), ("(", "no regular expression"), (r"(\w+\s?)*x", "for ever"), ("x" * 201, "200")],
)
def test_patterns_that_cannot_end_a_sample(pattern: str, words: str) -> None:
    found = problem(pattern)
    assert found is not None and words in found[0]


@pytest.mark.parametrize("pattern", [r"(?<=[.!?])\s", r"\n\n+", r"(?:ab)+c", r"\(a+\)*x", "[(a+)]+x", "```"])
def test_patterns_that_can(pattern: str) -> None:
    assert problem(pattern) is None
