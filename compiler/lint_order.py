"""The order of layers: the rules of Archon's paper as far as they apply to a graph.

Parts of two of its six rules cannot be broken here: what ranks, criticises, verifies or fuses takes a pool, so it is
in no first layer.

Codes:
    L101   a `+` of stages of different kinds
    L102   a `generate` that reads several earlier candidates
    L103   a `rank` or `fuse` without a critique before it
    L104   a `+` of judged and other views of the same candidates
    L105   a choice, rank or fusion of at most one candidate
    L106   a `+` of equal calls
    L107   tests that something reads before their evaluator does
"""

from __future__ import annotations

from collections.abc import Iterator

from ttscale.compiler import ir
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.lint_view import JOINTS, TESTS, View, constant, prompts_of

JUDGES = ("rank", "critique", "verify", "score", "filter", "select", "vote")
WHAT_ONE_DOES = {
    "vote": "the pool is its value already: leave `|> vote()` out",
    "select": "the pool is its value already: leave `|> select(…)` out",
    "rank": "leave it out, or make more candidates before it",
    "fuse": "make more candidates before it; one answer alone is revised, not fused",
}


def order(view: View) -> Iterator[Diagnostic]:
    """Findings about the order of stages and what `+` joins."""
    for stage in view.graph.stages:
        if stage.op == "concat":
            yield from _joined(view, stage)
        elif stage.op == "generate":
            yield from _later_generator(view, stage)
        elif stage.op in WHAT_ONE_DOES:
            yield from _over_pool(view, stage)
        if stage.op in ("generate", "fuse", "revise", "critique"):
            yield from _shown_tests(view, stage)


def _kinds(view: View, stage: ir.Stage) -> dict[str, ir.Stage]:
    """The kinds of stages whose results a joint holds, each with one stage of it."""
    if stage.op not in JOINTS:
        return {stage.op: stage}
    found: dict[str, ir.Stage] = {}
    for part in view.parts(stage):
        for op, example in _kinds(view, part).items():
            found.setdefault(op, example)
    return found


def _joined(view: View, stage: ir.Stage) -> Iterator[Diagnostic]:
    parts = view.parts(stage)
    shared: ir.Stage | None = None
    seen: dict[str, ir.Stage] = {}
    for part in parts:
        for path in view.made(part):
            shared = shared or (part if path in seen else None)
            seen.setdefault(path, part)
    kinds = _kinds(view, stage)
    judges = [op for op in kinds if op in JUDGES]
    if shared is not None and judges:
        message = f"`+` joins `{judges[0]}` with the same candidates, which then count twice"
        hint = "put the judges one after the other: `pool |> critique(…) |> rank(…)`"
        label = Label(kinds[judges[0]].span, "keeps candidates of the same pool")
        yield Diagnostic("L104", message, stage.span, "lint", labels=(label,), hint=hint)
    elif shared is not None:
        message = "both sides of `+` are the same samples, which counts every answer twice"
        yield Diagnostic("L106", message, stage.span, "lint", hint="use `series: 1` in one of the calls")
    elif len(kinds) > 1:
        names = list(kinds)
        message = f"`+` joins what `{names[0]}` and `{names[1]}` gave, which are layers of different kinds"
        labels = tuple(Label(kinds[op].span, f"`{op}`") for op in names[:2])
        hint = "let the next stage read the later layer alone"
        yield Diagnostic("L101", message, stage.span, "lint", labels=labels, hint=hint)


NO_CANDIDATES = ("retrieve", "decompose")
"""Stages whose pools are something to be read, not answers to choose from."""


def _later_generator(view: View, stage: ir.Stage) -> Iterator[Diagnostic]:
    read: dict[str, ir.Stage] = {}
    for filled in prompts_of(stage):
        for _, operand in filled.args:
            for path in ir.refs(operand):
                read[path] = view.stages[path]
    # passages that were looked up and parts of a question are no candidates, whatever chose among them
    written = {
        path: any(view.stages[made].op not in NO_CANDIDATES for made in view.made(one)) for path, one in read.items()
    }
    pools = [one for path, one in read.items() if one.op != "value" and written[path]]
    if sum(one.size.high for one in pools) < 2:
        return
    message = "`generate` reads earlier candidates, and generators belong in the first layer"
    labels = (Label(pools[0].span, "read here"),) if pools[0].span != stage.span else ()
    hint = "`pool |> fuse(using: …)` makes new candidates from old ones and sees their critiques"
    yield Diagnostic("L102", message, stage.span, "lint", labels=labels, hint=hint)


def _over_pool(view: View, stage: ir.Stage) -> Iterator[Diagnostic]:
    before = view.source(stage)
    if before is None:
        return
    if before.size.high <= 1:
        what = "no candidate" if before.size.high == 0 else "at most one candidate"
        written = "select" if _chooses(stage) else stage.op
        message = f"`{written}` gets {what}"
        labels = (Label(before.span, "gives at most one"),)
        yield Diagnostic("L105", message, stage.span, "lint", labels=labels, hint=WHAT_ONE_DOES[written])
    elif stage.op in ("rank", "fuse") and not _chooses(stage) and "critiqued" not in before.facets:
        message = f"`{stage.op}` has no critique of its candidates to read"
        hint = f"put a critic before it: `|> critique(from: …) |> {stage.op}(…)`"
        yield Diagnostic("L103", message, stage.span, "lint", hint=hint)


def _chooses(stage: ir.Stage) -> bool:
    """Whether a ranking is what a `select` by a checklist or by a judged likeness became, which reads no critiques."""
    return stage.op == "rank" and constant(stage, "method") in ("checklist", "likeness")


# --- tests and their evaluator -------------------------------------------------------------------


def _shown_tests(view: View, stage: ir.Stage) -> Iterator[Diagnostic]:
    """A maker or critic that reads tests which a model wrote to evaluate candidates."""
    for name, operand in (pair for filled in prompts_of(stage) for pair in filled.args):
        for path in sorted(view.origins(operand)):
            evaluator = view.suites.get(path)
            if path == stage.path or (evaluator is None and name not in TESTS):
                continue
            labels = [Label(view.stages[path].span, "written here")]
            if evaluator is not None:
                labels.append(Label(evaluator.span, "their evaluator"))
            message = f"`{stage.op}` reads tests before their evaluator does"
            hint = "give them to their evaluator alone, so that no candidate is written to pass them"
            yield Diagnostic("L107", message, stage.span, "lint", labels=tuple(labels), hint=hint)
            return
