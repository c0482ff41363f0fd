"""Reading one of a few labels: choices by letter or by word, and yes or no.

The order of belief: what follows a mark, a last line that begins with a label, a first line that does, the last
label in the last line, the last label anywhere. A label never matches inside another word, so "no" is not found in
"know", nor "correct" in "incorrect"; a lone capital A or I that begins a phrase is a word, not a letter.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ttscale.runtime.answers.markers import last_line, tails

_YES = ("yes", "true", "correct", "right", "y")
_NO = ("no", "false", "incorrect", "wrong", "n", "nope")
_NEGATION = (
    r"(?<![A-Za-z])(?:not|never|cannot|[A-Za-z]{2,6}n['’]t)[ ]"
    r"(?:(?:think|believe)[ ](?:that[ ])?(?:[A-Za-z]{1,12}[ ]){1,3}is[ ])?"
    r"(?:(?:seem|appear|look|be|to be|a|the|"
    r"really|quite|entirely|completely|fully|necessarily|actually|exactly)[ ]){0,2}"
)
_NEGATED = re.compile(_NEGATION + r"(?:(true|correct|right)|false|incorrect|wrong)(?![\w-])", re.I)
_NOT_BEFORE = re.compile(_NEGATION + r"[*_`\"'(]{0,3}$", re.I)
_AFTER_ANSWER = re.compile(r"[ \t]*(?:$|[\n.,;:!?)\]}*_`\"'—–-]|(?:because|since|as)(?![a-z]))", re.I)
_NO_THING = re.compile(
    r"no[ ](?:[a-z]{1,15}[ ]){0,2}(?:mistakes?|errors?|problems?|issues?|flaws?|faults?)(?![a-z])", re.I
)
_DECORATION = " \t\r\n*_`\"'([{<$#>-:"


@lru_cache(maxsize=256)
def _pattern(labels: tuple[str, ...]) -> re.Pattern[str]:
    """Finds any of `labels` as a whole word, the longest first; letters only in the case they are written in."""
    ordered = sorted(labels, key=len, reverse=True)
    words = [re.escape(label) for label in ordered if len(label) > 1]
    letters = [re.escape(label) for label in ordered if len(label) == 1]
    parts = []
    if words:
        parts.append(f"(?i:{'|'.join(words)})")
    if letters:
        parts.append("(?:" + "|".join(letters) + ")")
    return re.compile(r"(?<![\w])(?<!\w-)(?<!\w')(" + "|".join(parts) + r")(?![\w]|-\w|'[a-zA-Z])")


@lru_cache(maxsize=256)
def _article(labels: tuple[str, ...]) -> re.Pattern[str] | None:
    """Finds a capital A or I used as an English word, where those are labels."""
    words = "".join(letter for letter in "AI" if letter in labels)
    return re.compile(rf"[{words}](?= [a-z])") if words else None


def find_label(text: str, labels: tuple[str, ...]) -> str | None:
    """The label that `text` settles on, in its declared spelling, or None."""
    exact = _whole(text, labels)
    if exact is not None:
        return exact
    for tail in tails(text):
        found = _whole(tail.text, labels) or _leading(tail.text, labels)
        if found is None and tail.kind != "hash":
            found = _pick(tail.text, labels, 0)
        if found is not None:
            return found
    line = last_line(text)
    first = text.strip().partition("\n")[0]
    for piece in (line, first):
        found = _whole(piece, labels) or _leading(piece, labels)
        if found is not None:
            return found
    for piece in (line, text):
        found = _bracketed(piece, labels) or _pick(piece, labels, -1)
        if found is not None:
            return found
    return None


def find_bool(text: str) -> bool | None:
    """Yes or no, also as true/false, correct/incorrect, right/wrong, also negated; None when it says neither."""
    text = _NEGATED.sub(lambda match: "false" if match[1] else "true", text)
    found = find_label(text, ("yes", "no", "true", "false"))
    if found is None:
        found = find_label(text, (*(w for w in _YES if len(w) > 1), *(w for w in _NO if len(w) > 1)))
    if found is None:
        bare = text.strip(_DECORATION + ").].,!").casefold()
        found = bare if bare in (*_YES, *_NO) else None
    return None if found is None else found in _YES


def _declared(found: str, labels: tuple[str, ...]) -> str | None:
    if found in labels:
        return found
    folded = found.casefold()
    return next((label for label in labels if label.casefold() == folded), None)


def _whole(text: str, labels: tuple[str, ...]) -> str | None:
    """The label when the whole piece is one, decoration and case aside ("(b)", "**B.**", "\\text{yes}")."""
    if len(text) > 200:
        return None
    return _declared(_unwrapped(text).strip(_DECORATION + ")]}>.,;!:\"'"), labels)


def _leading(text: str, labels: tuple[str, ...]) -> str | None:
    """The label that a piece begins with, followed by punctuation or the end, or a word label by anything."""
    text = _unwrapped(text).lstrip(_DECORATION)
    match = _pattern(labels).match(text)
    if match is None or _is_word(text, match.start(), labels) or _NO_THING.match(text, match.start()):
        return None
    rest = text[match.end() :].lstrip("*_`\"'")
    if rest and len(match[1]) == 1 and rest[0] not in ").:,;]}!-–— \n":
        return None
    return _declared(match[1], labels)


def _bracketed(text: str, labels: tuple[str, ...]) -> str | None:
    """The last "(B)" of a piece, for letters only."""
    if not all(len(label) == 1 for label in labels):
        return None
    found = re.findall(r"\(([" + re.escape("".join(labels)) + r"])\)", text)
    return found[-1] if found else None


def _pick(text: str, labels: tuple[str, ...], which: int) -> str | None:
    text = _unwrapped(text)
    found = [m[1] for m in _pattern(labels).finditer(text) if _counts(text, m, labels)]
    return _declared(found[which], labels) if found else None


def _counts(text: str, match: re.Match[str], labels: tuple[str, ...]) -> bool:
    """Whether a label inside a line is meant: it is not negated, and a yes or no is no word of a phrase ("has no")."""
    start = match.start()
    before = text[max(0, start - 24) : start]
    if _is_word(text, start, labels) or _NOT_BEFORE.search(text, max(0, start - 60), start):
        return False
    if match[1].casefold() not in ("yes", "no"):
        return True
    if _NO_THING.match(text, start) or before.endswith(("/", "|")):
        return False
    opened = before.rpartition("\n")[2].rstrip(_DECORATION.replace(":", "")) if start < 24 or "\n" in before else before
    return opened == "" or opened.rstrip().endswith(":") or _AFTER_ANSWER.match(text, match.end()) is not None


def _is_word(text: str, start: int, labels: tuple[str, ...]) -> bool:
    article = _article(labels)
    if article is None or article.match(text, start) is None:
        return False
    # "A dog" and "I think" are prose; "(A dog)" or "A is right" name the letter.
    after = text[start + 1 : start + 24].split(maxsplit=1)
    return not after or after[0] not in ("is", "because", "since", "and", "or", "was", "as", "seems")


def _unwrapped(text: str) -> str:
    return text.replace("\\text{", " ").replace("\\mathrm{", " ").replace("\\textbf{", " ") if "\\" in text else text
