"""What conversations begin with before the last message: found, taken from the shelf, and put there once computed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from ttscale.runtime.engines.base import Message
from ttscale.runtime.engines.llama.branches import common_prefix
from ttscale.runtime.engines.llama.runner import Runner
from ttscale.runtime.engines.llama.scheduler import Scheduler
from ttscale.runtime.engines.llama.shelf import Shelf
from ttscale.runtime.engines.llama.template import ChatTemplate
from ttscale.runtime.engines.llama.vocabulary import Vocabulary
from ttscale.runtime.engines.llama.work import Group

LEAST = 256  # tokens that are worth a file
KNOWN = 64  # beginnings that are remembered


class Openings:
    """The long beginnings of one model's prompts."""

    def __init__(
        self, shelf: Shelf, scheduler: Scheduler, runner: Runner, template: ChatTemplate, vocabulary: Vocabulary
    ) -> None:
        self._shelf = shelf
        self._scheduler = scheduler
        self._runner = runner
        self._template = template
        self._vocabulary = vocabulary
        self._others: OrderedDict[tuple[Message, ...], list[int]] = OrderedDict()
        self._wanted: list[list[int]] = []
        self.restored = 0  # tokens that came from the shelf

    def before(self, messages: Sequence[Message], thinking: str, prompt: list[int]) -> None:
        """Take the beginning of a prompt from the shelf, if it is there and not in the cache."""
        length = self._length(messages, thinking, prompt)
        tokens = prompt[:length]
        if length < LEAST or tokens in self._wanted or self._scheduler.holds(tokens):
            return
        state = self._shelf.read(tokens)
        branch = self._scheduler.adopt(tokens) if state is not None else None
        if state is None or branch is None:
            if state is None:
                self._wanted = [*self._wanted[1 - KNOWN :], tokens]  # who wanted one may be gone
            return
        self._runner.apply(self._scheduler.take_operations())
        if self._runner.restore(branch.seq, state, length):
            self._scheduler.branches.retire(branch)
            self.restored += length
        else:
            self._scheduler.branches.drop(branch)
            self._runner.apply(self._scheduler.take_operations())

    def _length(self, messages: Sequence[Message], thinking: str, prompt: list[int]) -> int:
        """Tokens that do not depend on the last message of the user: where a prompt with another one parts from it."""
        place = max((at for at, one in enumerate(messages) if one.role == "user"), default=-1)
        if place < 1:
            return 0
        key = tuple(messages[:place])
        if key not in self._others:
            letter = "0" if messages[place].content.lstrip()[:1] != "0" else "1"
            other = [*key, replace(messages[place], content=letter)]
            text = self._template.render(other, thinking=thinking, shield=self._vocabulary.shield).text
            self._others[key] = self._vocabulary.encode(text)
            if len(self._others) > KNOWN:
                self._others.popitem(last=False)
        other_tokens = self._others[key]
        return max(0, common_prefix(prompt, other_tokens, min(len(prompt), len(other_tokens))) - 1)

    def after(self, group: Group) -> None:
        """Put the beginning of a prompt that has been computed on the shelf, if it is wanted there."""
        for tokens in [one for one in self._wanted if group.prompt[: len(one)] == one]:
            self._wanted.remove(tokens)
            if group.branch is None:
                continue
            branch = self._scheduler.branches.open(list(tokens), group.branch, len(tokens))
            if branch is None:
                continue
            self._runner.apply(self._scheduler.take_operations())
            self._shelf.write(tokens, self._runner.state(branch.seq))
            self._scheduler.branches.retire(branch)
