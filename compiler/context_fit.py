"""Whether prompts and answers fit into the context of the models that are asked.

Two amounts decide. `least` is what a prompt has where every answer that it shows is a single token: if even that is too
much, nothing fits. `full` is what it has where answers are as long as their `max_tokens` allows, its texts taking three
characters a token: that may be too much, and then for some values of the parameters only.

    for fit in tight_fits(graph):
        overflow(fit)      # Diagnostic("W0602", "`fuse` may need 17,412 tokens, and `small` holds 8,192", …)

Codes:
    E0602  a prompt that cannot fit into the context of its model
    W0602  a prompt that may not fit into the context of its model
"""

from __future__ import annotations

from collections.abc import Mapping

from ttscale.compiler import ir
from ttscale.compiler.asking import Asked, asked, full_tokens
from ttscale.compiler.capabilities import Known, abilities
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.prompt_tokens import Amount
from ttscale.compiler.said import Reader, inputs_of, stage_size
from ttscale.compiler.source import Span

STEP = 1024
"""A context is suggested in whole multiples of this."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A stage whose calls need more of a model's context than it `holds`: at least `least`, at most `full` tokens.

    `answers` are shown in the prompt, each of up to `each` tokens with its critique; there is `room` for that many. The
    reply has up to `new`.
    """

    op: str
    span: Span
    model: ir.Model
    holds: int
    least: int
    full: int
    answers: int
    each: int
    new: int
    room: int = 0

    @property
    def never(self) -> bool:
        """Whether no run fits."""
        return self.least > self.holds

    @property
    def needs(self) -> int:
        """The amount that is too much."""
        return self.least if self.never else self.full


def tight_fits(graph: ir.Graph, known: Known | None = None, sizes: Mapping[str, Amount] | None = None) -> list[Fit]:
    """The stages of a graph that do not fit, or may not, into a context that is known; a place and model once.

    `sizes` are the tokens of inputs by name, where they are known.
    """
    holds = {model: context for model in graph.models.values() if (context := abilities(model, known).context)}
    if not holds:
        return []
    inputs = inputs_of(graph, sizes or {})
    full, least = Reader(inputs, share=1.0), Reader(inputs, whole=True)
    found: dict[tuple[Span, str], Fit] = {}
    for stage in graph.stages:
        for model, most in _largest(asked(stage, full), holds).items():
            if most > holds[model]:
                fit = _fit(stage, model, holds[model], most, full, asked(stage, least))
                key = (stage.span, model.name)
                if key not in found or fit.needs > found[key].needs:
                    found[key] = fit
        full.note(stage)
        least.note(stage)
    return list(found.values())


def _largest(calls: list[Asked], holds: Mapping[ir.Model, int]) -> dict[ir.Model, int]:
    """For each model with a known context the tokens of the largest call to it."""
    found: dict[ir.Model, int] = {}
    for call in calls:
        if call.high and call.model in holds:
            found[call.model] = max(found.get(call.model, 0), full_tokens(call))
    return found


def _fit(stage: ir.Stage, model: ir.Model, holds: int, most: int, full: Reader, sure: list[Asked]) -> Fit:
    own = [call for call in sure if call.model == model]
    answers = each = 0
    if stage.source is not None:
        said = full.of(stage.source)
        answers, each = stage_size(full, stage).high, said.text.expected + said.critique.expected
        answers = answers if stage.op in ("fuse", "rank") else 1
        if stage.op == "rank" and stage.args.get("method") == ir.Const("pairwise"):
            answers = min(answers, 2)
    return Fit(
        op=stage.op,
        span=stage.span,
        model=model,
        holds=holds,
        least=max((call.prompt.low + call.new.low for call in own), default=0),
        full=most,
        answers=answers,
        each=each,
        new=max((call.longest_new for call in own), default=0),
        room=_room(stage, model, holds, most, answers, full) if answers > 1 else 0,
    )


def _room(stage: ir.Stage, model: ir.Model, holds: int, most: int, answers: int, reader: Reader) -> int:
    """How many of a stage's answers fit: every one takes as much as the last of them."""
    if not isinstance(stage.source, ir.Ref):
        return 0
    size = reader.sizes[stage.source.path]
    reader.sizes[stage.source.path] = ir.Bounds(1, 1)
    alone = _largest(asked(stage, reader), {model: holds}).get(model, 0)
    reader.sizes[stage.source.path] = size
    one = (most - alone) / (answers - 1)
    return 1 + int((holds - alone) / one) if holds >= alone and one > 0 else 0


# --- what is said --------------------------------------------------------------------------------


def overflow(fit: Fit, when: str = "", *, others: str = "", require: str = "", doubtful: bool = False) -> Diagnostic:
    """The error for what cannot fit, the warning for what may not.

    `when` says at which values of the parameters the amounts hold, `others` at which it happens too, `require` is a
    rule that excludes them all; `doubtful` makes a warning of what some allowed assignments do not have.
    """
    certain = fit.never and not doubtful
    verb = "needs at least" if fit.never else "may need"
    at = f" with {when}" if when else ""
    message = f"`{fit.op}` {verb} {fit.needs:,} tokens{at}, and `{fit.model.name}` holds {fit.holds:,}"
    labels = (Label(fit.model.span, f"`{fit.model.name}` holds {fit.holds:,} tokens"),) if fit.model.span else ()
    hint = (f"add `{require}`, " if require else "") + _hint(fit)
    hint += f"; it happens with {others}" if others else ""
    return Diagnostic(
        "E0602" if certain else "W0602",
        message,
        fit.span,
        "error" if certain else "warning",
        label=_shows(fit),
        labels=labels,
        hint=hint,
    )


def _shows(fit: Fit) -> str:
    """What takes the room: `shows 16 answers of up to 1,000 tokens, and writes up to 512`."""
    parts: list[str] = []
    if fit.answers:
        parts.append(f"shows {fit.answers} answer{'s' if fit.answers != 1 else ''} of up to {fit.each:,} tokens")
    parts.append(f"{'and ' if parts else ''}writes up to {fit.new:,}{'' if parts else ' tokens'}")
    return " ".join(parts)


def _hint(fit: Fit) -> str:
    """What fits: fewer answers, a shorter reply, or a larger context."""
    larger = f"write `ctx: {-(-fit.full // STEP) * STEP}` for `{fit.model.name}`"
    if fit.room:
        stay = f"`|> filter(top: {fit.room}, by: likelihood)`"
        return f"show at most {fit.room} with {stay}, lower `max_tokens:`, or {larger}"
    if fit.never:
        return f"show less, or {larger}"
    return f"lower `max_tokens:`, shorten the prompt, or {larger}"
