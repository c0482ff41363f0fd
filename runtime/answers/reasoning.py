"""Where the reasoning of a reply ends and its answer begins, and how sure the model was of the reasoning.

ProbTree ("Probabilistic Tree-of-Thought Reasoning", Cao et al. 2023) takes the mean log-probability of the tokens
before "So the answer is:" for the confidence of an answer, since the tokens of the answer itself tell little by then.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ttscale.runtime.answers.markers import Tail, tails

LEAST = -100.0
"""The log-probability of an answer without reasoning, as the authors' code has it for one that failed or is unknown."""

_SENTENCE = re.compile(r"[.!?:;]\s+|\n")
_UNKNOWN = frozenset({"", "unknown", "none", "n/a", "na", "-"})


def marked(text: str) -> str:
    """What a text marks as its answer (`Answer: x`, "the answer is x", a box); the whole text where it marks none."""
    tail = _tail(text)
    return text.strip() if tail is None else tail.text.strip().removesuffix(".").strip()


def reasoning(text: str) -> str | None:
    """The text before the sentence that marks the answer; None without a mark, or where "unknown" is marked."""
    tail = _tail(text)
    if tail is None or tail.text.strip(" .*_`\"'").casefold() in _UNKNOWN:
        return None
    ends = [match.end() for match in _SENTENCE.finditer(text, 0, tail.start)]
    return text[: ends[-1] if ends else 0]


def reasoning_logprob(text: str, pieces: Sequence[bytes], logprobs: Sequence[float]) -> float | None:
    """The mean natural log-probability of the tokens that are reasoning, thoughts among them.

    `pieces` are the bytes of every token, `logprobs` one number for each. A token of which a part, other than white
    space, belongs to the sentence with the mark does not count. `LEAST` where nothing is marked, "unknown" is, or
    nothing stands before the mark; None where the tokens are not known or do not spell the text.
    """
    before = reasoning(text)
    if not text.strip():
        return LEAST
    if not pieces or len(pieces) != len(logprobs):
        return None
    if not before or not before.strip():
        return LEAST
    raw = b"".join(pieces)
    start = raw.rfind(text.encode("utf-8", "surrogatepass"))
    if start < 0:
        return None
    end = start + len(before.rstrip().encode("utf-8", "surrogatepass"))
    count = place = 0
    for piece in pieces:
        place += len(piece)
        if place - (len(piece) - len(piece.rstrip())) > end:
            break
        count += 1
    return math.fsum(logprobs[:count]) / count if count else LEAST


def _tail(text: str) -> Tail | None:
    return next(iter(tails(text)), None)
