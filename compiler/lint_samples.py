"""Samples that are all alike or that nobody reads, and thresholds that nothing can cross.

Codes:
    L130   several samples at temperature 0
    L131   samples that nothing reads
    L132   a threshold that cannot matter
"""

from __future__ import annotations

from collections.abc import Iterator

from ttscale.compiler import ir
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.lint_view import View, constant, number, prompts_of
from ttscale.compiler.types import BOOL, Choice

UNIT = ("agreement", "readable", "margin", "certainty")
"""Functions of a pool whose value is between 0 and 1."""
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def samples(view: View) -> Iterator[Diagnostic]:
    """Findings about samples and thresholds."""
    for stage in view.graph.stages:
        if stage.op in ("generate", "fuse", "revise"):
            yield from _greedy(stage)
            yield from _dropped(view, stage)
        yield from _shares(view, stage)
        yield from _conditions(view, stage)


def _greedy(stage: ir.Stage) -> Iterator[Diagnostic]:
    n = stage.args.get("n")
    count = n.limit if isinstance(n, ir.UpTo) else number(n.value) if isinstance(n, ir.Const) else None
    written = stage.args.get("temperatures", stage.args.get("temperature"))
    temperatures = written if isinstance(written, tuple) else (written,)
    if count is not None and count > 1 and any(isinstance(t, ir.Const) and t.value == 0 for t in temperatures):
        message = f"{count:g} samples at temperature 0 are {count:g} times the same one"
        hint = "write `n: 1`, or a temperature such as `temperature: 0.7`"
        yield Diagnostic("L130", message, stage.span, "lint", hint=hint)


def _dropped(view: View, stage: ir.Stage) -> Iterator[Diagnostic]:
    """Samples of which only some are ever looked at, by `pool[0]` or `select(by: first)`."""
    read: set[int] = set()
    for reader, operand in view.readers[stage.path]:
        taken = _taken(operand, stage.path)
        rule = reader.args.get("by") if reader is not None else None
        if reader is not None and reader.op == "select" and isinstance(rule, ir.Strategy) and rule.name == "first":
            taken = {0}
        if taken is None:
            return
        read |= taken
    if read and len(read) < stage.size.low:
        message = f"of {stage.size.low} samples only {len(read)} {'is' if len(read) == 1 else 'are'} read"
        hint = "make fewer, or choose among them: `|> vote()`, `|> select(by: likelihood)`"
        yield Diagnostic("L131", message, stage.span, "lint", hint=hint)


def _taken(operand: ir.Operand, path: str) -> set[int] | None:
    """Which candidates of the pool at `path` an operand reads; None for all."""
    match operand:
        case ir.Item(of=ir.Ref(path=read), index=index) if read == path:
            return {index}
        case ir.Ref(path=read) if read == path:
            return None
        case ir.Item(of=of):
            return _taken(of, path)
        case ir.Apply(args=args):
            found: set[int] = set()
            for arg in args:
                taken = _taken(arg, path)
                if taken is None:
                    return None
                found |= taken
            return found
    return set()


# --- thresholds ----------------------------------------------------------------------------------


def _shares(view: View, stage: ir.Stage) -> Iterator[Diagnostic]:
    """`min_share:`, `share:`, `min_probability:` and `min_score:` that let everything, or nothing, through."""
    before = view.source(stage)
    if stage.op == "filter" and before is not None and before.size.high > 0:
        share = number(constant(stage, "min_share"))
        if share is not None and share * before.size.high <= 1:
            text = f"`min_share: {share:g}` keeps every answer of a pool of at most {before.size.high}"
            yield _idle(stage, text, "one answer alone has that share already")
        least, rule = number(constant(stage, "min_score")), stage.args.get("by")
        is_likelihood = isinstance(rule, ir.Strategy) and rule.name == "likelihood"
        if least is not None and is_likelihood and not 0 < least <= 1:
            what = "every" if least <= 0 else "no"
            yield _idle(stage, f"`min_score: {least:g}` keeps {what} answer: a likelihood is between 0 and 1", "")
    rule = stage.args.get("by")
    if (
        stage.op == "select"
        and isinstance(rule, ir.Strategy)
        and rule.name == "best_of_majority"
        and before is not None
    ):
        value = dict(rule.named).get("share")
        share = number(value.value) if isinstance(value, ir.Const) else None
        if share is not None and before.size.high > 0 and share * before.size.high <= 1:
            text = f"`share: {share:g}` lets every answer of a pool of at most {before.size.high} be chosen"
            yield _idle(stage, text, "then this is `select` by the score alone")
    least = number(constant(stage, "min_probability"))
    if stage.op == "verify" and least == 0:
        yield _idle(stage, "`min_probability: 0` accepts every candidate", "")
    if stage.op == "classify" and least is not None:
        labels = [_labels(filled) for filled in prompts_of(stage)]
        if labels and labels[0] and least * labels[0] <= 1:
            text = f"`min_probability: {least:g}` never abstains: the likeliest of {labels[0]} labels has at least that"
            yield _idle(stage, text, "")


def _labels(filled: ir.Filled) -> int:
    kind = filled.prompt.result
    return len(kind.labels) if isinstance(kind, Choice) else 2 if kind == BOOL else 0


def _idle(stage: ir.Stage, message: str, label: str) -> Diagnostic:
    return Diagnostic("L132", message, stage.span, "lint", label=label, hint="leave it out, or choose another value")


def _conditions(view: View, stage: ir.Stage) -> Iterator[Diagnostic]:
    """Comparisons in `when`, `until:` and values whose outcome is known from the range of what they compare."""
    roots: list[object] = [stage.when, stage.args.get("until"), stage.args.get("value")]
    for guard in stage.guards:
        roots.append(guard.operand)
    for root in roots:
        if isinstance(root, ir.Apply):
            for comparison in _comparisons(root):
                outcome = _outcome(view, stage, comparison)
                if outcome is not None:
                    span = comparison.span or stage.span
                    message = f"`{_words(comparison)}` is {'always' if outcome else 'never'} true"
                    labels = () if span.start == stage.span.start else (Label(stage.span, "decides this stage"),)
                    hint = "leave the condition out, or compare with a value in between"
                    yield Diagnostic("L132", message, stage.span, "lint", labels=labels, hint=hint)


def _comparisons(operand: ir.Operand) -> Iterator[ir.Apply]:
    if isinstance(operand, ir.Apply):
        if operand.op in _FLIPPED and len(operand.args) == 2:
            yield operand
        elif operand.op in ("and", "or", "not"):
            for arg in operand.args:
                yield from _comparisons(arg)


def _outcome(view: View, stage: ir.Stage, comparison: ir.Apply) -> bool | None:
    """What a comparison gives whatever the run finds, or None where that depends on the run."""
    left, right = comparison.args
    op = comparison.op
    if isinstance(left, ir.Const):
        left, right, op = right, left, _FLIPPED[op]
    bound = number(right.value) if isinstance(right, ir.Const) else None
    span = _range(view, stage, left)
    if bound is None or span is None:
        return None
    low, high = span
    always = {
        "<": high < bound,
        "<=": high <= bound,
        ">": low > bound,
        ">=": low >= bound,
        "==": low == high == bound,
        "!=": bound < low or bound > high,
    }
    never = {
        "<": low >= bound,
        "<=": low > bound,
        ">": high <= bound,
        ">=": high < bound,
        "==": bound < low or bound > high,
        "!=": low == high == bound,
    }
    return True if always[op] else False if never[op] else None


def _range(view: View, stage: ir.Stage, operand: ir.Operand) -> tuple[float, float] | None:
    """The least and greatest value of a function of a pool."""
    if not isinstance(operand, ir.Apply) or len(operand.args) != 1:
        return None
    if operand.op in UNIT:
        return (0, 1)
    if operand.op == "size":
        of = operand.args[0]
        if isinstance(of, ir.Own):
            return (0, stage.size.high)
        if isinstance(of, ir.Ref) and of.path in view.stages:
            size = view.stages[of.path].size
            return (size.low, size.high)
    return None


def _words(comparison: ir.Apply) -> str:
    # drawing graphs needs a large library, which a program without this finding does not pay for
    from ttscale.compiler.graph import condition_text

    return condition_text(comparison)
