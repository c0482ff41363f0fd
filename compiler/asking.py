"""What each stage asks of models: how many calls, and how large one is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from ttscale.compiler import ir
from ttscale.compiler.frozen import dataclass
from ttscale.compiler.models import prices
from ttscale.compiler.prompt_tokens import (
    MESSAGE_OVERHEAD,
    NOTHING,
    Amount,
    of_text,
)
from ttscale.compiler.said import INPUT_TOKENS, JOIN_SLACK, SAME_READER, Reader, new_tokens, stage_size
from ttscale.compiler.signatures import RULES, SIGNATURES
from ttscale.compiler.types import BOOL, TEXT, Choice, ListOf, Type
from ttscale.compiler.watch_signatures import forks_of, watchers_of


@dataclass(frozen=True, slots=True)
class Asked:
    """One kind of call of a stage: to `model`, `low` to `high` times, each with `prompt` tokens and `new` ones.

    `shared` of them have the very same prompt. `sequential` is how many wait for each other; `longest` the most new
    tokens of a single one where that is more than `new` says on average.
    """

    model: ir.Model
    prompt: Amount
    new: Amount
    low: int
    high: int
    expected: int
    shared: int = 1
    sequential: int = 1
    longest: int = 0

    @property
    def longest_new(self) -> int:
        """The most new tokens of a single call."""
        return max(self.new.high, self.longest)


def full_tokens(call: Asked) -> int:
    """What a call needs with a reply as long as it may be, its prompt being as expected."""
    return call.prompt.expected + call.longest_new


def asked(stage: ir.Stage, reader: Reader) -> list[Asked]:
    """The calls of a stage, by prompt and model."""
    args = stage.args
    if stage.op == "generate":
        return _generate(stage, reader)
    if stage.op == "classify":
        return _classify(stage, reader)
    if stage.op == "explore":
        from ttscale.compiler.asking_explore import explored

        return explored(stage, reader)
    signature = SIGNATURES.get(stage.op)
    model, filled = args.get("from"), args.get("using")
    if signature is None or not isinstance(model, ir.Model) or not isinstance(filled, ir.Filled):
        return []
    prompt = reader.prompt(filled, stage, model)
    size = stage_size(reader, stage)
    kind = filled.prompt.result
    high = new_tokens(args)
    new = Amount(1, high, math.ceil(high / 2))
    if stage.op == "decompose":
        tries = _constant(args.get("tries")) or 1
        return [_with_retries(Asked(model, prompt, new, 1, tries, 1, 1, tries), args)]
    if stage.op == "score":
        rule = args.get("by")
        if not (isinstance(rule, ir.Strategy) and not rule.plugin and RULES[rule.name].judge):
            return []
    if stage.op in ("score", "verify"):
        return [_with_retries(call, args) for call in _judgements(stage, reader, model, prompt, new, size)]
    if stage.op == "rank":
        evidence = args.get("evidence")
        further = reader.count(evidence) if isinstance(evidence, ir.Ref) else None
        labels = max(len(labels_of(kind)), 1)
        calls = [_rank(args, model, prompt, new, size, labels, further or ir.Bounds(0, 0))]
        if args.get("method") == ir.Const("checklist"):
            calls.append(_ends(calls[0], END_TOKENS + 4 * min(_constant(args.get("keep")) or size.high, size.high)))
        return [_with_retries(call, args) for call in calls]
    if stage.op == "run_tests":
        return [_with_retries(call, args) for call in _tests(stage, reader, model, prompt, new, size)]
    if stage.op == "fuse":
        return [_with_retries(call, args) for call in _fuse(stage, reader, model, filled, new, size)]
    if stage.op == "revise":
        count = _constant(args.get("n")) or 1
        most = size.high * count
        return [_with_retries(Asked(model, prompt, new, size.low * count, most, most, count), args)]
    if stage.op == "critique" and isinstance(kind, ListOf):
        return [_with_retries(Asked(model, prompt, new, min(size.low, 1), min(size.high, 1), 1), args)]
    least = 0 if stage.op == "remember" else size.low  # what cannot be read, or was refused, teaches nothing
    return [_with_retries(Asked(model, prompt, new, least, size.high, size.high), args)]


def _judgements(
    stage: ir.Stage, reader: Reader, model: ir.Model, prompt: Amount, new: Amount, size: ir.Bounds
) -> list[Asked]:
    """The judgements of `score` and `verify`: of labels or in words, argued ones, or all candidates by a rubric."""
    args, rule = stage.args, stage.args.get("by")
    name = rule.name if isinstance(rule, ir.Strategy) else ""
    filled = args["using"]
    assert isinstance(filled, ir.Filled)
    verdicts = _count_of(rule, "k") if name == "verdicts" else _constant(args.get("verdicts"))
    if verdicts:
        low, high = size.low * verdicts, size.high * verdicts
        argued = Asked(model, prompt, replace(new, low=0), low, high, high, verdicts)
        return [argued, _ends(argued, END_TOKENS)]
    if name == "rubric":
        sets = _count_of(rule, "k") if size.high else 0
        calls = [Asked(model, prompt, replace(new, low=0), sets if size.low else 0, sets, sets)]
        calls.append(_ends(calls[0], END_TOKENS + 4 * size.high))
        meta = args.get("meta")
        if isinstance(meta, ir.Filled):
            most = math.ceil(new.high * SAME_READER) + JOIN_SLACK
            shown = reader.prompt(meta, stage, model).plus(Amount(0, most, new.expected))
            judged = _judged(model, shown, labels_of(meta.prompt.result), args, ir.Bounds(0, sets))
            calls.append(judged)
        return calls
    if name == "forced":
        return _forced(stage, reader, model, prompt, size)
    words = DIGITS if name == "digit" else labels_of(filled.prompt.result)
    return [_judged(model, prompt, words, args, size)]


def _forced(stage: ir.Stage, reader: Reader, model: ir.Model, prompt: Amount, size: ir.Bounds) -> list[Asked]:
    """The answers read behind each context: a call for each, one prefill for each context and factor.

    The question that `channel` reads stands behind a prompt of its own for each context and answer.
    """
    rule = stage.args["by"]
    assert isinstance(rule, ir.Strategy) and stage.source is not None
    own = dict(rule.named)
    most = min(_count_of(rule, "most"), _contexts_of(own["contexts"], reader))
    used = [name for name in ("direct", "channel", "alone") if own[name] != ir.Const(0)]
    prefills = most * (("direct" in used) + ("alone" in used)) + (own["prior"] == ir.Const(True))
    longest = reader.of(stage.source).text.high + JOIN_SLACK
    found: list[Asked] = []
    if prefills:
        new, times = Amount(0, longest, max(1, longest // 4)), prefills * size.high
        found.append(Asked(model, prompt, new, 0, times, times, size.high, 1, longest))
    asking = own["asking"]
    if "channel" in used and isinstance(asking, ir.Filled) and stage.question is not None:
        asked_for = reader.argument(stage.question, TEXT, frozenset({model.name}))
        length = asked_for.high + JOIN_SLACK
        new, times = Amount(0, length, max(1, asked_for.expected)), most * size.high
        found.append(Asked(model, reader.prompt(asking, stage, model), new, 0, times, times, 1, 1, length))
    return found


def _contexts_of(contexts: ir.Argument, reader: Reader) -> int:
    """The most contexts that there can be: one without text where none are given; unbounded where nobody can know."""
    match contexts:
        case ir.Const(value=None):
            return 1
        case ir.Const(value=tuple() as texts):
            return max(len(texts), 1)
        case ir.Ref(path=path):
            known = reader.count(contexts)
            return known.high if known is not None and path not in reader.lists else MANY
        case ir.Apply(op="list", args=texts):
            return len(texts)
        case ir.Apply(op="+", args=parts):
            return sum(_contexts_of(part, reader) for part in parts)
    return MANY


MANY = 10**6
"""More contexts than `most:` lets count."""


END_TOKENS = 8
"""Room for a verdict that is asked for alone, since the tokens ended before it."""


def _ends(judged: Asked, most: int) -> Asked:
    """The ends of judgements that were cut before their verdict, which are then asked for alone."""
    said = Amount(0, math.ceil(judged.new.high * SAME_READER) + JOIN_SLACK, judged.new.expected)
    return Asked(judged.model, judged.prompt.plus(said), Amount(0, most, 1), 0, judged.high, 0)


DIGITS = tuple("0123456789")
"""The grades that a judge may give in one token."""


def _count_of(rule: ir.Argument | None, name: str) -> int:
    """A whole number among the arguments of a rule."""
    return _constant(dict(rule.named).get(name)) if isinstance(rule, ir.Strategy) else 0


def _constant(value: ir.Argument | None) -> int:
    return value.value if isinstance(value, ir.Const) and isinstance(value.value, int) else 0


JUDGE_TOKENS = 256
"""New tokens of a judgement in words where the stage has no `max_tokens`, as `classify` and `score`."""


def _judged(
    model: ir.Model, prompt: Amount, words: tuple[str, ...], args: Mapping[str, ir.Argument], size: ir.Bounds
) -> Asked:
    """Judgements of candidates: a call a label where the engine scores labels, else one in words."""
    scored = sum(len(word.encode()) + 1 for word in words)
    sampled = 0 if words and model.kind == "gguf" else (new_tokens(args) if "max_tokens" in args else JUDGE_TOKENS)
    labels = max(len(words), 1)
    new = Amount(0, math.ceil(max(scored, sampled) / labels), 1)
    low = size.low if sampled else size.low * labels
    return Asked(model, prompt, new, low, size.high * labels, size.high, labels, 1, max(scored, sampled))


def labels_of(kind: Type) -> tuple[str, ...]:
    """The longest spellings of the labels that a judge of this type scores; none where it answers in words."""
    if isinstance(kind, Choice):
        return kind.labels
    return ("false", "false") if kind == BOOL else ()


def _fuse(
    stage: ir.Stage, reader: Reader, model: ir.Model, filled: ir.Filled, new: Amount, size: ir.Bounds
) -> list[Asked]:
    """The merges of groups, and the new candidates."""
    args = stage.args
    count, group, show = _constant(args.get("n")) or 1, _constant(args.get("group")), _constant(args.get("show"))
    merges, levels = merges_of(size.high, group) if group else (0, 0)
    least, _ = merges_of(size.low, group) if group else (0, 0)
    shown = min(most for most in (group or size.high, show or size.high) if most)
    prompt = reader.prompt(filled, stage, model, most=shown, written=new if levels else None)
    low = count if size.low > 0 else 0
    shared = 1 if show and args.get("choose") == ir.Const("random") else count
    found = [Asked(model, prompt, new, low, count if size.high else 0, count, shared, levels + 1)]
    if merges:
        merged = reader.prompt(filled, stage, model, most=group, written=new)
        found.append(Asked(model, merged, new, least, merges, merges))
    return found


def merges_of(size: int, group: int) -> tuple[int, int]:
    """How many merges of `group` candidates leave as many or fewer, and in how many rounds."""
    merges = rounds = 0
    while size > group:
        groups = math.ceil(size / group)
        merges += groups - (groups * 2 - size if size < groups * 2 else 0)
        size, rounds = groups, rounds + 1
    return merges, rounds


def _tests(
    stage: ir.Stage, reader: Reader, model: ir.Model, prompt: Amount, new: Amount, size: ir.Bounds
) -> list[Asked]:
    """The samples of tests that a model writes, or its judgements of every candidate and test."""
    args = stage.args
    if args.get("method") != ir.Const("judged"):
        count = (_constant(args.get("n")) or 1) if size.high else 0
        return [Asked(model, prompt, new, count if size.low else 0, count, count, max(count, 1))]
    filled, most = args["using"], _constant(args.get("most")) or 1
    assert isinstance(filled, ir.Filled)
    pairs = ir.Bounds(0, size.high * most)
    return [_judged(model, prompt, labels_of(filled.prompt.result), args, pairs)]


def _rank(
    args: Mapping[str, ir.Argument],
    model: ir.Model,
    prompt: Amount,
    new: Amount,
    size: ir.Bounds,
    labels: int,
    further: ir.Bounds,
) -> Asked:
    if args.get("method") == ir.Const("likeness"):
        pairs = size.high * (size.high - 1 + further.high) if size.high > 1 else 0
        return Asked(model, prompt, replace(new, low=0), max(0, size.low - 1), pairs * labels, pairs, labels)
    if args.get("method") == ir.Const("pairwise"):
        pairs, low = size.high * (size.high - 1), max(0, size.low - 1)
        if wanted := _constant(args.get("pairs")):
            pairs, low = min(pairs, 2 * wanted), min(low, 2 * wanted)
        return Asked(model, prompt, new, low, pairs * labels, pairs, labels)
    lists = _constant(args.get("orders")) or 1
    high = lists if size.high else 0
    return Asked(model, prompt, new, lists if size.low > 1 else 0, high, high)


def _generate(stage: ir.Stage, reader: Reader) -> list[Asked]:
    args = stage.args
    prompts, models, temperatures = args["prompts"], args["models"], args["temperatures"]
    assert isinstance(prompts, tuple) and isinstance(models, tuple) and isinstance(temperatures, tuple)
    n, high = args["n"], new_tokens(args)
    new = Amount(1, high, math.ceil(high / 2))
    rounds = 1
    if isinstance(n, ir.UpTo):
        first, most = _first_round(args, n.limit), n.limit
        low = first if args["until"] != ir.Const(None) else most
        each = _constant(args.get("round"))
        rounds = 1 + max(0, math.ceil((most - first) / each if each else math.log2(most / first)))
    else:
        low = most = n.value if isinstance(n, ir.Const) and isinstance(n.value, int) else 1
    found: list[Asked] = []
    grid = [(f, m) for f in prompts for m in models]
    for index, (filled, model) in enumerate(grid):
        if not (isinstance(filled, ir.Filled) and isinstance(model, ir.Model)):
            continue
        extra = 1 if index == 0 and args["hedge"] == ir.Const(True) else 0
        spots, forks = len(temperatures), 1 + forks_of(watchers_of(stage))
        prompt = reader.prompt(filled, stage, model).plus(_examples(stage, filled, reader))
        count = (low * spots + extra, most * spots + extra)
        usual = (count[0] + count[1]) // 2
        call = Asked(model, prompt, new, count[0], count[1] * forks, usual, count[1], rounds * min(forks, 2))
        found.append(_with_retries(call, args))
    return found


def _examples(stage: ir.Stage, filled: ir.Filled, reader: Reader) -> Amount:
    """The few-shot turns: as the rows are, else each as large as the prompt may be, with a long answer."""
    shots = stage.args.get("shots")
    count = shots.value if isinstance(shots, ir.Const) and isinstance(shots.value, int) else 0
    if not count or not isinstance(stage.args.get("examples"), ir.Rows):
        return NOTHING
    if stage.path in reader.examples:
        return reader.examples[stage.path]
    one = Amount(0, INPUT_TOKENS * (len(filled.prompt.params) + 1) + 2 * MESSAGE_OVERHEAD, INPUT_TOKENS // 2)
    fixed = NOTHING
    for part in filled.prompt.parts:
        if part.role != "chat":
            fixed = fixed.plus(of_text(part.text))
    return Amount(0, (one.high + fixed.high) * count, (one.expected + fixed.expected) * count)


def _first_round(args: Mapping[str, ir.Argument], limit: int) -> int:
    start = args.get("start")
    first = start.value if isinstance(start, ir.Const) and isinstance(start.value, int) else limit
    return max(1, min(first, limit))


def _classify(stage: ir.Stage, reader: Reader) -> list[Asked]:
    prompts, models = stage.args["prompts"], stage.args["models"]
    assert isinstance(prompts, tuple) and isinstance(models, tuple)
    filled, model = prompts[0], models[0]
    if not (isinstance(filled, ir.Filled) and isinstance(model, ir.Model)):
        return []
    words = labels_of(filled.prompt.result)
    return [_judged(model, reader.prompt(filled, stage, model), words, stage.args, ir.Bounds(1, 1))]


def _with_retries(call: Asked, args: Mapping[str, ir.Argument]) -> Asked:
    """The most calls with every retry used, and once more by `or_else`."""
    retry, other = args.get("retry"), args.get("or_else")
    tries = 1 + (retry.value if isinstance(retry, ir.Const) and isinstance(retry.value, int) else 0)
    model = call.model
    if isinstance(other, ir.Model):
        tries += 1
        model = max((call.model, other), key=lambda m: sum(prices(m)))
    return replace(call, high=call.high * tries, model=model) if tries > 1 else call
