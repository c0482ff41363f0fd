"""The forms of judgements, as grammars: an order of candidates, a verdict or grades at the end, a list of reviews.

A judge whose engine keeps to a grammar cannot give a reply that is not read, unless `max_tokens` cuts it. Standard
prompts are kept to their forms; a prompt of one's own may ask for another form, and is not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import combinations

from ttscale.compiler.ir import Filled
from ttscale.runtime.engines.base import Constraint

MOST_STATES = 600
"""How many rules an exact order may take; beyond that a number may come twice, and the reply is then not read."""
MOST_REPEATS = 1_000
CHARACTERS_A_TOKEN = 2.5
"""How much text may stand before a verdict or grades, so that these come before `max_tokens` is used up."""
STANDARD = ("std/stages", "std/prompts")


def is_kept(filled: Filled) -> bool:
    """Whether the replies of a prompt are kept to a form: where it is a standard prompt."""
    return any(part.span.file.partition("@")[0] in STANDARD for part in filled.prompt.parts)


def order_of(count: int, wanted: int) -> Constraint:
    """`wanted` different numbers from 1 to `count`, separated by commas."""
    numbers = range(1, count + 1)
    if sum(math.comb(count, taken) for taken in range(wanted)) > MOST_STATES:
        one = " | ".join(f'"{number}"' for number in numbers)
        return Constraint(f'root ::= " "? one (", " one){{{wanted - 1}}}\none ::= {one}\n')
    rules = ['root ::= " "? s']
    for taken in range(wanted):
        for used in combinations(numbers, taken):
            arms = []
            for number in numbers:
                if number not in used:
                    rest = _state((*used, number))
                    arms.append(f'"{number}"' + (f' ", " {rest}' if taken + 1 < wanted else ""))
            rules.append(f"{_state(used)} ::= {' | '.join(arms)}")
    return Constraint("\n".join(rules) + "\n")


def _state(used: Sequence[int]) -> str:
    return "-".join(["s", *(str(number) for number in sorted(used))])


def verdict(labels: Sequence[str], max_tokens: int) -> Constraint:
    """Any text, then a line "Answer: " with one of the labels."""
    return Constraint(f'root ::= {_text(max_tokens)} "\\nAnswer: " ({_either(labels)})\n')


def best_at_end(count: int, wanted: int, max_tokens: int) -> Constraint:
    """Any text, then a line "Best: " with `wanted` different numbers from 1 to `count`."""
    order = order_of(count, wanted).grammar.replace("root ::=", "order ::=", 1)
    return Constraint(f'root ::= {_text(max_tokens - 3 * wanted)} "\\nBest:" order\n{order}')


END_TOKENS = 8
"""Room for a label behind "Answer:"."""


def end_of_verdict(labels: Sequence[str]) -> Constraint:
    """One of the labels, behind "Answer:"."""
    return Constraint(f'root ::= " " ({_either(labels)})\n')


def end_of_grades(count: int) -> Constraint:
    """`count` whole numbers from 1 to 10, behind "Grades:"."""
    rest = f' (", " g){{{count - 1}}}' if count > 1 else ""
    return Constraint(f'root ::= " " g{rest}\ng ::= "10" | [1-9]\n')


def grades(count: int, max_tokens: int) -> Constraint:
    """Any text, then a line "Grades: " with `count` whole numbers from 1 to 10."""
    line = f'"\\nGrades: " g (", " g){{{count - 1}}}' if count > 1 else '"\\nGrades: " g'
    return Constraint(f'root ::= {_text(max_tokens - 3 * count)} {line}\ng ::= "10" | [1-9]\n')


def reviews(count: int, max_tokens: int) -> Constraint:
    """`count` lines that each begin with "- "."""
    most = max(1, min(MOST_REPEATS, int(max_tokens * CHARACTERS_A_TOKEN / count)))
    following = f' ("\\n- " line){{{count - 1}}}' if count > 1 else ""
    return Constraint(f'root ::= "- " line{following}\nline ::= [^\\n]{{1,{most}}}\n')


LEAST_ASSERTIONS, MOST_ASSERTIONS = 4, 10


def assertions(entry: str) -> Constraint:
    """Four to ten lines, each an assertion that something equals something; with `entry`, that a call of it does.

    The reply goes on behind `assert entry(`, or behind `assert ` where no function is named.
    """
    opening = json.dumps(f"\nassert {entry}(" if entry else "\nassert ", ensure_ascii=False)
    least, most = LEAST_ASSERTIONS - 1, MOST_ASSERTIONS - 1
    lines = f'root ::= rest ({opening} rest){{{least},{most}}} "\\n```"?\n'
    return Constraint(lines + 'rest ::= [^\\n=]+ " == " [^\\n=]+\n')


def _text(max_tokens: int) -> str:
    return f".{{0,{max(1, min(MOST_REPEATS, int(max_tokens * CHARACTERS_A_TOKEN)))}}}"


def _either(labels: Sequence[str]) -> str:
    return " | ".join(json.dumps(label, ensure_ascii=False) for label in labels)
