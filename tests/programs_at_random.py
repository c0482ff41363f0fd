"""Random programs for property tests: sources, chains, loops and branches that the checker accepts."""

from __future__ import annotations

from hypothesis import strategies as st
from programs import main

NAMES = ("a", "b", "c", "d")
SOURCES = (
    "generate(solve(question), from: {model}, n: {n})",
    "generate(solve(question), from: [small, large], n: {n}, temperature: [0.2, 0.9])",
    "generate(solve(question), from: {model}, n: up to {up}, start: 2, until: agreement >= 0.8)",
    "generate(solve(question), from: {model}, n: {n}, hedge: true, series: 2)",
    "generate(again(question, {pool}), from: {model}, n: {n})",
    "generate(solve(question), from: {model}, n: {n}) when size({pool}) > 2",
    "(generate(solve(question), from: {model}) + {pool})",
)
STAGES = (
    "score(by: likelihood)",
    "score(by: yes_no, from: {model})",
    "score(by: digit, from: {model})",
    "score(by: verdicts({few}), from: {model})",
    "score(by: rubric(k: 3, keep: {few}), from: {model})",
    "verify(from: {model}, verdicts: {few})",
    "critique(from: {model})",
    "rank(from: {model}, keep: 1)",
    "rank(from: {model}, method: pairwise)",
    "rank(from: {model}, orders: {few})",
    "verify(from: {model})",
    "verify(from: {model}, otherwise: none) when agreement({pool}) < 0.5",
    "fuse(from: {model}, n: {n})",
    "fuse(from: {model}, n: {n}, show: {few}, choose: random)",
    "fuse(from: {model}, n: {n}, group: 2)",
    "fuse(from: {model}, n: {n}, group: 3, show: {few}, max_tokens: 800)",
    "fuse(from: {model}, n: {n}, among: first)",
    "filter(top: 1, by: length)",
    "filter(unique: true)",
    "vote()",
    "select(by: first)",
)
BEFORE = """prompt again(question: Text, earlier: [Text]) -> Number = "{{ question }} {{ earlier }}"
prompt kind(question: Text) -> Choice(easy, hard) = "{{ question }}"
"""
LOOPS = (
    "repeat {few} with xs = {pool} {{ yield xs |> fuse(from: {model}, n: {n}) }}",
    "repeat up to {few} with xs = {pool} until agreement(xs) > 0.7 {{ yield generate(again(question, xs), n: {n},"
    " from: {model}) }}",
    "map one in {pool}, max: 3 {{ yield generate(again(question, [text(one)]), from: {model}) }}",
    "match which {{ easy => {pool}  hard => {pool} |> fuse(from: {model}, n: {n}) }}",
)


@st.composite
def programs(draw: st.DrawFn) -> str:
    """The text of a program whose pipeline `main` takes a question and gives a number."""
    lines = ["which = classify(kind(question), from: small)", "first = generate(solve(question), from: small, n: 3)"]
    pools = ["first"]

    def fill(template: str) -> str:
        return template.format(
            model=draw(st.sampled_from(("small", "large"))),
            n=draw(st.integers(1, 4)),
            up=draw(st.integers(2, 9)),
            few=draw(st.integers(1, 3)),
            pool=draw(st.sampled_from(pools)),
        )

    for name in NAMES[: draw(st.integers(1, 4))]:
        shape = draw(st.sampled_from(("source", "chain", "loop")))
        if shape == "source":
            value = fill(draw(st.sampled_from(SOURCES)))
        elif shape == "chain":
            stages = draw(st.lists(st.sampled_from(STAGES), min_size=1, max_size=3))
            value = " |> ".join([draw(st.sampled_from(pools)), *map(fill, stages)])
        else:
            value = fill(draw(st.sampled_from(LOOPS)))
        lines.append(f"{name} = {value}")
        pools.append(name)
    total = " + ".join(dict.fromkeys(draw(st.lists(st.sampled_from(pools), min_size=1, max_size=3))))
    lines.append(f"return {total} |> vote()")
    return main("\n".join(lines), before=BEFORE)
