"""Runs to pool files: what a run found out about its samples, as a line that `ttscale replay` reads.

    pool = samples_of(result)                       # the samples, each with all that any stage said of it
    json.dumps(line_of("q1", pool, question, gold))

The bank keeps what models said. Scores by place, ranks, comparisons, and what programs did in tests are found anew by
each run, so that a pool file with them is written by a run; one over samples that the bank has asks no model for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from ttscale.compiler.types import Type
from ttscale.runtime import answers
from ttscale.runtime.pool import Candidate, Comparison, Pool
from ttscale.runtime.result import Result
from ttscale.runtime.trace import plain


def samples_of(result: Result) -> Pool:
    """The candidates of the first layer with the facets that any later stage gave them, in the order they were made.

    Scores add up by name, of anything else the last one holds; comparisons of pairs are those of all stages, as often
    as any one pool holds them. Where there is no first layer of samples, the pool that the answer was chosen from.
    """
    pool = result.samples if result.samples.candidates else result.pool
    places = {made: place for place, made in enumerate(_numbered(pool))}
    found = list(pool)
    compared: Counter[Comparison] = Counter()
    for value in result.stages.values():
        if not isinstance(value, Pool):
            continue
        at = [places.get(made) for made in _numbered(value)]
        for place, candidate in zip(at, value, strict=True):
            if place is not None:
                found[place] = _with_facets(found[place], candidate)
        own: Counter[Comparison] = Counter()
        for one in value.comparisons:
            first, second = at[one.first], at[one.second]
            if first is not None and second is not None:
                own[replace(one, first=first, second=second)] += 1
        compared |= own  # a stage hands on what was compared before it
    return Pool(tuple(found), pool.type, tuple(compared.elements()))


def line_of(name: str, pool: Pool, question: str = "", gold: object = None) -> dict[str, object]:
    """A question of a pool file, as plain data; with a gold answer each sample says whether it is right."""
    right, wanted = (None, None) if gold is None else answers.coerce(pool.type, gold)
    samples = [_sample(candidate, pool.type) for candidate in pool]
    line: dict[str, object] = {"id": name, "question": question}
    if wanted is not None:
        line["gold"] = _shown(right, pool.type)
        for sample, candidate in zip(samples, pool, strict=True):
            sample["correct"] = answers.equal(pool.type, candidate.key, wanted)
    line["samples"] = samples
    if pool.comparisons:
        line["comparisons"] = [_comparison(one) for one in pool.comparisons]
    return line


_Made = tuple[str, str, str, int, int, str, int]


def _numbered(pool: Pool) -> list[_Made]:
    """What stays the same of each candidate while stages find out more about it.

    Samples at several temperatures, or of one prompt in several languages, may be alike in all of it, so those that are
    alike are numbered.
    """
    seen: Counter[tuple[str, str, str, int, int, str]] = Counter()
    found: list[_Made] = []
    for c in pool:
        made = (c.stage, c.prompt, c.model, c.series, c.index, c.text)
        found.append((*made, seen[made]))
        seen[made] += 1
    return found


def _with_facets(before: Candidate, after: Candidate) -> Candidate:
    return replace(
        before,
        scores={**before.scores, **after.scores},
        rank=after.rank if after.rank is not None else before.rank,
        step_scores=after.step_scores or before.step_scores,
        tests=after.tests or before.tests,
        outputs=after.outputs or before.outputs,
    )


def _sample(candidate: Candidate, type_: Type) -> dict[str, object]:
    answer = _shown(candidate.answer, type_) if candidate.is_readable else None
    facets: Mapping[str, object] = {
        "logprob_mean": candidate.logprob_mean,
        "logprob_sum": candidate.logprob_sum,
        "reasoning_logprob": candidate.reasoning_logprob,
        "scores": dict(candidate.scores) or None,
        "step_scores": list(candidate.step_scores) or None,
        "rank": candidate.rank,
        "tests": list(candidate.tests) or None,
        "outputs": list(candidate.outputs) or None,
        "model": candidate.model or None,
        "prompt": candidate.prompt or None,
        "token_logprobs": list(candidate.token_logprobs) or None,
        "token_confidences": list(candidate.token_confidences) or None,
    }
    known = {name: plain(value) for name, value in facets.items() if value is not None}
    return {"text": candidate.text, "answer": answer, "tokens": candidate.tokens, **known}


def _shown(answer: object, type_: Type) -> object:
    """An answer as pool files have it: objects and lists as JSON, all else as a text."""
    data = plain(answer)
    return data if isinstance(data, dict | list) else answers.show(type_, answer)


def _comparison(one: Comparison) -> dict[str, object]:
    found: dict[str, object] = {"first": one.first, "second": one.second, "share": one.share}
    if one.judge:
        found["judge"] = one.judge
    if one.weight != 1:
        found["weight"] = one.weight
    return found
