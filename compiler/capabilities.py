"""What models can do besides answering, and the stages that need more than theirs can.

A declaration tells some of it: weights that run in the process give log-probabilities and score labels, a server may or
may not, and says so with `logprobs: true | false`. What a file tells (whether it has thoughts, its context) comes from
whoever has looked at it, as `Known`; nothing is read here.

    lacks(graph)                                          # a warning where only the server knows
    lacks(graph, {"small": Abilities(thinking=False)})    # an error where it is known

Codes:
    E0280  a stage that needs what its model cannot do
    W0280  a stage that needs what its model may not be able to do: it depends on the server, or on parameters
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from ttscale.compiler import ir
from ttscale.compiler.asking import labels_of
from ttscale.compiler.diagnostics import Diagnostic, Label
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.lint_view import View, asked_by, constant, number, prompts_of
from ttscale.compiler.models import option
from ttscale.compiler.watch_signatures import watchers_of


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can do; None where only its server or its file can tell.

    `logprobs` are the log-probabilities of the tokens that it chose, `scoring` those of given labels, `thinking` says
    that it can write thoughts, `continuation` that it goes on from the beginning of a reply; `context` is how many
    tokens a prompt and its answer may have together.
    """

    logprobs: bool | None = None
    scoring: bool | None = None
    thinking: bool | None = None
    context: int | None = None
    continuation: bool | None = None


Known = Mapping[str, Abilities]
"""By the name of a model: what a look at its file or a question to its server has told."""

Told = Callable[[ir.Model], Abilities | None]
"""Whoever tells that of a model, where something is known."""

BY_KIND: Mapping[str, Abilities] = {
    "gguf": Abilities(logprobs=True, scoring=True, continuation=True),
    "openai": Abilities(),
    "script": Abilities(logprobs=True, scoring=True, thinking=True, continuation=True),
}

OTHERS = Abilities(logprobs=True, scoring=True, continuation=True)
"""Kinds of models that Python brings: what they cannot do, all of them, is among the model's own `abilities`."""


def abilities(model: ir.Model, known: Known | None = None) -> Abilities:
    """What a model can do: by its kind, then as its file or server was found, then as its declaration says."""
    said = {name: value for name, value in model.abilities if name in Abilities.__slots__}
    found = replace(BY_KIND.get(model.kind, OTHERS), **said)
    seen = (known or {}).get(model.name)
    if seen is not None:
        found = Abilities(
            found.logprobs if seen.logprobs is None else seen.logprobs,
            found.scoring if seen.scoring is None else seen.scoring,
            found.thinking if seen.thinking is None else seen.thinking,
            found.context if seen.context is None else seen.context,
            found.continuation if seen.continuation is None else seen.continuation,
        )
    tells, goes_on = option(model, "logprobs"), option(model, "continuation")
    if model.kind == "openai" and isinstance(tells, bool):
        found = replace(found, logprobs=tells, scoring=tells)
    if model.kind == "openai" and isinstance(goes_on, bool):
        found = replace(found, continuation=goes_on)
    ctx = option(model, "ctx")
    if isinstance(ctx, int) and not isinstance(ctx, bool) and ctx > 0:
        found = replace(found, context=ctx)
    if _wants_thoughts(option(model, "thinking")):
        found = replace(found, thinking=True)
    return found


def _wants_thoughts(value: object) -> bool:
    return isinstance(value, ir.UpTo) or value in ("on", True)


def lacks(graph: ir.Graph, known: Known | None = None) -> Iterator[Diagnostic]:
    """Stages that need what a model of theirs cannot do (E0280) or may not be able to do (W0280)."""
    can = {model: abilities(model, known) for model in graph.models.values()}
    thinkers = [model for model, one in can.items() if one.thinking or (one.thinking is None and model.kind == "gguf")]
    is_able = all(one.logprobs and one.scoring and one.continuation for one in can.values())
    if len(thinkers) == len(can) and is_able and not any(map(_needs_more, graph.stages)):
        return
    view = View(graph)
    said: set[tuple[object, ...]] = set()
    for stage in graph.stages:
        wanting = (
            *(_likelihoods(view, stage, can), _labels(stage, can), _thoughts(stage, can), _beginnings(stage, can)),
            *(_watched(stage), _read(stage)),
        )
        for lack in chain(*wanting):
            diagnostic = lack.diagnostic()
            key = (diagnostic.primary, diagnostic.message)
            if key not in said:
                said.add(key)
                yield diagnostic


# --- log-probabilities of the candidates' own tokens ---------------------------------------------

LIKELIHOODS = frozenset({"likelihood", "likelihood_mixture", "rpc", "perplexity_consistency", "confidence", "deepconf"})
_INSTEAD = {
    "vote": "write `|> vote()`, which counts every answer once",
    "select": "write `|> vote()`, which needs none",
    "filter": "choose by something else, such as `by: length`",
    "score": "ask a judge: `score(by: yes_no, from: …)`",
}


def _likelihoods(view: View, stage: ir.Stage, can: Mapping[ir.Model, Abilities]) -> Iterator[_Lack]:
    """Rules that read how likely the candidates' tokens were, over candidates of a model that does not tell."""
    rule = next((name for value in stage.args.values() for name in _rules(value) if name in LIKELIHOODS), None)
    if rule is None:
        return
    for path in sorted(view.made(stage)):
        maker = view.stages[path]
        for author in asked_by(maker) if maker.op in ("generate", "fuse", "revise", "explore") else ():
            gives = can.get(author, Abilities()).logprobs
            if not gives:
                others = [model.name for model, one in can.items() if one.logprobs]
                instead = _INSTEAD.get(stage.op, "use another rule")
                instead += f", or let another model write the answers: `from: {others[0]}`" if others else ""
                what = f"`{rule}` needs the log-probabilities of the answers' tokens"
                yield _Lack(stage, author, gives, "logprobs: true", what, "gives none", "may give none", instead, maker)


def _rules(value: object) -> Iterator[str]:
    """The names of a rule and of all rules in its arguments."""
    if isinstance(value, ir.Strategy):
        if not value.plugin:
            yield value.name
        for _, part in value.named:
            yield from _rules(part)


# --- probabilities of labels ---------------------------------------------------------------------


def _labels(stage: ir.Stage, can: Mapping[ir.Model, Abilities]) -> Iterator[_Lack]:
    """Stages that use how probable a label is, where in words it could only be 0 or 1."""
    reason = _graded(stage)
    rule = getattr(_rule_of(stage), "name", "")
    grades = rule in ("digit", "forced")
    if not reason or not (grades or any(labels_of(filled.prompt.result) for filled in prompts_of(stage))):
        return
    own = stage.args.get("judge_model")
    for judge in (own,) if isinstance(own, ir.Model) else asked_by(stage):
        gives = can.get(judge, Abilities()).scoring
        if not gives:
            others = [model.name for model, one in can.items() if one.scoring]
            instead = "let the prompt give a `Number`" if rule else "leave `min_probability:` out"
            instead = "ask a model that runs in the process: `gguf(…)`" if rule == "forced" else instead
            instead += f", or ask another model: `from: {others[0]}`" if others else ""
            perhaps = "may give none: it is asked in words, and every probability is 0 or 1"
            yield _Lack(stage, judge, gives, "logprobs: true", reason, "gives none", perhaps, instead)


def _graded(stage: ir.Stage) -> str:
    """How a stage uses probabilities rather than the likeliest label; empty where it does not."""
    rule = _rule_of(stage)
    if rule is not None and not rule.plugin and rule.name in ("yes_no", "digit", "another_try", "forced"):
        return f"`{rule.name}` needs the probability of a label"
    if constant(stage, "verdicts"):
        return ""
    least = number(constant(stage, "min_probability"))
    if stage.op in ("classify", "verify") and least is not None and least not in (0, 0.5):
        return f"`min_probability: {least:g}` needs the probability of a label"
    return ""


def _rule_of(stage: ir.Stage) -> ir.Strategy | None:
    """The rule by which a stage judges: `by:` of a `score`, `judge:` of an `explore`."""
    rule = stage.args.get({"score": "by", "explore": "judge"}.get(stage.op, ""))
    return rule if isinstance(rule, ir.Strategy) else None


# --- thoughts ------------------------------------------------------------------------------------


def _thoughts(stage: ir.Stage, can: Mapping[ir.Model, Abilities]) -> Iterator[_Lack]:
    """`thinking: on` for a model that has no thoughts; `off` holds for every model."""
    value = stage.args.get("thinking")
    if not (isinstance(value, ir.UpTo) or value == ir.Const("on")):
        return
    written = f"up to {value.limit}" if isinstance(value, ir.UpTo) else "on"
    for model in asked_by(stage):
        thinks = can.get(model, Abilities()).thinking
        if thinks is False or (thinks is None and model.kind == "openai"):
            what = f"`thinking: {written}` needs a model that writes thoughts"
            hint = "leave `thinking:` out, or ask a model that thinks"
            if thinks is False:
                hint += f"; if it does, write `thinking: on` in the declaration of `{model.name}`"
            yield _Lack(stage, model, thinks, "thinking: on", what, "writes none", "may write none", hint)


# --- replies that are begun ----------------------------------------------------------------------


def _beginnings(stage: ir.Stage, can: Mapping[ir.Model, Abilities]) -> Iterator[_Lack]:
    """Prompts that begin the reply, for a model that may begin anew; a label or a ranking is read all the same."""
    begun = [one.prompt for one in prompts_of(stage) if one.prompt.parts and one.prompt.parts[-1].role == "assistant"]
    if stage.op == "explore":
        yield from _steps(stage, can)
        return
    if stage.op not in ("generate", "fuse", "revise") or not begun:
        return
    for model in asked_by(stage):
        goes_on = can.get(model, Abilities()).continuation
        if not goes_on:
            what = f"prompt `{begun[0].name}` begins the reply"
            instead = "say in the user's message how the answer begins"
            never, perhaps = "does not go on from there", "may not go on from there"
            yield _Lack(stage, model, goes_on, "continuation: true", what, never, perhaps, instead)


def _steps(stage: ir.Stage, can: Mapping[ir.Model, Abilities]) -> Iterator[_Lack]:
    """`explore` has every step but the first written after a beginning."""
    for model in asked_by(stage):
        goes_on = can.get(model, Abilities()).continuation
        if not goes_on:
            never, perhaps = "does not go on from there", "may not go on from there"
            instead = "use `generate`, or a model that runs in the process"
            what = "`explore` gives a model the beginning of an answer"
            yield _Lack(stage, model, goes_on, "continuation: true", what, never, perhaps, instead)


def _needs_more(stage: ir.Stage) -> bool:
    """Whether a stage needs something that no ability tells of: pauses, or texts read by a model."""
    rule = _rule_of(stage)
    if isinstance(stage.args.get("embedder"), ir.Model) or stage.op in ("retrieve", "recall"):
        return True
    return bool(watchers_of(stage)) or (isinstance(rule, ir.Strategy) and rule.name in READERS)


# --- texts that are read -------------------------------------------------------------------------

READERS = {"reward": "scores texts by a head of the model", "likeness": "compares vectors of texts"}


def _read(stage: ir.Stage) -> Iterator[_Lack]:
    """Rules that read texts with a model, which only weights in the process do."""
    embedder = stage.args.get("embedder")
    if isinstance(embedder, ir.Model) and embedder.kind in ("openai", "script"):
        instead = "name a model that runs in the process, or leave `embedder:` out"
        yield _Lack(stage, embedder, False, "", "`embedder:` makes vectors of texts", "cannot", "", instead)
    by_vectors = stage.op in ("retrieve", "recall") and constant(stage, "by") in ("embedding", "both")
    for reader in asked_by(stage) if by_vectors else ():
        if reader.kind in ("openai", "script"):
            instead = "name a model that runs in the process: `gguf(…)`, or go by words"
            yield _Lack(stage, reader, False, "", f"`{stage.op}` compares vectors of texts", "makes none", "", instead)
    rule = _rule_of(stage)
    if rule is None or rule.plugin or rule.name not in READERS:
        return
    model = dict(rule.named).get("model")
    if isinstance(model, ir.Model) and model.kind in ("openai", "script"):
        what = f"`{rule.name}` {READERS[rule.name]}"
        instead = "name a model that runs in the process: `gguf(…)`"
        yield _Lack(stage, model, False, "", what, "cannot", "", instead)


# --- samples that are watched --------------------------------------------------------------------


def _watched(stage: ir.Stage) -> Iterator[_Lack]:
    """Watchers, for a model whose samples cannot be looked at and gone on from."""
    watchers = watchers_of(stage)
    other = stage.args.get("or_else")
    for model in (*asked_by(stage), *((other,) if isinstance(other, ir.Model) else ())) if watchers else ():
        exact = model.kind == "gguf" and option(model, "reproducible") is True
        if model.kind in ("gguf", "script") and not exact:
            continue
        what = f"`watch: {watchers[0].name}` needs a model whose samples can pause and go on"
        never = "never goes on from tokens that are given, with `reproducible: true`" if exact else "cannot"
        instead = "leave `watch:` out, or ask a model that runs in the process, such as `gguf(…)`"
        has = False if exact or model.kind == "openai" else None
        yield _Lack(stage, model, has, "pauses: true", what, never, "may not be able to", instead)


# --- what is said --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lack:
    """One stage, the model that lacks something (`has` False) or may lack it (None), and the words for both."""

    stage: ir.Stage
    model: ir.Model
    has: bool | None
    declared: str
    what: str
    never: str
    perhaps: str
    instead: str
    maker: ir.Stage | None = None

    def diagnostic(self) -> Diagnostic:
        """The error where the model is known to lack it, the warning where nobody knows."""
        name, span = self.model.name, self.stage.span
        labels: list[Label] = []
        if self.maker is not None and self.maker.span != span:
            labels.append(Label(self.maker.span, f"`{name}` writes them here"))
        if self.model.span is not None:
            asked = self.declared.partition(":")[0]
            known = f"declared with `{asked}: false`" if option(self.model, asked) is False else f"`{name}` cannot"
            labels.append(Label(self.model.span, known if self.has is False else "that depends on the server"))
        if self.has is False:
            message = f"{self.what}, and `{name}` {self.never}"
            return Diagnostic("E0280", message, span, labels=tuple(labels), hint=self.instead)
        hint = f"if the server can, write `{self.declared}` in the declaration of `{name}`; else {self.instead}"
        message = f"{self.what}, and `{name}` {self.perhaps}"
        return Diagnostic("W0280", message, span, "warning", labels=tuple(labels), hint=hint)
