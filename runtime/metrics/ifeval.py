"""IFEval: whether a response follows the instructions of its prompt that a program can check.

    strict = IFEval()
    await grade(strict, response, None, {"prompt": …, "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]})

Zhou et al., "Instruction-Following Evaluation for Large Language Models", 2023: 25 kinds of instructions. A prompt's
value is 1 where all are followed; `parts` has one figure an instruction. The loose variant also accepts a response that
follows an instruction without its first line, its last line, both, or its asterisks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ttscale.compiler.diagnostics import suggest
from ttscale.runtime.metrics.errors import MetricError, short
from ttscale.runtime.metrics.grading import Grade
from ttscale.runtime.metrics.ifeval_checks import CHECKS
from ttscale.runtime.metrics.plain import text_of


@dataclass(frozen=True, slots=True)
class IFEval:
    """The metric, strict or loose. Rows have `instruction_id_list` and `kwargs`, as published."""

    loose: bool = False

    @property
    def name(self) -> str:
        """What the metric is called in tables."""
        return "ifeval_loose" if self.loose else "ifeval"

    def score(self, answer: object, gold: object, row: Mapping[str, object]) -> Grade:
        """The grade of one response. Raises MetricError where the row has no instructions or an unknown one."""
        wanted = list(instructions(row))
        response = "" if answer is None else text_of(answer)
        parts: dict[str, float] = {}
        for number, (kind, arguments) in enumerate(wanted):
            name = kind if kind not in parts else f"{kind}#{number + 1}"
            parts[name] = float(follows(kind, arguments, response, loose=self.loose))
        broken = [kind for kind, mark in parts.items() if not mark]
        return Grade(float(not broken), f"not followed: {', '.join(broken)}" if broken else "", parts)


def instructions(row: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The kinds and arguments of a row's instructions; arguments that are none are left out. Raises MetricError."""
    kinds, arguments = row.get("instruction_id_list"), row.get("kwargs")
    if not isinstance(kinds, Sequence) or isinstance(kinds, str) or not kinds:
        raise MetricError("the row has no `instruction_id_list`", hint="`ifeval` grades rows in the shape of IFEval")
    given = arguments if isinstance(arguments, Sequence) and len(arguments) == len(kinds) else None
    if given is None:
        raise MetricError(f"the row has {len(kinds)} instructions and other `kwargs`: {short(arguments)}")
    for kind, own in zip(kinds, given, strict=True):
        known = {name: value for name, value in own.items() if value is not None} if isinstance(own, Mapping) else {}
        # A repeated request is the whole prompt in some copies of the data, which leave the argument out.
        if kind == "combination:repeat_prompt" and "prompt_to_repeat" not in known:
            known["prompt_to_repeat"] = row.get("prompt", "")
        yield str(kind), known


def follows(kind: str, arguments: Mapping[str, object], response: str, *, loose: bool = False) -> bool:
    """Whether a response follows one instruction; an empty one follows none.

    Raises MetricError for an unknown kind or a missing argument.
    """
    check = CHECKS.get(kind)
    if check is None:
        near = suggest(kind, CHECKS)
        raise MetricError(f"there is no instruction `{kind}`", hint=f"did you mean `{near}`?" if near else "")
    try:
        return any(text.strip() and check(text, arguments) for text in (variants(response) if loose else (response,)))
    except KeyError as error:
        raise MetricError(f"instruction `{kind}` lacks its argument {error}") from error
    except (TypeError, ValueError) as error:
        raise MetricError(f"instruction `{kind}` with {short(dict(arguments))}: {error}") from error


def variants(response: str) -> tuple[str, ...]:
    """The eight texts of which the loose variant accepts any: lines cut off or not, asterisks taken out or not."""
    lines = response.split("\n")
    cut = [response, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    return tuple(own for text in cut for own in (text, text.replace("*", "")))
