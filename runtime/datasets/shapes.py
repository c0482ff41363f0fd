"""The shapes in which well-known data sets are published, recognised and mapped to question, answer and choices.

    shape = recognised({"question": "…", "answer": "… #### 18"})      # GSM8K
    shape.fields(row)                                                 # {"question": "…", "answer": "18", …}

Every mapped row has `question`; `answer` is the gold, left out where a program or verifier judges instead; `metric`
names the measure that goes with it ("" is accuracy). All columns of the file stay readable beside the mapped fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from ttscale.runtime.answers.markers import balanced

Columns = Mapping[str, object]
_MARK = "####"


class Misfit(Exception):
    """A row is not in the shape; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One published shape.

    `columns` are those that tell it, each a name or several that may stand for it; `mapped` says for people what
    becomes of what. `fields` maps a row and raises Misfit.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    mapped: str
    fields: Callable[[Columns], dict[str, object]]
    metric: str = ""

    def fits(self, row: Columns) -> bool:
        """Whether a row has the shape."""
        if not all(any(name in row for name in column.split("|")) for column in self.columns):
            return False
        try:
            self.fields(row)
        except Misfit:
            return False
        return True


def recognised(row: Columns) -> Shape | None:
    """The shape of a row; None for one of no known shape. The most particular shapes are tried first."""
    return next((shape for shape in SHAPES.values() if shape.fits(row)), None)


# --- reading columns ----------------------------------------------------------------------------------


def _text(row: Columns, *names: str) -> str:
    for name in names:
        value = row.get(name)
        if isinstance(value, str):
            return value
    raise Misfit(f"it has no text `{' or '.join(names)}`")


def _texts(value: object, name: str) -> list[str]:
    if isinstance(value, list | tuple) and value and all(isinstance(item, str | int | float) for item in value):
        return [str(item) for item in value]
    raise Misfit(f"`{name}` is no list of texts")


def _named(row: Columns, *names: str) -> dict[str, object]:
    """The row's own name as `id`, where it has one."""
    return next(({"id": str(row[name])} for name in names if row.get(name) not in (None, "")), {})


# --- mathematics --------------------------------------------------------------------------------------


def _gsm8k(row: Columns) -> dict[str, object]:
    question, answer = _text(row, "question"), _text(row, "answer")
    solution = answer if _MARK in answer else str(row.get("solution") or "")
    steps, found, gold = solution.rpartition(_MARK)
    if not found:
        raise Misfit(f"its answer has no `{_MARK}`")
    # Kin of GSM8K such as GSM-Plus keep the bare answer in a column of its own.
    bare = (gold if _MARK in answer else answer).strip()
    return {"question": question, "answer": bare, "solution": steps.strip()}


def _math(row: Columns) -> dict[str, object]:
    solution = _text(row, "solution")
    given = row.get("answer")
    gold = str(given) if isinstance(given, str | int | float) and given != "" else last_boxed(solution)
    if gold is None:
        raise Misfit("its solution has no \\boxed{…}")
    return {"question": _text(row, "problem"), "answer": gold, **_named(row, "unique_id")}


def last_boxed(text: str) -> str | None:
    """What stands in the last \\boxed{…} or \\fbox{…} of a text; also `\\boxed 3`."""
    found = list(re.finditer(r"\\(?:boxed|fbox)\s*(\{|[^\s{$.,]+)", text))
    if not found:
        return None
    last = found[-1]
    inner = balanced(text, last.end()) if last[1] == "{" else last[1]
    return None if inner is None else inner.strip()


def _game24(row: Columns) -> dict[str, object]:
    puzzle = _text(row, "Puzzles")
    if not re.fullmatch(r"\s*\d+(?:\s+\d+){3}\s*", puzzle):
        raise Misfit("`Puzzles` is not four numbers")
    return {"question": puzzle.strip(), "numbers": [int(word) for word in puzzle.split()], **_named(row, "Rank")}


def _gym(row: Columns) -> dict[str, object]:
    metadata = row.get("metadata")
    if not isinstance(metadata, Mapping) or "source_dataset" not in metadata:
        raise Misfit("`metadata` does not name its task")
    return {"question": _text(row, "question"), "answer": row.get("answer")}


# --- programs -----------------------------------------------------------------------------------------


def _humaneval(row: Columns) -> dict[str, object]:
    prompt, entry = _text(row, "prompt"), _text(row, "entry_point")
    if "base_input" not in row:
        _text(row, "test")
    if not _text(row, "task_id").startswith("HumanEval"):
        raise Misfit("`task_id` does not begin with HumanEval")
    return {
        "question": prompt,
        "answer": prompt + _text(row, "canonical_solution"),
        **_named(row, "task_id"),
        **_test(row, entry),
    }


def _mbpp_plus(row: Columns) -> dict[str, object]:
    entry = _text(row, "entry_point")
    if not _text(row, "task_id").startswith("Mbpp"):
        raise Misfit("`task_id` does not begin with Mbpp")
    return {
        "question": _text(row, "prompt").strip().strip("'\"").strip(),
        "answer": _text(row, "canonical_solution"),
        **_named(row, "task_id"),
        **_test(row, entry),
    }


def _test(row: Columns, entry: str) -> dict[str, object]:
    """The tests as one program to put behind an answer, where the row has them as text."""
    test = row.get("test")
    if not isinstance(test, str):
        return {}
    called = "def check(" in test and not re.search(r"^check\(", test, re.MULTILINE)
    return {"test_program": f"{test.rstrip()}\n\ncheck({entry})\n" if called else test}


def _mbpp(row: Columns) -> dict[str, object]:
    checks = _texts(row.get("test_list"), "test_list")
    imports = row.get("test_imports") or []
    setup = row.get("test_setup_code") or ""
    lines = [*_texts(imports, "test_imports")] if imports else []
    lines += [str(setup)] if setup else []
    return {
        "question": _text(row, "prompt", "text"),
        "answer": _text(row, "code"),
        "test_program": "\n".join([*lines, *checks]) + "\n",
        **_named(row, "task_id"),
    }


# --- choices ------------------------------------------------------------------------------------------


def _arc(row: Columns) -> dict[str, object]:
    question, choices = row.get("question"), row.get("choices")
    if isinstance(question, Mapping):  # as the authors publish it: the choices inside the question
        choices, question = question.get("choices"), question.get("stem")
    if isinstance(choices, Mapping):
        texts, labels = _texts(choices.get("text"), "choices.text"), _texts(choices.get("label"), "choices.label")
    elif isinstance(choices, list) and choices and all(isinstance(item, Mapping) for item in choices):
        texts = _texts([item.get("text") for item in choices], "choices")
        labels = _texts([item.get("label") for item in choices], "choices")
    else:
        raise Misfit("`choices` has no texts and labels")
    gold = str(row.get("answerKey", ""))
    if not isinstance(question, str) or len(texts) != len(labels):
        raise Misfit("its question or choices are incomplete")
    if gold and gold not in labels:
        raise Misfit(f"its answerKey {gold!r} is none of its labels")
    return {"question": question, "choices": texts, "labels": labels, "answer": gold or None, **_named(row, "id")}


def _mmlu(row: Columns) -> dict[str, object]:
    if "choices" in row:
        texts = _texts(row["choices"], "choices")
    else:
        texts = _texts([row.get(letter) for letter in "ABCD"], "A to D")
    given = row.get("answer")
    place = int(given) if isinstance(given, int) or (isinstance(given, str) and given.strip().isdigit()) else None
    labels = list(ascii_uppercase[: len(texts)])
    gold = str(given).strip().upper() if place is None else labels[place] if 0 <= place < len(labels) else ""
    if gold not in labels:
        raise Misfit(f"its answer {given!r} is none of its {len(texts)} choices")
    return {"question": _text(row, "question"), "choices": texts, "labels": labels, "answer": gold}


def _folio(row: Columns) -> dict[str, object]:
    given = row.get("premises")
    premises = (
        given.strip() if isinstance(given, str) else "\n".join(line.strip() for line in _texts(given, "premises"))
    )
    conclusion, gold = _text(row, "conclusion").strip(), _text(row, "label").strip().capitalize()
    gold = "Uncertain" if gold == "Unknown" else gold
    labels = ["True", "False", "Uncertain"]
    if gold not in labels:
        raise Misfit(f"its label {gold!r} is not True, False or Uncertain")
    question = f"{premises}\n\nIs this true, false or uncertain? {conclusion}"
    return {
        "question": question,
        "premises": premises,
        "conclusion": conclusion,
        "labels": labels,
        "answer": gold,
        **_named(row, "example_id"),
    }


# --- questions ----------------------------------------------------------------------------------------


def _hotpotqa(row: Columns) -> dict[str, object]:
    given = row.get("context")
    if isinstance(given, Mapping):  # as on the hub: two lists side by side
        titles, paragraphs = given.get("title"), given.get("sentences")
    else:  # as the authors publish it: [title, sentences] each
        pairs = [pair for pair in given if isinstance(pair, list) and len(pair) == 2] if isinstance(given, list) else []
        titles, paragraphs = [title for title, _ in pairs], [sentences for _, sentences in pairs]
    if not isinstance(titles, Sequence) or not isinstance(paragraphs, Sequence) or len(titles) != len(paragraphs):
        raise Misfit("`context` is not titles with their sentences")
    context = "\n\n".join(
        f"{title}: {''.join(map(str, sentences)).strip()}"
        for title, sentences in zip(titles, paragraphs, strict=True)
        if isinstance(sentences, list | tuple)
    )
    return {
        "question": _text(row, "question"),
        "answer": _text(row, "answer"),
        "context": context,
        **_named(row, "id", "_id"),
    }


def _strategyqa(row: Columns) -> dict[str, object]:
    gold = row.get("answer")
    if not isinstance(gold, bool):
        raise Misfit("its answer is not true or false")
    facts = row.get("facts")
    return {
        "question": _text(row, "question"),
        "answer": "yes" if gold else "no",
        **({"facts": "\n".join(map(str, facts))} if isinstance(facts, list) else {}),
        **_named(row, "qid"),
    }


def _ifeval(row: Columns) -> dict[str, object]:
    kinds, arguments = row.get("instruction_id_list"), row.get("kwargs")
    if not isinstance(kinds, list) or not isinstance(arguments, list) or len(kinds) != len(arguments):
        raise Misfit("`instruction_id_list` and `kwargs` do not go together")
    return {"question": _text(row, "prompt"), **_named(row, "key")}


SHAPES: Mapping[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape("gym", "a generated task", ("question", "answer", "metadata"), "the verifier judges", _gym, "gym"),
        Shape(
            "ifeval",
            "IFEval",
            ("prompt", "instruction_id_list", "kwargs"),
            "question is `prompt`, the instructions judge",
            _ifeval,
            "ifeval",
        ),
        Shape(
            "humaneval",
            "HumanEval",
            ("task_id", "prompt", "entry_point", "canonical_solution", "test|base_input"),
            "question is `prompt`, answer the whole reference program, `test_program` runs `check`",
            _humaneval,
            "code",
        ),
        Shape(
            "mbppplus",
            "MBPP+",
            ("task_id", "prompt", "entry_point", "canonical_solution", "plus_input|test"),
            "question is `prompt`, answer `canonical_solution`",
            _mbpp_plus,
            "code",
        ),
        Shape(
            "mbpp",
            "MBPP",
            ("task_id", "prompt|text", "code", "test_list"),
            "question is `prompt` or `text`, answer `code`, `test_program` all of `test_list`",
            _mbpp,
            "code",
        ),
        Shape(
            "arc",
            "ARC",
            ("question", "answerKey"),
            "answer is `answerKey`, choices and labels from `choices`",
            _arc,
            "choice",
        ),
        Shape(
            "hotpotqa",
            "HotpotQA",
            ("question", "answer", "context", "supporting_facts"),
            "context is its paragraphs as text",
            _hotpotqa,
            "token_f1",
        ),
        Shape("strategyqa", "StrategyQA", ("qid", "question", "answer"), "answer is yes or no", _strategyqa),
        Shape(
            "folio",
            "FOLIO",
            ("premises", "conclusion", "label"),
            "question is premises and conclusion, answer True, False or Uncertain",
            _folio,
            "choice",
        ),
        Shape("game24", "Game of 24", ("Puzzles",), "question is `Puzzles`, numbers its four", _game24, "game24"),
        Shape(
            "math",
            "MATH",
            ("problem", "solution"),
            "question is `problem`, answer `answer` or the last \\boxed{…} of `solution`",
            _math,
            "math",
        ),
        Shape(
            "mmlu",
            "MMLU",
            ("question", "choices|A", "answer"),
            "answer is a letter, labels the letters",
            _mmlu,
            "choice",
        ),
        Shape(
            "gsm8k", "GSM8K", ("question", "answer"), "answer is what stands after the last `####`", _gsm8k, "numeric"
        ),
    )
}
"""Shapes by the names that `shape:` takes, the most particular first."""
