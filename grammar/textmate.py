"""The TextMate grammar of `.tts` files, made of the same patterns as the Pygments lexer.

`tts.tmLanguage.json` and the copy in the VS Code extension are its output, written by `pytest --update`.
"""

from __future__ import annotations

import json

from ttscale.grammar import patterns as p

Rule = dict[str, object]


def textmate() -> Rule:
    """The whole grammar, as editors read it."""
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "ttscale",
        "scopeName": "source.tts",
        "fileTypes": ["tts"],
        "patterns": [
            _include(name) for name in ("comments", "texts", "declarations", "words", "values", "signs", "others")
        ],
        "repository": {
            "comments": {"patterns": _comments()},
            "texts": {"patterns": _texts()},
            "declarations": {"patterns": _declarations()},
            "words": {"patterns": _words()},
            "values": {"patterns": _values()},
            "signs": {"patterns": _signs()},
            "others": {"patterns": [_match(r"\S", "invalid.illegal")]},
            "jinja": {"patterns": _jinja()},
            "jinja-inside": {"patterns": _jinja_inside()},
        },
    }


def textmate_text() -> str:
    """The text of `tts.tmLanguage.json`."""
    return json.dumps(textmate(), indent=2, ensure_ascii=False) + "\n"


def _include(name: str) -> Rule:
    return {"include": f"#{name}"}


def _match(pattern: str, scope: str) -> Rule:
    return {"match": pattern, "name": f"{scope}.tts"}


def _comments() -> list[Rule]:
    return [
        _match(p.DOC_COMMENT, "comment.line.documentation"),
        _match(p.COMMENT, "comment.line.number-sign"),
    ]


def _texts() -> list[Rule]:
    return [
        {
            "name": "string.quoted.triple.tts",
            "begin": '("{3,})(?!")',
            "end": r'(?<!")\1(?!")',
            "patterns": [_include("jinja")],
        },
        {
            "name": "string.quoted.double.tts",
            "begin": '"',
            "end": '"|$',
            "patterns": [_match(p.ESCAPE, "constant.character.escape"), _include("jinja")],
        },
    ]


def _declarations() -> list[Rule]:
    named = f"({p.DECLARATION})[ \\t]+({p.NAME})"
    return [
        _match(p.EDITION, "keyword.control.edition"),
        _match(p.USE, "keyword.control.import"),
        _match(p.USE_PATH, "entity.name.namespace"),
        _match(p.VERSION, "constant.numeric.version"),
        {
            "match": named,
            "captures": {
                "1": {"name": "storage.type.declaration.tts"},
                "2": {"name": "entity.name.function.tts"},
            },
        },
        _match(p.DECLARATION, "storage.type.declaration"),
    ]


def _words() -> list[Rule]:
    return [
        _match(rf"{p.START}(?:{'|'.join(p.ARGUMENT_WORDS)})(?=[ \t]*:)", "variable.parameter"),
        _match(p.words(p.CONSTANTS), "constant.language"),
        _match(p.words(p.WORD_OPERATORS), "keyword.operator.word"),
        _match(p.words(p.PLAIN_RESERVED), "keyword.control"),
        *(_match(pattern, "keyword.control") for pattern in (*p.CONTEXTUAL.values(), p.METRIC_CLAUSE)),
    ]


def _values() -> list[Rule]:
    return [
        _match(rf"{p.START}{p.ARGUMENT}", "variable.parameter"),
        _match(p.TYPE, "entity.name.type"),
        _match(rf"(?<![A-Za-z0-9_]){p.NAME}(?=\()", "entity.name.function.call"),
        _match(rf"(?<![A-Za-z0-9_]){p.NAME}", "variable.other"),
        _match(p.NUMBER, "constant.numeric"),
        _match(p.UNIT, "keyword.other.unit"),
    ]


def _signs() -> list[Rule]:
    return [_match(p.OPERATOR, "keyword.operator"), _match(p.PUNCTUATION, "punctuation")]


def _jinja() -> list[Rule]:
    def braces(scope: str, begin: str, end: str) -> Rule:
        mark = {"0": {"name": "punctuation.section.embedded.jinja.tts"}}
        return {
            "name": f"meta.embedded.{scope}.jinja.tts",
            "begin": begin,
            "end": end,
            "beginCaptures": mark,
            "endCaptures": mark,
            "patterns": [_include("jinja-inside")],
        }

    return [
        {"name": "comment.block.jinja.tts", "begin": r"\{#", "end": r"#\}"},
        braces("expression", r"\{\{-?", r"-?\}\}"),
        braces("statement", r"\{%-?", r"-?%\}"),
    ]


def _jinja_inside() -> list[Rule]:
    return [
        _match(p.JINJA_WORD, "keyword.control.jinja"),
        _match(rf"(?<=\|)[ \t]*{p.NAME}", "support.function.jinja"),
        _match(p.NAME, "variable.other.jinja"),
        _match(r"[0-9]+(?:\.[0-9]+)?", "constant.numeric.jinja"),
        _match(r"'[^'\n]*'|\"[^\"\n]*\"", "string.quoted.jinja"),
    ]
