"""IFEval: every published kind of instruction, followed and not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ttscale.runtime.metrics import MetricError, grade, metric_named
from ttscale.runtime.metrics.ifeval import follows, instructions
from ttscale.runtime.metrics.ifeval_checks import CHECKS, sentences

PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "ifeval" / "input_data.jsonl"
ENGLISH = "the quick brown fox jumps over the lazy dog while the children are watching from the garden"

CASES: list[tuple[str, dict[str, Any], str, bool]] = [
    ("keywords:existence", {"keywords": ["Mom", "tea"]}, "My mom likes steak.", True),
    ("keywords:existence", {"keywords": ["mom", "tea"]}, "My mom likes milk.", False),
    ("keywords:frequency", {"keyword": "war", "relation": "at least", "frequency": 2}, "War after war", True),
    ("keywords:frequency", {"keyword": "war", "relation": "less than", "frequency": 2}, "War after war", False),
    ("keywords:forbidden_words", {"forbidden_words": ["rock"]}, "rocks are fine", True),
    ("keywords:forbidden_words", {"forbidden_words": ["rock"]}, "a Rock.", False),
    ("keywords:letter_frequency", {"letter": "!", "let_relation": "at least", "let_frequency": 2}, "a! b!", True),
    ("keywords:letter_frequency", {"letter": "t", "let_relation": "less than", "let_frequency": 2}, "Tt", False),
    ("language:response_language", {"language": "kn"}, "ಇದು ಕನ್ನಡ ವಾಕ್ಯ", True),
    ("language:response_language", {"language": "ko"}, "안녕하세요 여러분", True),
    ("language:response_language", {"language": "ja"}, "これは日本語の文です", True),
    ("language:response_language", {"language": "zh"}, "这是一个中文句子", True),
    ("language:response_language", {"language": "te"}, "ಇದು ಕನ್ನಡ ವಾಕ್ಯ", False),
    ("length_constraints:number_words", {"relation": "at least", "num_words": 3}, "one two three", True),
    ("length_constraints:number_words", {"relation": "less than", "num_words": 3}, "one two three", False),
    ("length_constraints:number_sentences", {"relation": "at least", "num_sentences": 3}, "One. Two! Three?", True),
    ("length_constraints:number_sentences", {"relation": "less than", "num_sentences": 2}, "One. Two!", False),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "one\n***\ntwo\n***\n", True),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "one\n***\n***\ntwo", False),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "one\n\ntwo", False),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "so"},
        'a\n\n"So, b',
        True,
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "so"},
        "a\n\nSo b",
        False,
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name] of [place]", True),
    ("detectable_content:number_placeholders", {"num_placeholders": 3}, "[name] of [place]", False),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye\nP. S. More", True),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "Bye\nP.S. More", False),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n  - b\n**c**", True),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n* b\n* c", False),
    ("detectable_format:constrained_response", {}, "Well. My answer is maybe.", True),
    ("detectable_format:constrained_response", {}, "My answer is perhaps.", False),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*one* and **two**", True),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*one* and ** **", False),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "SECTION", "num_sections": 2},
        "SECTION 1 a SECTION 2",
        True,
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "SECTION", "num_sections": 2},
        "SECTION a SECTION b",
        False,
    ),
    ("detectable_format:json_format", {}, '```json\n{"a": [1]}\n```', True),
    ("detectable_format:json_format", {}, 'Here: {"a": 1}', False),
    ("detectable_format:title", {}, "<<A title>>\ntext", True),
    ("detectable_format:title", {}, "<< >> <title>", False),
    ("combination:two_responses", {}, "one\n******\ntwo", True),
    ("combination:two_responses", {}, "same\n******\nsame", False),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say hi."}, "say hi. Hi!", True),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say hi."}, "Hi! Say hi.", False),
    ("startend:end_checker", {"end_phrase": "Any more?"}, 'Yes. "Any more?"', True),
    ("startend:end_checker", {"end_phrase": "Any more?"}, "Any more? No.", False),
    ("startend:quotation", {}, ' "all of it" ', True),
    ("startend:quotation", {}, '"', False),
    (
        "change_case:capital_word_frequency",
        {"capital_relation": "at least", "capital_frequency": 2},
        "NOW or WELL-KNOWN",
        True,
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_relation": "less than", "capital_frequency": 2},
        "NOW or NEVER",
        False,
    ),
    ("change_case:english_capital", {}, "Mixed Case", False),
    ("change_case:english_lowercase", {}, "Mixed case", False),
    ("punctuation:no_comma", {}, "no comma here", True),
    ("punctuation:no_comma", {}, "one, two", False),
]


@pytest.mark.parametrize(("kind", "arguments", "response", "followed"), CASES)
def test_instruction(kind: str, arguments: dict[str, Any], response: str, followed: bool) -> None:
    assert follows(kind, arguments, response) is followed


def test_languages_that_share_a_script() -> None:
    pytest.importorskip("langdetect")
    assert follows("change_case:english_lowercase", {}, ENGLISH)
    assert follows("change_case:english_capital", {}, ENGLISH.upper())
    german = "das ist ein deutscher satz und er hat keine großen buchstaben"
    assert not follows("change_case:english_lowercase", {}, german)
    assert follows("language:response_language", {"language": "de"}, german)


def test_every_kind_is_tried_both_ways() -> None:
    assert len(CHECKS) == 25
    for kind in CHECKS:
        outcomes = {followed for tried, _, _, followed in CASES if tried == kind}
        assert outcomes == ({False} if kind.startswith("change_case:english") else {True, False}), kind


def test_an_empty_response_follows_nothing() -> None:
    assert not follows("punctuation:no_comma", {}, " \n")


def test_sentences() -> None:
    assert sentences("Dr. Smith paid 3.50 dollars, e.g. for tea. He left!\n\n1. First item\n2. Second one.") == [
        "Dr. Smith paid 3.50 dollars, e.g. for tea.",
        "He left!",
        "1. First item\n2. Second one.",
    ]
    assert sentences("") == []


async def test_a_prompt_with_several_instructions() -> None:
    row = {
        "prompt": "Say it.",
        "instruction_id_list": ["punctuation:no_comma", "detectable_format:title", "combination:repeat_prompt"],
        "kwargs": [{}, {"num_words": None}, {"prompt_to_repeat": None}],
    }
    assert list(instructions(row))[2] == ("combination:repeat_prompt", {"prompt_to_repeat": "Say it."})
    found = await grade(metric_named("ifeval"), "Say it.\n<<Title>>", None, row)
    assert found.value == 1.0 and set(found.parts.values()) == {1.0}
    found = await grade(metric_named("ifeval"), "Say it. Well, no.", None, row)
    assert found.value == 0.0 and list(found.parts.values()) == [0.0, 0.0, 1.0]
    assert "punctuation:no_comma" in found.note
    assert (await grade(metric_named("ifeval"), None, None, row)).value == 0.0


async def test_the_loose_variant_forgives_a_line_around_and_asterisks() -> None:
    row = {"prompt": "p", "instruction_id_list": ["startend:quotation"], "kwargs": [{}]}
    response = 'Sure, here it is:\n**"All of it"**'
    assert (await grade(metric_named("ifeval"), response, None, row)).value == 0.0
    assert (await grade(metric_named("ifeval_loose"), response, None, row)).value == 1.0


@pytest.mark.parametrize(
    ("kind", "arguments", "says"),
    [
        ("punctuation:no_coma", {}, "no instruction"),
        ("startend:end_checker", {}, "lacks its argument 'end_phrase'"),
        ("length_constraints:number_words", {"relation": "about", "num_words": 3}, "at least or less than"),
        ("length_constraints:number_words", {"num_words": "three"}, "is a number"),
        ("keywords:existence", {"keywords": "one"}, "is a list"),
    ],
)
def test_instructions_that_make_no_sense(kind: str, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(MetricError, match=says):
        follows(kind, arguments, "some text")


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published IFEval prompts are not beside the project")
def test_the_published_prompts_can_be_graded() -> None:
    pytest.importorskip("langdetect")
    seen = set()
    for line in PUBLISHED.read_text(encoding="utf-8").splitlines():
        for kind, arguments in instructions(json.loads(line)):
            follows(kind, arguments, "A short test of everything, isn't it?", loose=True)
            seen.add(kind)
    assert seen == set(CHECKS)
