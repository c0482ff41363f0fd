"""Watchers as pure functions: what they look for, what is decided, where a sample pauses."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import reference_vectors
from hypothesis import given, settings
from hypothesis import strategies as st
from ttscale.compiler import ir, types
from ttscale.compiler.watch_signatures import AGAIN, WATCHERS
from ttscale.runtime.bank.exchange import Selection, exported, imported
from ttscale.runtime.bank.keys import Draw, Spot
from ttscale.runtime.bank.rows import Want
from ttscale.runtime.bank.schema import APPLICATION_ID, MIGRATIONS, connect
from ttscale.runtime.bank.store import Bank
from ttscale.runtime.engines.base import Completion, EngineError, Message, Request, Sampling, Watched
from ttscale.runtime.engines.script import ScriptEngine
from ttscale.runtime.seeds import messages_digest
from ttscale.runtime.watch.agreement import agreed, agreed_after, last_sentences, reader_of, segments
from ttscale.runtime.watch.engine import WatchingEngine
from ttscale.runtime.watch.follower import Follower, Watching, cut_back
from ttscale.runtime.watch.named import watch_of
from ttscale.runtime.watch.seen import Seen
from ttscale.runtime.watch.watchers import (
    Confidence,
    Deepen,
    Hint,
    Overthinking,
    Repetition,
    Stable,
    Underthinking,
    first_below,
    following,
    repeated,
)

NUMBER = reader_of(types.NUMBER, marked=False, sentences=3)
MARKS = ("\n\nWait", "\n\nBut")
ASKED = (Message("user", "q"),)


def seen(*pieces: str, logprobs: tuple[float, ...] | None = None, **more: object) -> Seen:
    """A sample of these pieces, equal ones being one token."""
    ids = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    values = logprobs if logprobs is not None else (-0.5,) * len(pieces)
    return Seen(tuple(ids[p] for p in pieces), tuple(p.encode() for p in pieces), values, made=len(pieces), **more)


def completion(*pieces: str, finish: str = "paused", **more: object) -> Completion:
    data = tuple(piece.encode() for piece in pieces)
    ids = tuple(range(len(pieces)))
    fields = {"text": "".join(pieces), "token_ids": ids, "logprobs": (-0.5,) * len(pieces), "pieces": data}
    return Completion(index=0, finish=finish, prompt_tokens=3, new_tokens=len(pieces), **{**fields, **more})


# --- agreement ------------------------------------------------------------------------------------


@pytest.mark.skipif(not reference_vectors.cases("trimr_overthinking"), reason=reference_vectors.WHY)
@pytest.mark.parametrize("case", reference_vectors.cases("trimr_overthinking"))
def test_thinking_stops_where_trimr_stops_it(case: dict[str, dict[str, list[int] | int]]) -> None:
    told = case["input"]
    has, same, needed = told["segment_has_answer"], told["equivalent_to_previous_answered_segment"], told["M"]
    assert isinstance(has, list) and isinstance(same, list) and isinstance(needed, int)
    found = agreed_after([bool(one) for one in has], [bool(one) for one in same], needed)
    assert found == case["expected_stop_after_segment_index"]


@pytest.mark.parametrize(
    ("keys", "needed", "stop"),
    [
        (["4", "4", "4"], 2, 2),
        (["4", "4"], 2, None),
        (["4", "5", "4", "4", "4"], 2, 4),
        (["4", None, "4", None, "4"], 2, 4),  # a segment without an answer changes nothing
        ([None, None, None], 1, None),
        (["4", "4", "5", "5"], 1, 1),
        (["4", "5", "5"], 1, 2),
        ([], 1, None),
    ],
)
def test_segments_agree_one_after_the_other(keys: list[str | None], needed: int, stop: int | None) -> None:
    assert agreed(keys, needed) == stop


@given(st.lists(st.sampled_from(["a", "b", None]), max_size=12), st.integers(1, 4))
def test_agreement_is_a_run_of_equal_answers(keys: list[str | None], needed: int) -> None:
    answered = [(place, key) for place, key in enumerate(keys) if key is not None]
    runs = [
        answered[end][0]
        for end in range(needed, len(answered))
        if len({key for _, key in answered[end - needed : end + 1]}) == 1
    ]
    assert agreed(keys, needed) == min(runs, default=None)


def test_segments_end_at_marks_and_the_last_one_is_not_over() -> None:
    assert segments("a\n\nWait, b\n\nBut c", MARKS) == ("a", ", b")
    assert segments("nothing", MARKS) == ()
    assert segments("a", ()) == ()


def test_the_last_sentences_of_a_segment_are_read() -> None:
    text = "There are 7. Then 5 are left. So 9! Good."
    assert last_sentences(text, 2) == "So 9! Good."
    assert last_sentences(text, 0) == last_sentences(text, 9) == text
    assert reader_of(types.NUMBER, marked=False, sentences=1)("It is 4. Nothing here.") is None
    assert reader_of(types.NUMBER, marked=False, sentences=2)("It is 4. Nothing here.") is not None


def test_a_marked_answer_is_one_that_the_text_calls_so() -> None:
    marked = reader_of(types.NUMBER, marked=True, sentences=0)
    assert marked("3 apples and 4 pears") is None
    assert marked("so the answer is 7") == reader_of(types.NUMBER, marked=False, sentences=0)("7")


# --- repetition -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "window", "times", "end"),
    [
        ([1, 2, 1, 2, 1, 2], 2, 3, 2),
        ([9, 1, 2, 1, 2, 1, 2], 2, 3, 3),
        ([1, 2, 7, 1, 2, 8, 1, 2], 2, 3, 2),  # copies need not follow each other at once
        ([1, 2, 1, 2], 2, 3, None),
        ([1, 1, 1, 1], 2, 2, 2),
        ([1, 1, 1], 2, 2, None),  # copies do not overlap
        ([], 2, 2, None),
    ],
)
def test_copies_of_the_last_tokens(tokens: list[int], window: int, times: int, end: int | None) -> None:
    assert repeated(tokens, window, times) == end


@settings(max_examples=60)
@given(st.lists(st.integers(0, 2), max_size=30), st.integers(1, 4), st.integers(2, 4))
def test_copies_are_where_they_are_said_to_be(tokens: list[int], window: int, times: int) -> None:
    end = repeated(tokens, window, times)
    if end is not None:
        assert tokens[end - window : end] == tokens[len(tokens) - window :]
        assert len(tokens) - end >= window * (times - 1)


def test_a_repetition_is_cut_back_to_its_first_copy() -> None:
    action = Repetition(2, 3).look(seen("x", "a", "b", "a", "b", "a", "b"), ())
    assert action is not None and action.back == 3


# --- confidence -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "window", "below", "start"),
    [
        ([-1, -1, -4, -4, -1], 2, -3.0, 2),
        ([-1, -1, -4, -4, -1], 3, -3.0, None),
        ([-1, -1], 3, 0.0, None),
        ([-2, -2], 2, -2.0, None),  # a mean that equals the bound is not below it
    ],
)
def test_the_first_window_of_little_confidence(
    values: list[float], window: int, below: float, start: int | None
) -> None:
    assert first_below(values, window, below) == start


@given(st.lists(st.floats(-9, 0), min_size=1, max_size=20), st.integers(1, 6))
def test_sliding_means_are_means(values: list[float], window: int) -> None:
    means = [math.fsum(values[i : i + window]) / window for i in range(len(values) - window + 1)]
    expected = next((i for i, mean in enumerate(means) if mean < -4.0 - 1e-9), None)
    found = first_below(values, window, -4.0)
    assert found == expected or abs(means[found if found is not None else expected or 0] + 4.0) < 1e-6


def test_what_was_put_in_is_not_taken_for_confidence() -> None:
    words = seen("a", "b", "c", "d", logprobs=(-3.0, 0.0, 0.0, -3.0), put_in=((1, 3),))
    action = Confidence(-2.0, 2).look(words, ())
    assert action is not None and action.fork == 0
    assert Confidence(-2.0, 2).look(seen("a", "b", "c", "d", logprobs=(-3.0, 0.0, 0.0, -3.0)), ()) is None


# --- looks ----------------------------------------------------------------------------------------


def test_overthinking_is_three_segments_with_one_answer() -> None:
    watcher = Overthinking(NUMBER, 3, MARKS)
    text = "It is 4.\n\nWait It is 4.\n\nBut is it? 4.\n\nWait"
    assert watcher.look(seen(text), ()) is not None
    assert watcher.look(seen(text.replace("is it? 4", "is it? 5")), ()) is None
    assert watcher.next_look(7, ()) == 0  # only behind marks


def test_underthinking_is_many_segments_or_tokens_without_agreement() -> None:
    watcher = Underthinking(NUMBER, 6, 3, 3, MARKS)
    apart = "It is 4.\n\nWait It is 5.\n\nWait It is 6.\n\nWait"
    assert watcher.look(seen(apart), ()) is not None
    assert watcher.look(seen("1", "2", "3", "4", "5", "6"), ()) is not None
    assert watcher.look(seen("1", "2"), ()) is None
    assert watcher.look(seen(apart.replace("5", "4").replace("6", "4")), ()) is None
    assert watcher.next_look(2, ()) == 6 and watcher.next_look(6, ()) == 0


def test_a_stable_answer_is_the_same_at_every_look() -> None:
    watcher = Stable(reader_of(types.NUMBER, marked=False, sentences=0), 3, 2)
    assert watcher.next_look(2, ()) == 4
    assert watcher.look(seen(" 4", " a", " b", " c", " d", " e"), ()) is not None
    assert watcher.look(seen(" 4", " a", " 5", " c", " d", " e"), ()) is None
    assert watcher.look(seen(" 4", " a", " b", " c"), ()) is None


def test_a_hint_comes_at_the_end_or_behind_a_mark() -> None:
    end = Hint(("one", "two"), 2)
    assert end.at_ends and end.look(seen("a"), ()) is None
    first = end.look(seen("a", ended=True), ())
    assert first is not None and first.say == "one"
    past = (Watched("hint", "inject", 1, 1, "", "one", 1),)
    second = end.look(seen("a", "one", "b", closed=True, block_tokens=3), past)
    assert second is not None and (second.say, second.back) == ("two", 3)
    assert end.look(seen("a", ended=True), past * 2) is None
    mark = Hint(("one",), 1, MARKS)
    assert mark.look(seen("a", "\n\n", "Wait"), ()) is not None
    assert mark.look(seen("a", "\n\nWait", " b"), ()) is None


def test_triggers_come_after_budgets_that_grow() -> None:
    watcher = Deepen(AGAIN, 4, 2.0, 3)
    assert watcher.next_look(0, ()) == 4
    past = (Watched("deepen", "inject", 4, 4, "", AGAIN, 2),)
    assert watcher.next_look(6, past) == 6 + 8
    assert watcher.next_look(20, (*past, Watched("deepen", "inject", 14, 14, "", AGAIN, 2))) == 16 + 16
    assert watcher.look(seen("a", ended=True), ()) is not None  # the model ended within the budget
    assert watcher.look(seen("a"), ()) is None
    assert watcher.next_look(40, past * 3) == 0


def test_looks_are_at_multiples() -> None:
    assert [following(tokens, 4) for tokens in (0, 3, 4, 7)] == [4, 4, 8, 8]


# --- what is decided ------------------------------------------------------------------------------


def follower(*watchings: Watching, most: int = 100, **more: object) -> Follower:
    return Follower(watchings, most, **more)


def test_a_stop_ends_the_sample_or_its_thoughts() -> None:
    watch = Watching("repetition", Repetition(1, 2))
    step = follower(watch).look(completion("a", "a", token_ids=(1, 1)))
    assert step.over and step.keep == 1
    inside = follower(watch)
    step = inside.look(completion("a", "a", token_ids=(1, 1), thinking=True, text="", thoughts="aa"))
    assert (step.over, step.closes, step.keep) == (False, True, 1)
    assert inside.go_on(step, 0) and inside.watched[0].dropped == 1


def test_a_text_is_put_in_where_there_is_room() -> None:
    watch = Watching("repetition", Repetition(1, 2), "inject", "Hm.")
    one = follower(watch, most=10)
    step = one.look(completion("a", "a", token_ids=(1, 1)))
    assert not step.over and one.go_on(step, 3)
    assert one.watched == [Watched("repetition", "inject", 2, 1, step.event.cause, "Hm.", 3)]  # type: ignore[union-attr]
    assert one.dropped == 1
    assert one.pause(4) is None  # it acts once
    full = follower(watch, most=4)
    assert not full.go_on(full.look(completion("a", "a", token_ids=(1, 1))), 3)
    assert not full.watched


def test_the_first_watcher_that_sees_something_acts() -> None:
    both = follower(
        Watching("confidence", Confidence(-0.1, 2), "drop"), Watching("repetition", Repetition(1, 2), "stop")
    )
    step = both.look(completion("a", "a", token_ids=(1, 1)))
    assert step.over and [event.watcher for event in both.watched] == ["confidence"]


def test_a_branch_leaves_the_sample_as_it_is() -> None:
    watch = Watching("confidence", Confidence(-0.1, 2), "branch")
    one = follower(watch)
    step = one.look(completion("a", "b"))
    assert not step.over and step.keep == 2 and one.watched[0].at == 0 and one.watched[0].dropped == 0
    assert follower(watch, forks=False).pause(0) is None


def test_reasoning_is_not_watched_in_the_answer() -> None:
    hint = Watching("hint", Hint(("x",), 1), "inject", most=1)
    one = follower(hint)
    one.look(completion("t", thinking=True, text="", thoughts="t"))
    said = one.look(completion("t", "</think>", "a", block_tokens=1, text="a", thoughts="t"))
    assert not said.over and said.event is not None and said.keep == 1  # it comes in place of the end
    forced = follower(hint, forced=2)
    forced.look(completion("t", thinking=True, text="", thoughts="t"))
    assert forced.look(completion("t", "</think>", "a", block_tokens=1, text="a", thoughts="t")).event is None
    late = follower(hint)
    assert late.go_on(late.look(completion("t", "</think>", "a", block_tokens=1, text="a", thoughts="t")), 1)
    ended = late.look(completion("t", "</think>", "a", block_tokens=1, finish="stop", text="a", thoughts="t"))
    assert ended.over


def test_what_the_call_itself_stops_is_over() -> None:
    hint = Watching("hint", Hint(("x",), 1), "inject", most=1)
    assert follower(hint).look(completion("a", finish="stop", stopped_by="\n")).over
    assert follower(hint).look(completion("a", finish="length")).over
    assert not follower(hint).look(completion("a", finish="stop")).over


def test_a_sample_is_cut_behind_its_first_tokens() -> None:
    whole = completion("<t>x</t>", " a", " é", " b", text="a é b", thoughts="x")
    assert cut_back(whole, 3).text == "a é"
    assert cut_back(whole, 2).new_tokens == 2
    assert cut_back(whole, 9) is whole
    assert cut_back(completion("a", "b", text="", thoughts="ab"), 1).text == ""


# --- by name --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WATCHERS)
def test_every_watcher_can_be_named(name: str) -> None:
    given = {"hint": ("say", "Hm."), "confidence": ("below", -2.0), "underthinking": ("tokens", 9)}.get(name)
    named = () if given is None else ((given[0], ir.Const(given[1])),)
    watch = watch_of((ir.Strategy(name, (), named),), types.NUMBER, 64)
    (watching,) = watch.watchings
    assert watching.name == name and watching.then in ("stop", "inject", "drop")
    assert Follower(watch.watchings, 64).pause(0) is not None


def test_equal_settings_are_one_watch() -> None:
    def key(window: int, most: int = 64, reads: types.Type = types.NUMBER, name: str = "repetition") -> str:
        return watch_of((ir.Strategy(name, (), (("window", ir.Const(window)),)),), reads, most).key

    assert key(8) == key(8) == key(8, reads=types.TEXT)  # how answers are read is nothing to this one
    assert len({key(8), key(9), key(8, 32)}) == 3
    stable = [watch_of((ir.Strategy("stable"),), kind, 64).key for kind in (types.NUMBER, types.BOOL)]
    assert stable[0] != stable[1]


# --- in the bank ----------------------------------------------------------------------------------


def test_a_bank_of_version_one_is_brought_up_and_keeps_events(tmp_path: Path) -> None:
    path = tmp_path / "bank.db"
    old = connect(path)
    old.execute("PRAGMA journal_mode = WAL")
    old.execute("BEGIN")
    MIGRATIONS[0](old)
    old.execute("PRAGMA user_version = 1")
    old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    old.execute("COMMIT")
    old.close()
    event = Watched("hint", "inject", 3, 2, "it ended", "Hm.", 1)
    draw = Draw("sha256:m", messages_digest(ASKED), Sampling(), watch="w")
    with Bank(path) as bank:
        (grant,) = bank.claim(
            draw, ASKED, [Want(Spot(), 9, whole=True)], label="m", context=None, resumes=False
        ).result()
        assert grant.mine
        bank.save(draw, Spot(), completion("a", "b", finish="length", watched=(event,)), {}).result()
        (row,) = bank.find(draw, [Spot()])[Spot()]
        lines = list(exported(bank, Selection(), full=True))
    want = Want(Spot(), 9, whole=True)
    assert row.serves(want, None) and row.completion(0, want).watched == (event,)
    assert row.completion(0, want).made_tokens == 3
    assert not row.serves(Want(Spot(), 9), None)  # it would be shorter than it may be, were it not watched
    copy = tmp_path / "copy.jsonl"
    copy.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with Bank(tmp_path / "other.db") as other:
        assert imported(other, copy) == {"added": 1, "known": 0}
        assert other.find(draw, [Spot()])[Spot()][0].completion(0, want).watched == (event,)


def test_watches_are_part_of_what_a_sample_is() -> None:
    plain, seen = (Draw("m", "p", Sampling(), watch=key) for key in ("", "w"))
    assert plain.digest != seen.digest and "watch" not in plain.fields()
    assert plain.digest == Draw("m", "p", Sampling()).digest


# --- engines that fail ----------------------------------------------------------------------------


class Failing(ScriptEngine):
    """A scripted engine that fails from its second part on, or gives nothing at all."""

    def __init__(self, *, silent: bool = False) -> None:
        super().__init__(["a b c d e f g h"])
        self.parts = 0
        self.silent = silent

    def generate(self, request: Request) -> AsyncIterator[Completion]:
        self.parts += 1
        return self._nothing() if self.silent or self.parts > 1 else super().generate(request)

    async def _nothing(self) -> AsyncIterator[Completion]:
        if not self.silent:
            raise EngineError("the engine is gone")
        for nothing in ():
            yield nothing


@pytest.mark.parametrize(("silent", "message"), [(True, "no answer"), (False, "gone")])
async def test_an_engine_that_fails_ends_the_watch(silent: bool, message: str) -> None:
    watch = watch_of((ir.Strategy("repetition", (), (("window", ir.Const(2)),)),), types.NUMBER, 64)
    watching = WatchingEngine(Failing(silent=silent), watch)
    with pytest.raises(EngineError, match=message):
        async for _ in watching.generate(Request(ASKED, (1, 2), max_tokens=64)):
            pass


class Late(ScriptEngine):
    """A scripted engine whose second parts come too late."""

    async def generate(self, request: Request) -> AsyncIterator[Completion]:
        async for one in super().generate(request):
            left = f"the time limit of {request.timeout_seconds} s was over"
            yield one if request.given is None else replace(one, finish="cancelled", error=left)


async def test_a_time_limit_is_told_as_it_was_given() -> None:
    watch = watch_of((ir.Strategy("repetition", (), (("window", ir.Const(2)),)),), types.NUMBER, 64)
    request = Request(ASKED, (1,), max_tokens=64, timeout_seconds=9.0)
    (one,) = [one async for one in WatchingEngine(Late(["a b c d e f g h"]), watch).generate(request)]
    assert (one.finish, one.error) == ("cancelled", "the time limit of 9.0 s was over")
