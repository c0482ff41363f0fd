"""Blocks of thoughts: how a model's template marks them, and how one that goes on too long is ended.

    tags_of("… <think> …")                  # THINK, with the line breaks that this template puts behind the end
    Budget(64, 200, long, short)            # thoughts get 64 tokens, their end included; the answer gets 200

Pure: the loop draws, asks a `Budget` after every token, and puts in what it says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

ENOUGH = "\n\nI have thought about this for long enough, so I answer now."
"""What a block says last when it is ended by force."""

LONG_SHARE = 4  # the words above are left out where they would take more than this part of the limit


@dataclass(frozen=True, slots=True)
class Tags:
    """The marks of a block. `close` ends it and begins the answer.

    `lead` comes before a `close` that is put in, `after` behind it. `header` begins an answer without thoughts, `end`
    ends an answer beside the model's own end tokens. `marks` are the tokens that a sample's text must show.
    """

    open: str
    close: str
    lead: str = "\n"
    after: str = "\n\n"
    header: str = ""
    end: str = ""
    marks: tuple[str, ...] = ()

    @property
    def ending(self) -> str:
        """What ends an open block."""
        return f"{self.lead}{self.close}{self.after}"


THINK = Tags("<think>", "</think>", marks=("<think>", "</think>"))
HARMONY = Tags(
    "<|channel|>analysis<|message|>",
    "<|channel|>final<|message|>",
    lead="<|end|><|start|>assistant",
    after="",
    header="<|channel|>final<|message|>",
    end="<|end|>",
    marks=("<|start|>", "<|channel|>", "<|message|>", "<|end|>"),
)
BRACKETS = Tags("[THINK]", "[/THINK]", lead="", after="", marks=("[THINK]", "[/THINK]"))
SEED = Tags("<seed:think>", "</seed:think>", marks=("<seed:think>", "</seed:think>"))


def tags_of(template: str) -> Tags:
    """The marks that a chat template uses; `THINK` where it has none, since models write them without it."""
    if "<|channel|>" in template and "analysis" in template:
        return HARMONY
    found = next((tags for tags in (SEED, BRACKETS) if tags.close in template), THINK)
    # In a template's source a line break is a character or, inside a string, a backslash and an n.
    breaks = re.findall(re.escape(found.close) + r"((?:\\n|\n)+)", template)
    longest = max((run.replace("\\n", "\n") for run in breaks), key=len, default="")
    return replace(found, after=longest or found.after)


@dataclass(slots=True)
class Budget:
    """What one sample may still think.

    `thoughts` tokens, the block's end included; then `answer` tokens. `long` and `short` are the tokens that end a
    block, with and without a sentence.
    """

    thoughts: int
    answer: int
    long: Sequence[int]
    short: Sequence[int]
    ended: bool = field(default=False)

    def ending(self, drawn: int, *, at_once: bool = False) -> Sequence[int]:
        """The tokens to put in after `drawn` tokens in an open block: none while it may go on.

        `at_once` for a sample that would end inside its block.
        """
        wordy = not self.ended and LONG_SHARE * len(self.long) <= self.thoughts
        closing = self.long if wordy and drawn + len(self.long) <= self.thoughts else self.short
        if not at_once and drawn + len(closing) < self.thoughts:
            return ()
        self.ended = True
        return closing
