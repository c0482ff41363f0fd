"""The number of threads follows what calls take."""

from __future__ import annotations

from collections.abc import Callable

from ttscale.runtime.engines.llama.threads import LATEST, ThreadChoice


def run(choice: ThreadChoice, calls: int, seconds: Callable[[int], float], rows: int = 16) -> list[int]:
    used = []
    for _ in range(calls):
        threads = choice.choose(rows)
        used.append(threads)
        choice.observe(rows, threads, seconds(threads))
    return used


def quiet(threads: int) -> float:
    return 1.0 / threads


def contended(threads: int) -> float:
    return 20.0 if threads == 2 else 1.0


def test_a_quiet_machine_keeps_all_threads_and_is_tried_ever_less_often() -> None:
    used = run(ThreadChoice(2), 5000, quiet)
    assert used.count(1) / len(used) < 0.02
    assert used[-LATEST:].count(1) <= 3


def test_a_busy_neighbour_is_noticed_within_a_few_calls() -> None:
    choice = ThreadChoice(2)
    run(choice, 500, quiet)
    used = run(choice, 100, contended)
    assert used[:12].count(2) <= 9
    assert used[12:].count(2) <= 6


def test_a_machine_that_is_busy_from_the_start_is_noticed_too() -> None:
    assert run(ThreadChoice(2), 60, contended)[12:].count(2) <= 4


def test_where_all_cores_are_in_use_the_first_call_has_one_thread_less_and_the_other_is_tried_once() -> None:
    used = run(ThreadChoice(2, busy=True), 60, contended)
    assert used[0] == 1 and used.count(2) <= 2
    assert run(ThreadChoice(2, busy=True), LATEST, quiet)[-1] == 2


def test_all_threads_come_back_when_the_neighbour_has_gone() -> None:
    choice = ThreadChoice(2)
    run(choice, 200, contended)
    assert run(choice, 2 * LATEST, quiet)[-1] == 2


def test_another_size_begins_with_what_the_nearest_has_found() -> None:
    choice = ThreadChoice(4)
    run(choice, 50, lambda threads: 9.0 if threads == 4 else 1.0)
    assert choice.choose(64) == 3


def test_a_number_that_the_user_gave_is_kept() -> None:
    assert set(run(ThreadChoice(2, adapts=False), 300, contended)) == {2}
    assert set(run(ThreadChoice(1), 300, contended)) == {1}
