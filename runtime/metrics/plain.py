"""Metrics that compare an answer with a gold: exact, normalised, as a number, as mathematics, as a choice, token F1."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ttscale.compiler import types as t
from ttscale.runtime import answers
from ttscale.runtime.metrics.errors import MetricError, short
from ttscale.runtime.metrics.grading import Grade

Row = Mapping[str, object]
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_LETTERS = string.ascii_uppercase
Measure = Callable[[object, object, Row], Grade | float]


@dataclass(frozen=True, slots=True)
class PlainMetric:
    """A metric that is a function of an answer, its gold and the row."""

    name: str
    function: Measure
    unreadable: bool = False
    """Whether the function is asked about unreadable answers too, which else have 0."""

    def score(self, answer: object, gold: object, row: Row) -> Grade | float:
        """The grade of one answer. Raises MetricError."""
        return self.function(answer, gold, row) if answer is not None or self.unreadable else 0.0


def exact(answer: object, gold: object, row: Row) -> float:
    """1 where the texts are equal but for white space around them and Unicode composition; of several golds, any."""
    return _best(answer, gold, lambda a, b: float(_composed(a) == _composed(b)))


def normalised_exact(answer: object, gold: object, row: Row) -> float:
    """1 where the texts are equal after `normalised`; of several golds, any."""
    return _best(answer, gold, lambda a, b: float(normalised(a) == normalised(b)))


def token_f1(answer: object, gold: object, row: Row) -> float:
    """The harmonic mean of the shares of words in common, repeated ones counted; of several golds, the best.

    As for SQuAD (Rajpurkar et al., EMNLP 2016). As for HotpotQA (Yang et al., EMNLP 2018), a gold or an answer of yes,
    no or noanswer must be given as it is.
    """
    return _best(answer, gold, words_f1)


def words_f1(answer: str, gold: str) -> float:
    """The token F1 of two texts, from 0 to 1."""
    left, right = normalised(answer), normalised(gold)
    alone = ("yes", "no", "noanswer")
    if (left in alone or right in alone) and left != right:
        return 0.0
    first, second = left.split(), right.split()
    if not first or not second:
        return float(first == second)
    common = sum((Counter(first) & Counter(second)).values())
    return 2 * common / (len(first) + len(second))


def normalised(text: str) -> str:
    """Lower case, without punctuation, articles and doubled white space: the form in which SQuAD compares."""
    bare = _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION))
    return " ".join(bare.split())


def numeric(answer: object, gold: object, row: Row) -> float:
    """1 where both are the same number, exactly (0.5 is 1/2). Raises MetricError where the gold is no number."""
    return _typed(t.NUMBER, "numeric", answer, gold)


def mathematical(answer: object, gold: object, row: Row) -> float:
    """1 where both are the same expression: by normal form, then by math-verify. Raises MetricError."""
    return _typed(t.MATH, "math", answer, gold)


def choice(answer: object, gold: object, row: Row) -> float:
    """1 where the answer names the gold's choice, by its label, its place or its text.

    The choices are the row's `choices` (texts; a mapping or a list) with the row's `labels`, by default the letters
    from A. Without choices the labels are the letters A to the gold's, and at least to E. Raises MetricError.
    """
    texts, labels = choices_of(row)
    wanted = _label(gold, texts, labels, index=True)
    if wanted is None:
        raise MetricError(
            f"the gold answer {short(gold)} is none of the choices {', '.join(labels)}",
            hint="give the row `labels`, or make the gold a label, a place from 0 or a choice's text",
        )
    return float(_label(answer, texts, labels, index=False) == wanted)


def choices_of(row: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The texts of a row's choices and their labels; no texts where the row has none. Raises MetricError."""
    given, labels = row.get("choices"), row.get("labels")
    if isinstance(given, Mapping):
        labels, given = given.get("label", labels), given.get("text")
    texts = tuple(str(item) for item in given) if isinstance(given, list | tuple) else ()
    if isinstance(labels, list | tuple) and labels:
        found = tuple(str(label) for label in labels)
        if texts and len(found) != len(texts):
            raise MetricError(f"the row has {len(texts)} choices and {len(found)} labels")
        return texts, found
    if len(texts) > len(_LETTERS):
        raise MetricError(f"{len(texts)} choices need labels of their own", hint="give the row `labels`")
    return texts, tuple(_LETTERS[: len(texts) or 5])


def text_of(value: object) -> str:
    """An answer or gold as text."""
    return value if isinstance(value, str) else answers.show(t.TEXT, value)


def _label(value: object, texts: Sequence[str], labels: Sequence[str], *, index: bool) -> str | None:
    if index and isinstance(value, int) and not isinstance(value, bool) and str(value) not in labels:
        return labels[value] if 0 <= value < len(labels) else None
    shown = text_of(value).strip()
    if shown in labels:
        return shown
    alike = [label for label, own in zip(labels, texts, strict=False) if normalised(own) == normalised(shown)]
    if len(alike) == 1 and normalised(shown):
        return alike[0]
    found: object = answers.coerce(t.Choice(tuple(labels)), shown)[0]
    return found if isinstance(found, str) else None


def _typed(type_: t.Type, name: str, answer: object, gold: object) -> float:
    wanted = answers.coerce(type_, gold)[1]
    if wanted is None:
        raise MetricError(
            f"`{name}` cannot read the gold answer {short(gold)}", hint="name the gold in the dataset: `answer: …`"
        )
    return float(answers.equal(type_, answers.coerce(type_, answer)[1], wanted))


def _best(answer: object, gold: object, measure: Callable[[str, str], float]) -> float:
    if gold is None or gold == []:
        raise MetricError("the row has no gold answer", hint="name it in the dataset: `answer: …`")
    golds = gold if isinstance(gold, list | tuple) and not isinstance(answer, list | tuple) else [gold]
    return max(measure(text_of(answer), text_of(own)) for own in golds)


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()
