"""One question: show what happens where somebody looks, print the answer, say in one line how it came about."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttscale.cli.console import duration, err, is_terminal, out, out_json, plural
from ttscale.cli.faults import INTERRUPTED, USAGE, EndedRun, Failure
from ttscale.cli.gpu_note import gpu_note
from ttscale.cli.interrupt import Interrupt
from ttscale.cli.opened import Opened, open_program
from ttscale.cli.options import assignments
from ttscale.cli.recipe_evidence import note_for
from ttscale.compiler.types import CHAT, Text, Type
from ttscale.runtime.chats import turns_of
from ttscale.runtime.result import RunError
from ttscale.runtime.trace import plain

if TYPE_CHECKING:
    from ttscale.cli.run import Wishes
    from ttscale.runtime.engines.base import Work
    from ttscale.runtime.result import Judgements, Result
    from ttscale.runtime.trace import Listener

CUT = {
    "calls": "the budget's calls were spent",
    "tokens": "the budget's tokens were spent",
    "cost": "the budget's money was spent",
    "seconds": "the time was up",
    "stopped": "stopped by Ctrl-C",
}


async def answer_one(wishes: Wishes) -> int:
    """Answer the question of `ttscale run FILE QUESTION`; 130 where Ctrl-C ended it."""
    opened = open_program(wishes)
    opened.use_bank(wishes.bank, wishes.no_bank)
    inputs = inputs_of(opened, wishes)
    watched = not wishes.quiet and not wishes.as_json and is_terminal(sys.stderr)
    with Interrupt("stopping: answering with what is there; Ctrl-C again ends at once") as interrupt:
        with contextlib.ExitStack() as stack:
            listeners: list[Listener] = []
            if wishes.trace is not None:
                from ttscale.runtime.trace import TraceFile

                listeners.append(stack.enter_context(TraceFile(wishes.trace)))
            if watched:
                from ttscale.cli.live import LiveRun

                listeners.append(stack.enter_context(LiveRun()))
            try:
                result = await opened.answer(inputs, everyone(listeners), interrupt.stop)
            except RunError as failure:
                if interrupt.is_set:
                    raise KeyboardInterrupt from failure
                raise EndedRun(failure, opened.checked.sources) from failure
            finally:
                saved, work = opened.saved(), opened.house.work()
                await opened.close()
        show(result, opened, inputs, Computed(saved, work), wishes)
        return INTERRUPTED if interrupt.is_set else 0


def everyone(listeners: list[Listener]) -> Listener | None:
    """One listener that tells all of `listeners`; None where there are none."""
    if not listeners:
        return None

    def tell(event: Any) -> None:
        for listener in listeners:
            listener(event)

    return tell


def inputs_of(opened: Opened, wishes: Wishes) -> dict[str, object]:
    """The pipeline's inputs from the question and `--set`. Failure (usage) where one is missing or unknown."""
    names = opened.inputs
    given: dict[str, object] = dict(assignments(wishes.sets, "--set"))
    kinds = dict(opened.plan.graph.inputs)
    for name in given:
        if name not in names:
            raise Failure(f"--set {name}: the pipeline takes {', '.join(names) or 'no inputs'}", code=USAGE)
        given[name] = from_option(name, str(given[name]), kinds[name])
    if wishes.question is not None:
        name = input_for_question(names, given)
        text = sys.stdin.read() if wishes.question == "-" else wishes.question
        is_turns = kinds[name] == CHAT and _TURNS.match(text)
        given[name] = turns_in(text, f"the input `{name}`") if is_turns else text
    missing = [name for name in names if name not in given]
    if missing:
        example = f"ttscale run {wishes.file}"
        if wishes.question is not None or len(names) == 1 or "question" in missing:
            example += ' "…"'
        example += "".join(f' --set {name}="…"' for name in missing if len(names) > 1 and name != "question")
        raise Failure(f"the pipeline needs its input{'s' * (len(missing) > 1)} {', '.join(missing)}", example, USAGE)
    return given


def from_option(name: str, text: str, kind: Type) -> object:
    """An input given as text; `@turns.json` reads JSON for an input that is no Text, `[{"role": …}]` is a Chat."""
    if kind == CHAT and _TURNS.match(text):
        return turns_in(text, f"--set {name}")
    if isinstance(kind, Text) or not text.startswith("@"):
        return text
    path = Path(text[1:])
    try:
        found: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Failure(f"--set {name}={text}: {path} cannot be read as JSON: {reason}") from error
    return found


_TURNS = re.compile(r"""\s*(\[\s*[{\]]|\{\s*["']?(role|content)\b)""")
"""How a conversation in JSON begins; any other text is what the user says."""


def turns_in(text: str, what: str) -> object:
    """The turns of a conversation given as JSON. Failure (usage) where it is none."""
    hint = """write [{"role": "user", "content": "…"}], or name a file that holds it: @turns.json"""
    try:
        return turns_of(json.loads(text))
    except ValueError as error:
        said = f"it is not JSON: {error}" if isinstance(error, json.JSONDecodeError) else f"it is none: {error}"
        raise Failure(f"{what}: this looks like a conversation, and {said}", hint, USAGE) from error


def input_for_question(names: tuple[str, ...], given: dict[str, object]) -> str:
    """Which input the positional argument is: `question`, or the only one that `--set` does not give."""
    if "question" in names and "question" not in given:
        return "question"
    free = [name for name in names if name not in given]
    if len(free) != 1:
        raise Failure(
            f"the pipeline takes {', '.join(names) or 'no inputs'}; which one is the question?",
            "give them by name: " + " ".join(f'--set {name}="…"' for name in names),
            USAGE,
        )
    return free[0]


@dataclass(frozen=True)
class Computed:
    """What engines did for a run: prompt tokens that were `saved`, and the `work` of models that answer together."""

    saved: int
    work: Mapping[str, Sequence[Work]]

    def to_json(self) -> dict[str, object]:
        """As plain data; `models` only where several answer together."""
        work = {name: [plain(one) for one in models] for name, models in self.work.items()}
        return {"prompt_tokens_shared": self.saved, **({"models": work} if work else {})}

    def notes(self) -> list[str]:
        """A sentence for each group of models."""
        told = {
            name: [f"{plural(one.rows, 'token')} in {plural(one.calls, 'step')}" for one in models]
            for name, models in self.work.items()
        }
        return [f"{name}: its models computed {' and '.join(each)}" for name, each in told.items()]


def show(result: Result, opened: Opened, inputs: dict[str, object], computed: Computed, wishes: Wishes) -> None:
    """Print the result."""
    if wishes.as_json:
        out_json({"inputs": inputs, **result.to_json(), **computed.to_json(), "program": opened.identity()})
        return
    out(result.text)
    if wishes.quiet:
        return
    sys.stdout.flush()
    for note in (*result.notes, *computed.notes(), note_for(opened), gpu_note(opened)):
        if note:
            err(f"note: {note}")
    for path, judged in result.judgements.items():
        if judged.unreadable:
            err(f"note: {unreadable(path, judged)}")
    err(closing_line(result, computed.saved))


def unreadable(path: str, judged: Judgements) -> str:
    """How many judgements of a stage said nothing."""
    return f"{path}: {judged.unreadable} of {plural(judged.asked, 'judgement')} could not be read"


def closing_line(result: Result, saved: int) -> str:
    """What was decided, why it stopped, what it cost, what was saved."""
    why = f"cut short, {CUT.get(result.cut_reason, result.cut_reason)}" if result.cut else "all work done"
    cost = f"{plural(result.cost.calls, 'call')}, {plural(result.cost.tokens, 'token')}"
    cost += f", ${result.cost.usd:.4f}" if result.cost.usd else ""
    parts = [result.decided, why, f"{cost} in {duration(result.seconds)}"]
    if saved > 0:
        parts.append(f"{plural(saved, 'prompt token')} shared instead of computed")
    kept = result.cost.new_tokens - result.fresh.new_tokens
    if kept > 0:
        parts.append(f"{kept:,} of {plural(result.cost.new_tokens, 'new token')} from the bank")
    return "; ".join(part for part in parts if part)
