"""The checks of IFEval's 25 kinds of instructions, by their published names and arguments.

A check takes a response and the instruction's arguments; it raises KeyError for a missing one, ValueError for one that
makes no sense. Written from the paper's table of instructions and the published data; where these leave a border open
(what is a word, what ends a sentence) the docstring says what was taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from ttscale.runtime.metrics.languages import is_in

Arguments = Mapping[str, object]
Check = Callable[[str, Arguments], bool]

_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"[^\W_]+(?:[-'’.&][^\W_]+)*")
_ABBREVIATED = re.compile(
    r"\b(?:mr|mrs|ms|dr|prof|st|sr|jr|vs|etc|inc|ltd|co|corp|no|vol|fig|approx|dept|est|gen|gov|sen|rep|rev|hon|capt|lt|col|sgt"
    r"|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|e\.g|i\.e|a\.m|p\.m|u\.s|u\.k|[a-z])\.$",
    re.IGNORECASE,
)
_ENDS = re.compile(r"[.!?。！？।]+[\"'”’)\]*_]*(?=\s|$)|[。！？।]")
_BULLET = re.compile(r"^[ \t]*(?:\*(?!\*)[^\n]*\S|-[^\n]*)$", re.MULTILINE)
_HIGHLIGHT = re.compile(r"\*\*([^\n*]+)\*\*|\*([^\n*]+)\*")
_TITLE = re.compile(r"<<([^\n]+)>>")
_PLACEHOLDER = re.compile(r"\[[^\n]*?\]")
_DIVIDER = re.compile(r"\n?\*\*\*\n?")
_FENCE = re.compile(r"\A```(?:json)?\s*|\s*```\Z", re.IGNORECASE)
CONSTRAINED = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


# --- arguments --------------------------------------------------------------------------------------


def _number(arguments: Arguments, name: str) -> int:
    value = arguments[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"`{name}` is a number, not {value!r}")
    return int(value)


def _compared(count: int, arguments: Arguments, relation: str, wanted: str) -> bool:
    """Whether a count is "at least" or "less than" what is wanted."""
    limit, said = _number(arguments, wanted), arguments.get(relation) or "at least"
    if said == "at least":
        return count >= limit
    if said == "less than":
        return count < limit
    raise ValueError(f"`{relation}` is at least or less than, not {said!r}")


def _texts(arguments: Arguments, name: str) -> list[str]:
    value = arguments[name]
    if not isinstance(value, list | tuple):
        raise ValueError(f"`{name}` is a list, not {value!r}")
    return [str(item) for item in value]


# --- keywords ---------------------------------------------------------------------------------------


def keywords_exist(text: str, arguments: Arguments) -> bool:
    """Every keyword occurs, in any case, also inside a longer word."""
    folded = text.lower()
    return all(word.lower() in folded for word in _texts(arguments, "keywords"))


def keyword_frequency(text: str, arguments: Arguments) -> bool:
    """A keyword occurs at least, or less than, so many times, in any case, also inside longer words."""
    count = text.lower().count(str(arguments["keyword"]).strip().lower())
    return _compared(count, arguments, "relation", "frequency")


def forbidden_words(text: str, arguments: Arguments) -> bool:
    """None of the words occurs as a word of its own, in any case."""
    return not any(
        re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)
        for word in _texts(arguments, "forbidden_words")
    )


def letter_frequency(text: str, arguments: Arguments) -> bool:
    """A letter or sign occurs at least, or less than, so many times, in either case."""
    count = text.lower().count(str(arguments["letter"]).lower())
    return _compared(count, arguments, "let_relation", "let_frequency")


# --- lengths ----------------------------------------------------------------------------------------


def word_count(text: str, arguments: Arguments) -> bool:
    """Runs of letters, digits and underscores are words, so that "don't" is two."""
    return _compared(len(_WORD.findall(text)), arguments, "relation", "num_words")


def sentence_count(text: str, arguments: Arguments) -> bool:
    """The number of `sentences`."""
    return _compared(len(sentences(text)), arguments, "relation", "num_sentences")


def sentences(text: str) -> list[str]:
    """The sentences of a text: they end with . ! ? or their kin before white space, but not after an abbreviation.

    A paragraph's end ends a sentence too. The published checker uses a trained splitter, from which borders may differ.
    """
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        start = 0
        for end in _ENDS.finditer(paragraph):
            piece = paragraph[start : end.end()]
            following = paragraph[end.end() :].lstrip()
            if end[0] == "." and (_ABBREVIATED.search(piece) or following[:1].islower()):
                continue
            if re.search(r"(?:^|\n)\s*\d{1,3}\.$", piece):  # the number of a list's item
                continue
            found.append(piece)
            start = end.end()
        found.append(paragraph[start:])
    return [sentence.strip() for sentence in found if re.search(r"\w", sentence)]


def paragraph_count(text: str, arguments: Arguments) -> bool:
    """Exactly so many paragraphs, divided by ***; an empty one between two dividers is a mistake."""
    parts = [part.strip() for part in _DIVIDER.split(text)]
    if not all(parts[1:-1]):
        return False
    return sum(map(bool, parts)) == _number(arguments, "num_paragraphs")


def nth_paragraph_starts(text: str, arguments: Arguments) -> bool:
    """Exactly so many paragraphs, divided by an empty line, and the n-th begins with the word, in any case."""
    parts = text.split("\n\n")
    written = [part for part in parts if part.strip()]
    nth = _number(arguments, "nth_paragraph")
    if len(written) != _number(arguments, "num_paragraphs") or not 1 <= nth <= len(parts):
        return False
    words = parts[nth - 1].split()
    if not words:
        return False
    first = re.split(r"[.,?!'\"]", words[0].lstrip("'\""), maxsplit=1)[0]
    return first.lower() == str(arguments["first_word"]).lower()


# --- content and format -----------------------------------------------------------------------------


def placeholders(text: str, arguments: Arguments) -> bool:
    """At least so many placeholders in square brackets."""
    return len(_PLACEHOLDER.findall(text)) >= _number(arguments, "num_placeholders")


def postscript(text: str, arguments: Arguments) -> bool:
    """A postscript with its marker; spaces between its letters are allowed, as in "P. S."."""
    marker = str(arguments["postscript_marker"]).strip().lower()
    spelt = {"p.p.s": r"p\.\s?p\.\s?s", "p.s.": r"p\.\s?s\."}.get(marker, re.escape(marker))
    return re.search(spelt, text.lower()) is not None


def bullets(text: str, arguments: Arguments) -> bool:
    """Exactly so many lines that begin with `*` (one) or `-`."""
    return len(_BULLET.findall(text)) == _number(arguments, "num_bullets")


def constrained(text: str, arguments: Arguments) -> bool:
    """One of the three sentences that are allowed occurs."""
    return any(allowed in text for allowed in CONSTRAINED)


def highlights(text: str, arguments: Arguments) -> bool:
    """At least so many parts *highlighted* with one or two asterisks on either side."""
    count = sum(bool((m[1] or m[2]).strip()) for m in _HIGHLIGHT.finditer(text))
    return count >= _number(arguments, "num_highlights")


def sections(text: str, arguments: Arguments) -> bool:
    """At least so many sections, each beginning with the splitter and a number, such as "Section 1"."""
    splitter = str(arguments["section_spliter"]).strip()
    return len(re.findall(rf"{re.escape(splitter)}\s?\d+", text)) >= _number(arguments, "num_sections")


def json_format(text: str, arguments: Arguments) -> bool:
    """The whole response is JSON, inside a fence or not."""
    try:
        json.loads(_FENCE.sub("", text.strip()).strip())
    except (ValueError, RecursionError):
        return False
    return True


def title(text: str, arguments: Arguments) -> bool:
    """A title that is not empty stands in <<double angular brackets>>."""
    return any(m[1].strip("<> \t") for m in _TITLE.finditer(text))


def two_responses(text: str, arguments: Arguments) -> bool:
    """Two different responses, divided by six asterisks; nothing empty stands between dividers."""
    parts = [part.strip() for part in text.split("******")]
    written = [part for part in parts if part]
    return all(parts[1:-1]) and len(written) == 2 and written[0] != written[1]


def repeats_prompt(text: str, arguments: Arguments) -> bool:
    """The response begins with the request, word for word, in any case."""
    return text.strip().lower().startswith(str(arguments["prompt_to_repeat"]).strip().lower())


def ends_with(text: str, arguments: Arguments) -> bool:
    """The response ends with the phrase, in any case, quotation marks around it aside."""
    return text.strip().strip('"').lower().endswith(str(arguments["end_phrase"]).strip().lower())


def quoted(text: str, arguments: Arguments) -> bool:
    """The whole response stands in double quotation marks."""
    bare = text.strip()
    return len(bare) > 1 and bare.startswith('"') and bare.endswith('"')


def no_comma(text: str, arguments: Arguments) -> bool:
    """No comma occurs."""
    return "," not in text


# --- case and language ------------------------------------------------------------------------------


def capital_words(text: str, arguments: Arguments) -> bool:
    """Words wholly in capitals occur at least, or less than, so many times; a hyphenated word is one, "I" is one."""
    count = sum(word.isupper() for word in _TOKEN.findall(text))
    return _compared(count, arguments, "capital_relation", "capital_frequency")


def english_capitals(text: str, arguments: Arguments) -> bool:
    """English, in capitals only."""
    return text.isupper() and is_in(text, "en")


def english_lower_case(text: str, arguments: Arguments) -> bool:
    """English, without any capital."""
    return text.islower() and is_in(text, "en")


def in_language(text: str, arguments: Arguments) -> bool:
    """The response is in the language, named by its ISO 639-1 code."""
    return is_in(text, str(arguments["language"]))


CHECKS: Mapping[str, Check] = {
    "keywords:existence": keywords_exist,
    "keywords:frequency": keyword_frequency,
    "keywords:forbidden_words": forbidden_words,
    "keywords:letter_frequency": letter_frequency,
    "language:response_language": in_language,
    "length_constraints:number_words": word_count,
    "length_constraints:number_sentences": sentence_count,
    "length_constraints:number_paragraphs": paragraph_count,
    "length_constraints:nth_paragraph_first_word": nth_paragraph_starts,
    "detectable_content:number_placeholders": placeholders,
    "detectable_content:postscript": postscript,
    "detectable_format:number_bullet_lists": bullets,
    "detectable_format:constrained_response": constrained,
    "detectable_format:number_highlighted_sections": highlights,
    "detectable_format:multiple_sections": sections,
    "detectable_format:json_format": json_format,
    "detectable_format:title": title,
    "combination:two_responses": two_responses,
    "combination:repeat_prompt": repeats_prompt,
    "startend:end_checker": ends_with,
    "startend:quotation": quoted,
    "change_case:capital_word_frequency": capital_words,
    "change_case:english_capital": english_capitals,
    "change_case:english_lowercase": english_lower_case,
    "punctuation:no_comma": no_comma,
}
"""Checks by the names under which the instructions are published."""
