"""`grounded`: does an answer stand in the text that it was taken from?

For tasks whose answer is a part of the input (a field of a letter, a span of a page), an answer with words that the
input does not have was made up. No model is asked.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:['.,:/-][^\W_]+)*")


def grounded(answer: str, source: str) -> float:
    """The share of the answer's words that occur in `source`, from 0 to 1; 0 for an answer without a word.

    Words are compared without case, as a multiset is not: each word of the answer counts once for each time it stands
    there. This is K-Precision of Adlakha et al. 2023 ("Evaluating Correctness and Faithfulness of Instruction-Following
    Models for Question Answering"), without their removal of articles.
    """
    words = [word.lower() for word in _WORD.findall(answer)]
    known = {word.lower() for word in _WORD.findall(source)}
    known |= {part for word in known for part in re.split(r"['.,:/-]", word)}
    return sum(word in known for word in words) / len(words) if words else 0.0
