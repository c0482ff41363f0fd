"""Regular expressions that colour `.tts` texts: one source for the Pygments lexer and the TextMate grammar.

A word that is a keyword only in places is known by what stands around it, on its line alone, since editors colour
line by line. Plain enough for Python's `re` and for the engine of editors alike.
"""

from __future__ import annotations

from ttscale.grammar import DECLARATIONS, RESERVED

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
END = r"(?![A-Za-z0-9_])"
START = r"(?<![A-Za-z0-9_.])"

CONSTANTS = ("true", "false", "none")
WORD_OPERATORS = ("not", "and", "or")
ARGUMENT_WORDS = ("until", "budget")
"""Reserved words that are also names of arguments, `until: agreement >= 0.75`."""

EDITION = r"^[ \t]*tts(?=[ \t]+[0-9])"
DECLARATION = rf"^[ \t]*(?:{'|'.join(word for word in DECLARATIONS if word != 'use')})(?=[ \t]+[A-Za-z_\"])"
USE = r"^[ \t]*use(?=[ \t]+[A-Za-z0-9_.])"
USE_PATH = r"(?<=use )[ \t]*(?!python[ \t]*\()(?:\.{1,2}/)*[A-Za-z0-9_][A-Za-z0-9_./\-]*"
VERSION = r"@(?:[~^]?[0-9A-Za-z.*\-]+|[<>]=?[0-9.]+(?:[ \t]+[<>]=?[0-9.]+)*)"

SPACED = rf"[ \t]+(?!(?:until|when|and|or|in|with|as|on|over|_){END})"
"""Blanks before what is no word that continues a value: `seed 7`, and not `seed until …`."""

CONTEXTUAL: dict[str, str] = {
    "as": rf"{START}as(?=[ \t]+{NAME})",
    "python": rf"{START}python(?=[ \t]*\(\s*\")",
    "system": rf"{START}system(?=[ \t]*\")",
    "user": rf"{START}user(?=[ \t]*\")",
    "assistant": rf"{START}assistant(?=[ \t]*\")",
    "chat": rf"{START}chat(?={SPACED}{NAME})",
    "over": rf"{START}over(?=[ \t]+{NAME})",
    "on": rf"{START}on(?=[ \t]+[A-Za-z_\[])",
    "live": rf"{START}live(?=[ \t]*\{{)",
    "given": rf"{START}given(?=[ \t]+{NAME}[ \t]*=)",
    "expect": rf"{START}expect(?={SPACED}[A-Za-z0-9_\"(\[{{\-])",
    "in": rf"{START}in(?=[ \t]*[\[{{]|[ \t]+{NAME})",
    "log": rf"(?:(?<=\])|(?<=\] ))log{END}",
    "step": rf"{START}step(?={SPACED}(?:[A-Za-z0-9_(]|-[0-9]))",
    "subsets": rf"{START}subsets(?=[ \t]*\()",
    "maximize": rf"{START}maximize(?={SPACED}[A-Za-z_(\[])",
    "minimize": rf"{START}minimize(?={SPACED}[A-Za-z_(\[])",
    "holdout": rf"{START}holdout(?={SPACED}[A-Za-z_(\[])",
    "trials": rf"{START}trials(?={SPACED}[A-Za-z0-9_(])",
    "sampler": rf"{START}sampler(?={SPACED}[A-Za-z_(\"])",
    "seed": rf"{START}seed(?={SPACED}[A-Za-z0-9_(])",
    "seeds": rf"{START}seeds(?={SPACED}[A-Za-z0-9_(\[])",
    "fix": rf"{START}fix(?=[ \t]+{NAME}[ \t]*=)",
    "with": rf"{START}with(?=[ \t]+{NAME}[ \t]*[={{]|[ \t]*$)",
    "max": r"(?:(?<=,)|(?<=, ))max(?=[ \t]*:[^,()]*\{)",
    "up": rf"{START}up[ \t]+to{END}",
}
"""Words that are keywords in places, by the word that begins them; `tts` is EDITION."""

METRIC_CLAUSE = rf"{START}metric(?=[ \t]+{NAME})"
"""`metric NAME` in the block of an `eval`."""

ARGUMENT = rf"{NAME}(?=[ \t]*:)"
PLAIN_RESERVED = tuple(word for word in RESERVED if word not in (*CONSTANTS, *WORD_OPERATORS))
NUMBER = r"(?<![A-Za-z0-9_])[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
UNIT = r"(?<=[0-9])[A-Za-z_][A-Za-z0-9_]*"
TYPE = rf"{START}[A-Z][A-Za-z0-9_]*"
OPERATOR = r"\|>|->|=>|\.\.|==|!=|<=|>=|[-+*/%<>=|?]"
PUNCTUATION = r"[(){}\[\],.:]"
DOC_COMMENT = r"##(?!#)[^\n]*"
COMMENT = r"#[^\n]*"
ESCAPE = r"\\."
JINJA_WORD = (
    r"(?<![A-Za-z0-9_.])(?:for|in|if|elif|else|endif|endfor|set|endset|is|not|and|or|recursive|with|endwith"
    r"|macro|endmacro|call|endcall|filter|endfilter|raw|endraw|true|false|none)(?![A-Za-z0-9_])"
)


def words(listed: tuple[str, ...]) -> str:
    """A pattern for any of some whole words."""
    return rf"{START}(?:{'|'.join(listed)}){END}"
