"""The program that `try` writes: readable, complete, and everybody's own from then on.

It has the dataset, the prompts, one pipeline for each rung of the ladder, a `main` with parameters, and a search over
it. Where a column's name cannot stand in a program, or a right answer is JSON in a cell, the rows are written anew.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttscale.compiler.literals import quote
from ttscale.compiler.models import GGUF_PREFIXES
from ttscale.compiler.signatures import SIGNATURES
from ttscale.compiler.source import SourceFile
from ttscale.runtime.search.recipe import formatted
from ttscale.runtime.trying.answers import LONG, Field, Kind, is_missing, is_number, record_of, text_of
from ttscale.runtime.trying.columns import Columns, Row

RESERVED = frozenset(
    (
        *("match", "map", "repeat", "not", "and", "or", "when", "until", "true", "false", "none", "return", "param"),
        *("require", "budget", "yield", "answer", "output_format", "solver", "rows", "ask", "reason"),
    )
)
SHOTS = 12
"""Rows that are kept for examples, at most; never more than a fifth of all."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder: the pipeline's name, and what it does in a few words."""

    name: str
    said: str


@dataclass(frozen=True, slots=True)
class Task:
    """Everything about a table that a program needs.

    `options` are what a dataset says to read the file (`delimiter`, `encoding`); `is_whole` is False where rows of it
    were left out.
    """

    data: Path
    rows: Sequence[Row]
    columns: Columns
    kind: Kind
    model: str
    thinks: bool
    folder: Path
    options: Mapping[str, str] | None = None
    is_whole: bool = True

    @property
    def shots(self) -> int:
        """How many rows are kept for examples."""
        return min(SHOTS, len(self.rows) // 5)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of what is asked, as a program writes them."""
        return tuple(names_for(self.columns.inputs))


@dataclass(frozen=True, slots=True)
class Written:
    """The program's text, its rungs, and the rows to be written beside it (none where the data file serves)."""

    text: str
    rungs: tuple[Rung, ...]
    rows: tuple[str, str] | None


def names_for(columns: Sequence[str]) -> list[str]:
    """Names that a program can use for columns: small letters, no word of the language, each once."""
    found: list[str] = []
    for column in columns:
        name = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
        if not name or name[0].isdigit():
            name = f"column_{name}".rstrip("_")
        if name in RESERVED or name in SIGNATURES or keyword.iskeyword(name):
            name += "_text"
        while name in found:
            name += "_2"
        found.append(name)
    return found


def written(task: Task, head: str) -> Written:
    """The program for a task; `head` is the comment at its top."""
    rungs = ladder(task)
    dataset, rows = dataset_of(task)
    parts = [head, "tts 1\n", f"model solver = {model_text(task.model, task.folder)}\n"]
    parts += [record_text(task)] if task.kind.name == "record" else []
    parts += [dataset, *prompts(task)]
    parts += [pipeline(task, rung) for rung in rungs]
    parts += [main_of(task), search_of(task, len(task.rows)), test_of(task)]
    return Written(formatted(SourceFile("try.tts", "\n".join(parts))), tuple(rungs), rows)


def model_text(locator: str, folder: Path) -> str:
    """A model as a declaration writes it; a path is kept relative where it lies below the program's folder."""
    if re.match(r"[A-Za-z_]\w*\s*\(", locator):
        return locator
    if locator.startswith(("http://", "https://")):
        url, _, served = locator.partition("#")
        return f"openai({quote(url)}, name: {quote(served)})" if served else f"openai({quote(url)})"
    if locator.startswith(GGUF_PREFIXES):
        return f"gguf({quote(locator)})"
    path = Path(locator).expanduser().absolute()
    own = folder.absolute()
    shown = path.relative_to(own) if path.is_relative_to(own) else path
    return f"gguf({quote(shown.as_posix())})"


# --- data ----------------------------------------------------------------------------------------------


def dataset_of(task: Task) -> tuple[str, tuple[str, str] | None]:
    """The declaration of the rows, and the name and text of a file of rows where one must be written."""
    names = task.inputs
    plain = list(names) == list(task.columns.inputs) and all(_is_name(column) for column in task.columns.golds)
    if task.kind.name == "record":
        plain = plain and names_for(task.columns.golds) == list(task.columns.golds)
    is_json = task.kind.name == "record" and len(task.columns.golds) == 1
    reader = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".json": "json"}.get(task.data.suffix.lower())
    options = "".join(f", {name}: {quote(value)}" for name, value in (task.options or {}).items())
    if plain and not is_json and reader is not None and not _needs_cleaning(task):
        fields = [f"{name}: {name}" for name in names]
        golds = [_field_expression(field, column) for field, column in _paired(task)]
        gold = f"{{{', '.join(golds)}}}" if task.kind.name == "record" else task.columns.golds[0]
        path = _path_to(task.data, task.folder)
        return (
            f"dataset rows = {reader}({quote(path)}, {', '.join(fields)}, answer: {gold}{options}, shuffle: 1)\n",
            None,
        )
    name = f"{task.data.name.partition('.')[0]}.rows.jsonl"
    lines = [json.dumps(_clean(task, row), ensure_ascii=False) for row in task.rows]
    fields = [f"{name}: {name}" for name in (*names, "answer")]
    return f"dataset rows = jsonl({quote(name)}, {', '.join(fields)}, shuffle: 1)\n", (name, "\n".join(lines) + "\n")


def _needs_cleaning(task: Task) -> bool:
    """Whether rows were left out or have no answer of its type, or have numbers with signs and commas."""
    if not task.is_whole or any(gold_of(task, row) is None for row in task.rows):
        return True
    numbers = [column for field, column in _paired(task) if field.type == "Number"]
    return any(re.search(r"[^0-9.\s+-]", text_of(row.get(name) or "")) for row in task.rows for name in numbers)


def _paired(task: Task) -> list[tuple[Field, str]]:
    is_spread = task.kind.name == "record" and len(task.kind.fields) == len(task.columns.golds)
    return list(zip(task.kind.fields, task.columns.golds, strict=True)) if is_spread else []


def _field_expression(field: Field, column: str) -> str:
    return f"{field.name}: number({column})" if field.type == "Number" else f"{field.name}: {column}"


def _is_name(column: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column) is not None and column not in RESERVED - {"answer"}


def _path_to(data: Path, folder: Path) -> str:
    path, own = data.absolute(), folder.absolute()
    return path.relative_to(own).as_posix() if path.is_relative_to(own) else path.as_posix()


def gold_of(task: Task, row: Row) -> object:
    """The right answer of a row; None where it has none."""
    if task.kind.name != "record":
        value = row.get(task.columns.golds[0])
        return None if is_missing(value) else text_of(value)
    if len(task.columns.golds) == 1:
        found = record_of(row.get(task.columns.golds[0]))
    else:
        found = {name: row.get(name) for name in task.columns.golds}
        found = None if all(is_missing(value) for value in found.values()) else found
    return None if found is None else _typed(task.kind.fields, found)


def _typed(fields: Sequence[Field], record: Mapping[str, object]) -> dict[str, object]:
    """A record's values as their fields have them: numbers as numbers, nothing for empty cells."""
    found: dict[str, object] = {}
    for field, name in zip(fields, names_for([field.name for field in fields]), strict=True):
        value = record.get(field.name)
        if is_missing(value):
            found[name] = None
        elif field.type == "Number" and isinstance(value, str) and is_number(value):
            found[name] = float(re.sub(r"[^0-9.+-]", "", value))
        else:
            found[name] = value
    return found


def _clean(task: Task, row: Row) -> dict[str, object]:
    asked = {name: text_of(row.get(column)) for name, column in zip(task.inputs, task.columns.inputs, strict=True)}
    return {**asked, "answer": gold_of(task, row)}


# --- types and prompts ---------------------------------------------------------------------------------


def type_of(task: Task) -> str:
    """The answer's type as the language writes it."""
    match task.kind.name:
        case "choice":
            return f"Choice({', '.join(_label(label) for label in task.kind.labels)})"
        case "bool":
            return "Bool"
        case "number":
            return "Number"
        case "record":
            return "Answer"
        case _:
            return "Text"


def _label(label: str) -> str:
    """A label as a type writes it: plain where it is a word that the language does not use."""
    return label if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", label) and label not in RESERVED else quote(label)


def record_text(task: Task) -> str:
    """The record's declaration."""
    names = names_for([field.name for field in task.kind.fields])
    fields = [
        f"  {name}: {field.type}{'?' if field.optional else ''}"
        for name, field in zip(names, task.kind.fields, strict=True)
    ]
    return "record Answer {\n" + "\n".join(fields) + "\n}\n"


TASKS = {
    "choice": "Read what follows and choose the one label that fits it best.",
    "bool": "Read what follows and decide.",
    "number": "Work out the number that is asked for.",
    "record": "Read what follows and fill the form with what it says. Leave empty what it does not say.",
    "text": "Answer what follows as briefly as you can, without explanation.",
}


def prompts(task: Task) -> list[str]:
    """The prompts: the short one, and where the model writes no thoughts by itself one that reasons first."""
    declared = ", ".join(f"{name}: Text" for name in task.inputs)
    if len(task.inputs) == 1:
        asked = f"{{{{ {task.inputs[0]} }}}}"
    else:
        asked = "\n".join(f"{name}: {{{{ {name} }}}}" for name in task.inputs)
    form = "" if task.kind.name == "text" else "\n{{ output_format }}"
    labels = ""
    if task.kind.name == "choice":
        labels = "\nThe labels are: " + "; ".join(task.kind.labels) + "."
    told = TASKS[task.kind.name] if task.kind.words < LONG else "Answer what follows."
    short = (
        f'## The question as it is.\nprompt ask({declared}) -> {type_of(task)} = """\n'
        f'{told}{labels}{form}\n\n{asked}\n"""\n'
    )
    if not reasons(task):
        return [short]
    thought = "Think about it in one to three short sentences first."
    long = (
        f'## The question with a word about how to go at it.\nprompt reason({declared}) -> {type_of(task)} = """\n'
        f'{told}{labels}\n{thought}{form}\n\n{asked}\n"""\n'
    )
    return [short, long]


def reasons(task: Task) -> bool:
    """Whether a rung writes its reasons into the answer: a model that thinks does it by itself, a form has no room."""
    return not task.thinks and task.kind.name in ("choice", "bool", "number")


# --- pipelines -----------------------------------------------------------------------------------------


def ladder(task: Task) -> list[Rung]:
    """The rungs that make sense for a task, the cheapest first."""
    rungs = [Rung("greedy", "one answer at temperature 0")]
    if task.shots >= 2:
        rungs.append(Rung("few_shot", f"the same after {shots_of(task)} examples"))
    if task.thinks:
        rungs.append(Rung("thinking", "one answer after up to 1,024 tokens of thought"))
    elif reasons(task):
        rungs.append(Rung("reasoned", "one answer after a few sentences of reasons"))
    if task.kind.name in ("choice", "bool"):
        rungs.append(Rung("classified", "the likeliest label, read from probabilities"))
    if task.kind.name == "text" and task.kind.words >= LONG:
        rungs.append(Rung("fused", "3 samples made into one answer"))
    else:
        rungs.append(Rung("majority", "the most common of 5 samples"))
    rungs.append(Rung("judged", "of 5 samples the one that the model itself finds right"))
    return rungs


def shots_of(task: Task) -> int:
    """How many examples a question is shown."""
    return min(task.shots, 6 if task.kind.longest <= 40 else 3)


def length_of(task: Task) -> int:
    """The tokens that an answer may have, from the longest right one."""
    return {"choice": 24, "bool": 12, "number": 32}.get(task.kind.name, min(512, 32 + task.kind.longest))


def pipeline(task: Task, rung: Rung) -> str:
    """One rung as a pipeline."""
    inputs = ", ".join(task.inputs)
    short = length_of(task)
    off = ", thinking: off" if task.thinks else ""
    ask = f"generate(ask({inputs}), from: solver"
    # answers to a number need room for steps that a model writes unasked
    plain = f"max_tokens: {max(short, 200) if task.kind.name == 'number' else short}{off}"
    allow = "  # lint: allow judge-is-author because there is one model here; `--model` may bring a judge\n"
    bodies = {
        "greedy": f"  return {ask}, n: 1, temperature: 0, {plain})",
        "few_shot": f"  return {ask}, n: 1, temperature: 0, {examples(task)}, {plain})",
        "thinking": f"  return {ask}, n: 1, temperature: 0.6, thinking: up to 1k, max_tokens: {short})",
        "reasoned": f"  return generate(reason({inputs}), from: solver, n: 1, temperature: 0, max_tokens: 200)",
        "classified": f"  return classify(ask({inputs}), from: solver)",
        "majority": f"  return {ask}, n: 5, temperature: 0.7, {plain}) |> vote()",
        "fused": f"  return {ask}, n: 3, temperature: 0.7, {plain}) |> fuse(from: solver, n: 1, max_tokens: {short})",
        "judged": f"  drafts = {ask}, n: 5, temperature: 0.7, {plain})\n{allow}"
        "  return drafts |> score(by: yes_no, from: solver) |> select(by: score)",
    }
    return head(task, rung.name, f"{rung.said[0].upper()}{rung.said[1:]}.") + bodies[rung.name] + "\n}\n"


def head(task: Task, name: str, doc: str) -> str:
    """The beginning of a pipeline."""
    declared = ", ".join(f"{input}: Text" for input in task.inputs)
    return f"## {doc}\npipeline {name}({declared}) -> {type_of(task)} {{\n"


def examples(task: Task, shots: str = "") -> str:
    """The arguments that show examples."""
    choose = "balanced" if task.kind.name in ("choice", "bool") and not shots else "similar"
    return f"examples: rows[0:{task.shots}], shots: {shots or shots_of(task)}, choose: {choose}"


def main_of(task: Task) -> str:
    """The pipeline whose parameters a search finds."""
    lines = [head(task, "main", "What a search tunes: how many samples, how varied, after how many examples.").rstrip()]
    lines.append("  param n: Int in {1, 3, 5, 9} = 3  ## samples")
    lines.append("  param temperature: Float in {0.3, 0.7, 1.0} = 0.7  ## how varied they are")
    shown = ""
    if task.shots >= 2:
        most = shots_of(task)
        lines.append(f"  param shots: Int in {{0, {max(1, most // 2)}, {most}}} = {most}  ## examples")
        shown = f", {examples(task, 'shots')}"
    off = ", thinking: off" if task.thinks else ""
    tokens = max(length_of(task), 200) if task.kind.name == "number" else length_of(task)
    inputs = ", ".join(task.inputs)
    end = "select(by: likelihood)" if task.kind.name == "text" and task.kind.words >= LONG else "vote()"
    made = f"generate(ask({inputs}), from: solver, n: n, temperature: temperature{shown}, max_tokens: {tokens}{off})"
    return "\n".join([*lines, f"  return {made} |> {end}", "}\n"])


def search_of(task: Task, count: int) -> str:
    """The search over `main`, within an hour."""
    goal = "token_f1" if task.kind.name == "text" and task.kind.words >= LONG else "accuracy"
    return (
        f"search tune over main {{\n  maximize {goal} on rows[{task.shots}:{count}]\n  minimize tokens\n"
        "  budget { seconds <= 30min }\n  trials 20\n}\n"
    )


def test_of(task: Task) -> str:
    """One test on a scripted model, from the first row."""
    gold = next(found for row in task.rows if (found := gold_of(task, row)) is not None)
    asked = ", ".join(quote("…") for _ in task.inputs)
    match task.kind.name:
        case "record":
            assert isinstance(gold, dict)
            reply = quote(json.dumps(gold, ensure_ascii=False))
            name, value = next((n, v) for n, v in gold.items() if v is not None)
            said = f"main({asked}).{name} == {_literal(value)}"
        case "number":
            reply, said = quote(f"Answer: {gold}"), f"main({asked}) == {_literal(_as_number(str(gold)))}"
        case "bool":
            is_yes = str(gold).lower() in ("yes", "true")
            reply, said = quote(f"Answer: {'yes' if is_yes else 'no'}"), f"main({asked}) == {str(is_yes).lower()}"
        case "choice":
            reply, said = quote(f"Answer: {gold}"), f"main({asked}) == {quote(str(gold))}"
        case _:
            reply, said = quote("fine"), f'main({asked}) == "fine"'
    shots = ", shots: 0" if task.shots >= 2 else ""
    said = said.replace(f"main({asked})", f"main({asked}{shots})")
    return f'test "an answer is read" {{\n  given solver = script({reply})\n  expect {said}\n}}\n'


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else quote(text_of(value))


def _as_number(text: str) -> float:
    return float(re.sub(r"[^0-9.+-]", "", text))
