"""Pool files: recorded samples, one question a line of JSON.

    {"id": "q1", "question": "…", "gold": "42", "samples": [
      {"text": "…", "answer": "42", "correct": true, "logprob_mean": -0.21, "logprob_sum": -33.1,
       "tokens": 157, "scores": {"reward": 0.83}, "step_scores": [0.9, 0.7], "rank": 1, "model": "a", "prompt": "b",
       "token_logprobs": [-0.1, …], "token_confidences": [14.2, …],
       "tests": [true, false], "outputs": ["3", "!ValueError"]}, …],
     "comparisons": [{"first": 0, "second": 2, "share": 0.9, "judge": "qwen"}, …], "evidence": [{"text": "…"}, …]}

Only `id` and each sample's `answer` or `text` are required. An `answer` that is null or empty could not be read.
`token_confidences` are negative mean log-probabilities of the likeliest tokens at each place; `tests` says which tests
a program passed and `outputs` what its functions gave in them, the same tests for all samples of a question;
`comparisons` say of two samples, by position and in the order shown, how probable it is that the first is better
(`share`, or `winner: 0 | 1`);
`evidence` are samples that are compared with and never picked.
Answers that spell one number are one answer (42 and 42.0); others are compared without regard to case and spacing, or
as the type that the reader of the file is given. Answers that are objects or lists are JSON, which may be voted field
by field.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ttscale.compiler import types as t
from ttscale.runtime import answers
from ttscale.runtime.answers.numbers import number_key, parse_number
from ttscale.runtime.pool import Candidate, Comparison, Pool

_LETTER = re.compile(r"\(?([A-J])\)?\.?")
LETTERS = t.Choice(tuple("ABCDEFGHIJ"))


class PoolFileError(Exception):
    """A pool file cannot be read; the message names the file and line."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Question:
    """One recorded question: its candidates in order, and which are right (None where the file does not say).

    `shown` are the answers as the file has them, for reports.
    """

    id: str
    pool: Pool
    correct: tuple[bool | None, ...]
    shown: tuple[object, ...]
    question: str = ""
    gold: object = None
    evidence: tuple[Candidate, ...] = ()


def read_pool(path: str | Path, type_: t.Type | None = None) -> list[Question]:
    """All questions of a pool file (`.gz` is unpacked), answers compared as `type_`. Raises PoolFileError."""
    file = Path(path)
    questions: list[Question] = []
    seen: dict[str, int] = {}
    try:
        with (
            gzip.open(file, "rt", encoding="utf-8-sig")
            if file.suffix == ".gz"
            else file.open(encoding="utf-8-sig") as stream
        ):
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                where = f"{file}:{number}"
                question = _question(line, where, type_)
                if question.id in seen:
                    raise PoolFileError(f"{where}: the id {question.id} is that of line {seen[question.id]} too")
                seen[question.id] = number
                questions.append(question)
    except OSError as error:
        raise PoolFileError(f"the pool file {file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise PoolFileError(f"the pool file {file} is not text in UTF-8") from error
    if not questions:
        raise PoolFileError(f"the pool file {file} has no questions")
    return questions


def _question(line: str, where: str, type_: t.Type | None) -> Question:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise PoolFileError(f"{where}: not JSON: {error}", hint="a pool file has one JSON object a line") from error
    if not isinstance(data, dict) or not isinstance(data.get("id"), str | int):
        raise PoolFileError(f"{where}: a question needs an `id`", hint='write {"id": "q1", "samples": [...]}')
    samples = data.get("samples")
    if not isinstance(samples, list):
        raise PoolFileError(f"{where}: question {data['id']} needs `samples`, a list")
    gold = data.get("gold")
    type_ = type_ or _type_of_answers(samples)
    reader = type_ or _type_of_texts(gold)
    pairs = [_sample(sample, f"{where}, sample {i}", type_, reader) for i, sample in enumerate(samples)]
    candidates = tuple(candidate for candidate, _, _ in pairs)
    gold_key = None if gold is None else _key(gold, type_)
    if gold_key is None and gold is not None:
        raise PoolFileError(f"{where}: the gold answer {gold!r:.60} cannot be read as {type_ or 'an answer'}")
    judged = type_ or t.TEXT
    correct = tuple(
        stated if stated is not None else None if gold_key is None else answers.equal(judged, candidate.key, gold_key)
        for candidate, stated, _ in pairs
    )
    shown = tuple(answer for _, _, answer in pairs)
    if len({len(c.tests) for c in candidates if c.tests} | {len(c.outputs) for c in candidates if c.outputs}) > 1:
        raise PoolFileError(
            f"{where}: samples have different numbers of tests", hint="`tests` and `outputs` are of the same ones"
        )
    asked = data.get("question")
    others = data.get("evidence") or []
    if not isinstance(others, list):
        raise PoolFileError(f"{where}: `evidence` is not a list of samples")
    evidence = tuple(_sample(one, f"{where}, evidence {i}", type_, reader)[0] for i, one in enumerate(others))
    pool = Pool(candidates, judged, _comparisons(data.get("comparisons"), len(candidates), where))
    return Question(str(data["id"]), pool, correct, shown, asked if isinstance(asked, str) else "", gold, evidence)


def _sample(sample: object, where: str, type_: t.Type | None, reader: t.Type) -> tuple[Candidate, bool | None, object]:
    if not isinstance(sample, dict) or not ("answer" in sample or isinstance(sample.get("text"), str)):
        raise PoolFileError(f"{where}: a sample needs an `answer` or a `text`")
    text = sample.get("text") or ""
    if not isinstance(text, str):
        raise PoolFileError(f"{where}: `text` is not a text")
    if "answer" in sample:
        answer: object = sample["answer"]
        key = None if answer is None or answer == "" else _key(answer, type_)
    else:
        answer, key = answers.read(reader, text)
        if type_ is None and key is not None:
            key = _key(answer, None)
    mean, total, tokens = (_number(sample, name, where) for name in ("logprob_mean", "logprob_sum", "tokens"))
    if mean is None and total is not None and tokens:
        mean = total / tokens
    if total is None and mean is not None and tokens:
        total = mean * tokens
    correct = sample.get("correct")
    if correct is not None and not isinstance(correct, bool | int):
        raise PoolFileError(f"{where}: `correct` is neither true nor false")
    candidate = Candidate(
        text=text,
        answer=answer if key is not None else None,
        key=key,
        tokens=int(tokens or 0),
        logprob_mean=mean,
        logprob_sum=total,
        reasoning_logprob=_number(sample, "reasoning_logprob", where),
        scores=_scores(sample.get("scores"), where),
        step_scores=_floats(sample, "step_scores", where),
        token_logprobs=_floats(sample, "token_logprobs", where) or _of_bank(sample),
        token_confidences=_floats(sample, "token_confidences", where),
        rank=_rank(sample, where),
        tests=_tests(sample, where),
        outputs=_outputs(sample, where),
        model=_name(sample, "model", where),
        prompt=_name(sample, "prompt", where),
    )
    if candidate.logprob_mean is None and candidate.token_logprobs:
        total = math.fsum(candidate.token_logprobs)
        mean = total / len(candidate.token_logprobs)
        candidate = replace(candidate, logprob_mean=mean, logprob_sum=total)
    return candidate, None if correct is None else bool(correct), candidate.answer


def _name(sample: Mapping[str, object], field: str, where: str) -> str:
    value = sample.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise PoolFileError(f"{where}: `{field}` is not a name")
    return value


def _key(answer: object, type_: t.Type | None) -> Hashable:
    """The canonical form of a recorded answer."""
    if type_ is not None:
        return answers.coerce(type_, answer)[1]
    shown = answer if isinstance(answer, str) else answers.show(t.TEXT, answer)
    number = parse_number(shown)
    return number_key(number) if number is not None else answers.text_key(shown) or None


def _type_of_answers(samples: Sequence[object]) -> t.Type | None:
    """JSON, where all recorded answers are objects or lists."""
    given = [one["answer"] for one in samples if isinstance(one, dict) and one.get("answer") not in (None, "")]
    return t.Json("") if given and all(isinstance(one, dict | list) for one in given) else None


def _type_of_texts(gold: object) -> t.Type:
    """How to read samples that are texts only, guessed from the gold answer: a number, a letter, or free text."""
    shown = gold if isinstance(gold, str) else answers.show(t.TEXT, gold)
    if parse_number(shown) is not None:
        return t.NUMBER
    return LETTERS if _LETTER.fullmatch(shown.strip()) else t.TEXT


def _number(sample: Mapping[str, object], name: str, where: str) -> float | None:
    value = sample.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PoolFileError(f"{where}: `{name}` is not a number")
    return float(value)


def _scores(value: object, where: str) -> dict[str, float]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PoolFileError(f"{where}: `scores` is not an object", hint='write {"scores": {"reward": 0.83}}')
    return {name: number for name in value if (number := _number(value, name, f"{where}, score")) is not None}


def _floats(sample: Mapping[str, object], name: str, where: str) -> tuple[float, ...]:
    value = sample.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or any(isinstance(x, bool) or not isinstance(x, int | float) for x in value):
        raise PoolFileError(f"{where}: `{name}` is not a list of numbers")
    return tuple(map(float, value))


def _tests(sample: Mapping[str, object], where: str) -> tuple[bool, ...]:
    """Which tests a program passed: true or false, 1 or 0."""
    value = sample.get("tests")
    if value is None:
        return ()
    if not isinstance(value, list) or any(one not in (True, False) for one in value):
        raise PoolFileError(f"{where}: `tests` is not a list of true and false")
    return tuple(map(bool, value))


def _outputs(sample: Mapping[str, object], where: str) -> tuple[str, ...]:
    """What a program's functions gave in each test."""
    value = sample.get("outputs")
    if value is None:
        return ()
    if not isinstance(value, list) or any(not isinstance(one, str) for one in value):
        raise PoolFileError(f"{where}: `outputs` is not a list of texts")
    return tuple(value)


def _of_bank(sample: Mapping[str, object]) -> tuple[float, ...]:
    """Log-probabilities of tokens as the bank's full export has them."""
    bank = sample.get("bank")
    value = bank.get("logprobs") if isinstance(bank, dict) else None
    return tuple(map(float, value)) if isinstance(value, list) else ()


def _rank(sample: Mapping[str, object], where: str) -> int | None:
    value = sample.get("rank")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise PoolFileError(f"{where}: `rank` is not a whole number from 1 on")
    return value


def _comparisons(value: object, count: int, where: str) -> tuple[Comparison, ...]:
    """Verdicts on pairs of samples; both positions are those in the file."""
    if value is None:
        return ()
    hint = 'write {"first": 0, "second": 1, "share": 0.9}'
    if not isinstance(value, list):
        raise PoolFileError(f"{where}: `comparisons` is not a list", hint=hint)
    found: list[Comparison] = []
    for place, one in enumerate(value):
        here = f"{where}, comparison {place}"
        if not isinstance(one, dict) or not (isinstance(one.get("share"), int | float) or one.get("winner") in (0, 1)):
            raise PoolFileError(f"{here}: it needs `first`, `second`, and a `share` or `winner`", hint=hint)
        first, second = one.get("first"), one.get("second")
        if not isinstance(first, int) or not isinstance(second, int) or first == second:
            raise PoolFileError(f"{here}: `first` and `second` are positions of two samples", hint=hint)
        if not (0 <= first < count and 0 <= second < count):
            raise PoolFileError(f"{here}: there are samples 0 to {count - 1} only")
        share = _number(one, "share", here) if one.get("share") is not None else 1.0 - one["winner"]
        weight = _number(one, "weight", here)
        if share is None or not 0 <= share <= 1 or (weight is not None and weight < 0):
            raise PoolFileError(f"{here}: `share` is from 0 to 1, and `weight` is not negative")
        judge = one.get("judge")
        name = judge if isinstance(judge, str) else ""
        found.append(Comparison(first, second, share, name, 1.0 if weight is None else weight))
    return tuple(found)
