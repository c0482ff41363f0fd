"""The prompts that imported programs declare, in the words of this library."""

from __future__ import annotations

from ttscale.compiler import ir

SYSTEM = '  system "You are a helpful assistant."\n'
TESTS = """  The answer will be checked by these tests:
  {% for test in tests %}
  - {{ test }}
  {% endfor %}
"""
FORM = "  {{ output_format }}\n"


def _asking(name: str, answer: str, *, plain: bool, tests: bool) -> str:
    """A prompt that puts the question, with Archon's system message or `plain`, with unit tests or without."""
    given = "question: Text, tests: [Text]" if tests else "question: Text"
    parts = ["  {{ question }}\n", *([TESTS] if tests else []), *([FORM] if answer != "Text" else [])]
    user = '  user """\n' + "\n".join(parts) + '  """\n'
    doc = "Put the question" + (" with the tests that its answer has to pass" if tests else "")
    return f"## {doc}.\nprompt {name}({given}) -> {answer} {{\n{'' if plain else SYSTEM}{user}}}\n"


WRITE_TESTS = '''## Write down how an answer to the question can be checked.
prompt {name}({given}) -> [Text] = """
Write {count} tests for answers to the query below, so that together they tell a right answer from a wrong one. Each is
one sentence about what the answer says or uses, with the outcome that is expected, such as "The answer names …".
Write one test a line and nothing else.
{{{{ output_format }}}}

Query: {{{{ question }}}}
"""
'''
COUNT_PASSED = '''## How many of the tests an answer passes.
prompt count_passed(question: Text, answer: Text, tests: [Text]) -> Int = """
Check the answer against each of the tests. Say for every test in one sentence why the answer passes or fails it.
{{ output_format }}

Query: {{ question }}

Tests:
{% for test in tests %}
{{ loop.index }}. {{ test }}
{% endfor %}

Answer to check:
{{ answer }}

How many of the tests does this answer pass? End with "Answer: <number>".
"""
'''
FUSE_SHORTLY = '''## One answer from several, no longer than the longest of them.
prompt fuse_shortly(question: Text, answers: Answers[Text]) -> Text = """
Question: {{ question }}

{% for answer in answers %}
Candidate {{ answer.index }}:
{{ answer.text }}

{% if answer.critique %}
Review of candidate {{ answer.index }}: {{ answer.critique }}

{% endif %}
{% endfor %}
Write one answer that is better than each of the candidates above. Some of them, and some of the reviews, may be wrong:
check them against each other. Do not mention the candidates, and write no more than the longest candidate does.
"""
'''


EVERY = (
    *("ask", "ask_plainly", "ask_with_tests", "ask_plainly_with_tests"),
    *("write_tests", "write_some_tests", "count_passed", "fuse_shortly"),
)
"""The names of all of them."""


class Prompts:
    """The prompts that a program uses, in the order in which they are first used."""

    def __init__(self) -> None:
        self.used: dict[str, None] = {}
        self.uses_std = False

    def use(self, name: str) -> None:
        """Declare a prompt in the program."""
        self.used[name] = None

    def text(self, answer: str) -> str:
        """All declarations; candidates have answers of the type `answer`."""
        return "\n".join(self._declared(name, answer) for name in self.used)

    def wrote(self, prompt: ir.Prompt) -> bool:
        """Whether a prompt is one that an import declares, with the same text."""
        if prompt.name not in EVERY:
            return False
        declared = self._declared(prompt.name, str(prompt.result)) + "\n"
        return all(line.strip() in declared for part in prompt.parts for line in part.text.split("\n"))

    def _declared(self, name: str, answer: str) -> str:
        if name == "write_tests":
            return WRITE_TESTS.format(name=name, given="question: Text", count="some")
        if name == "write_some_tests":
            return WRITE_TESTS.format(name=name, given="question: Text, count: Int", count="{{ count }}")
        if name == "count_passed":
            return COUNT_PASSED
        if name == "fuse_shortly":
            fitted = FUSE_SHORTLY.replace("-> Text", f"-> {answer}")
            return fitted if answer == "Text" else fitted[:-4] + '{{ output_format }}\n"""\n'
        return _asking(name, answer, plain=name.startswith("ask_plainly"), tests=name.endswith("_with_tests"))
