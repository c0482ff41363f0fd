"""`why`: which field of a key made one run generate what another had already."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ttscale.runtime.bank.keys import differences, messages_of
from ttscale.runtime.bank.schema import BankError
from ttscale.runtime.bank.store import Bank

ELSEWHERE = "stage"
SHOWN = 60


@dataclass(frozen=True, slots=True)
class Line:
    """What one run asked of one draw: the places `low` to `high`, how many of them were kept and how many made."""

    question: int
    stage: str
    draw: int
    series: int
    attempt: int
    low: int
    high: int
    kept: int
    fresh: int
    new_tokens: int
    fields: Mapping[str, object]
    prompt: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why samples were made anew: the field that differs, its values in both runs, and how many samples it cost."""

    stage: str
    field: str
    first: object
    second: object
    samples: int
    new_tokens: int

    def to_json(self) -> dict[str, object]:
        """As plain data."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def runs(bank: Bank) -> list[dict[str, Any]]:
    """The runs that a bank remembers, the latest first."""
    found = bank.reader().execute(
        "SELECT id, started, label, (SELECT count(DISTINCT question) FROM asked WHERE run = runs.id), "
        "(SELECT total(kept) FROM asked WHERE run = runs.id), (SELECT total(fresh) FROM asked WHERE run = runs.id), "
        "(SELECT total(new_tokens) FROM asked WHERE run = runs.id) FROM runs ORDER BY started DESC"
    )
    return [
        {
            "run": run,
            "started": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started)),
            **json.loads(label),
            "questions": questions,
            "kept": int(kept),
            "fresh": int(fresh),
            "new_tokens": int(tokens),
        }
        for run, started, label, questions, kept, fresh, tokens in found
    ]


def run_named(bank: Bank, name: str) -> str:
    """The full name of a run given by its name, the beginning of it, `last` or `last~N`. Raises BankError."""
    reader = bank.reader()
    if name == "last" or name.startswith("last~"):
        back = name.partition("~")[2] or "0"
        if not back.isdigit():
            raise BankError(f"{name} names no run", hint="write last~1 for the run before the last")
        found = reader.execute("SELECT id FROM runs ORDER BY started DESC LIMIT 1 OFFSET ?", (int(back),)).fetchall()
    else:
        pattern = name.replace("%", "") + "%"
        found = reader.execute("SELECT id FROM runs WHERE id LIKE ?", (pattern,)).fetchall()
    if len(found) != 1:
        problem = "no run" if not found else "several runs"
        raise BankError(f"{name} names {problem} of {bank.path}", hint="`ttscale bank runs` lists them")
    return str(found[0][0])


def why(bank: Bank, first: str, second: str) -> list[Reason]:
    """What made the second of two runs generate samples that the first might have left it, the most costly first."""
    reader = bank.reader()
    known = lines(reader, run_named(bank, first))
    found: Counter[tuple[str, str, str, str]] = Counter()
    tokens: Counter[tuple[str, str, str, str]] = Counter()
    for line in lines(reader, run_named(bank, second)):
        if not line.fresh:
            continue
        for name, one, other in against(line, known):
            key = (line.stage, name, json.dumps(one), json.dumps(other))
            found[key] += line.fresh
            tokens[key] += line.new_tokens
    reasons = [
        Reason(stage, name, json.loads(one), json.loads(other), count, tokens[stage, name, one, other])
        for (stage, name, one, other), count in found.items()
    ]
    return sorted(reasons, key=lambda reason: (-reason.samples, reason.stage, reason.field))


def lines(reader: sqlite3.Connection, run: str) -> list[Line]:
    """All that a run asked for."""
    found = reader.execute(
        "SELECT question, stage, draw, series, attempt, low, high, kept, fresh, new_tokens, fields, messages "
        "FROM asked JOIN draws ON draws.id = draw JOIN prompts ON prompts.id = prompt WHERE run = ?",
        (run,),
    )
    return [_line(record) for record in found]


def against(line: Line, known: Sequence[Line]) -> list[tuple[str, object, object]]:
    """The differences from the nearest of the lines known: same stage and question first, then fewest fields."""
    if not known:
        return [("run", "asked for nothing", "asked")]
    nearest = min(known, key=lambda other: _distance(line, other))
    found = differences(nearest.fields, line.fields)
    named = [part for part in found if part[0] != "prompt"]
    if len(named) != len(found):
        named.append(("prompt", *_prompts(nearest.prompt, line.prompt)))
    if not named:
        for name in ("series", "attempt"):
            if getattr(nearest, name) != getattr(line, name):
                named.append((name, getattr(nearest, name), getattr(line, name)))
        if not named and line.high > nearest.high:
            named.append(("index", f"up to {nearest.high}", f"up to {line.high}"))
        if not named:
            named.append(("max_tokens", "enough for the samples kept", "more, or the samples were not finished"))
    return named


def _distance(line: Line, other: Line) -> tuple[object, ...]:
    return (
        line.fields["kind"] != other.fields["kind"],
        line.stage != other.stage,
        line.question != other.question,
        len(differences(other.fields, line.fields)),
        (line.series, line.attempt) != (other.series, other.attempt),
        -other.high,
    )


def _prompts(first: str, second: str) -> tuple[str, str]:
    """The first turn in which two prompts differ, each from a little before its first differing character."""
    one, other = messages_of(first), messages_of(second)
    for a, b in zip(one, other, strict=False):
        if a != b:
            at = next((i for i, (x, y) in enumerate(zip(a.content, b.content, strict=False)) if x != y), None)
            at = min(len(a.content), len(b.content)) if at is None else at
            return _around(a.role, a.content, at), _around(b.role, b.content, at)
    return f"{len(one)} turns", f"{len(other)} turns"


def _around(role: str, text: str, at: int) -> str:
    start = max(0, at - SHOWN // 3)
    shown = " ".join(text[start : start + SHOWN].split())
    return f"{role}: {'…' if start else ''}{shown}{'…' if start + SHOWN < len(text) else ''}"


def _line(record: tuple[Any, ...]) -> Line:
    question, stage, draw, series, attempt, low, high, kept, fresh, tokens, fields, prompt = record
    return Line(question, stage, draw, series, attempt, low, high, kept, fresh, tokens, json.loads(fields), prompt)
