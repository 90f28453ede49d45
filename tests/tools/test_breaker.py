from __future__ import annotations

import pytest
from hypothesis import settings

from patter_core.tools.breaker import Breaker, BreakerBoard, Outcome
from tests.tools.breaker_machine import BreakerMachine


def tripped_at(now: float, **options: float) -> Breaker:
    breaker = Breaker(**options)
    fail(breaker, breaker.threshold, now)
    return breaker


def fail(breaker: Breaker, times: int, now: float) -> None:
    for _ in range(times):
        ticket = breaker.admit(now)
        assert ticket is not None
        breaker.settle(ticket, "failure", now)


def test_five_failures_in_a_row_open_it_and_four_do_not():
    breaker = Breaker()
    fail(breaker, 4, 0.0)
    assert breaker.admit(0.0) is not None
    fail(breaker, 1, 0.0)
    assert breaker.admit(0.0) is None


def test_a_success_between_failures_starts_the_count_anew():
    breaker = Breaker()
    fail(breaker, 4, 0.0)
    breaker.settle(breaker.admit(0.0), "success", 0.0)
    fail(breaker, 4, 0.0)
    assert breaker.admit(0.0) is not None


def test_what_says_nothing_about_the_tool_neither_counts_nor_starts_the_count_anew():
    breaker = Breaker()
    fail(breaker, 4, 0.0)
    for _ in range(10):
        breaker.settle(breaker.admit(0.0), "neutral", 0.0)
    assert breaker.admit(0.0) is not None
    fail(breaker, 1, 0.0)
    assert breaker.admit(0.0) is None


def test_it_rests_for_thirty_seconds_and_says_how_long_still():
    breaker = tripped_at(100.0)
    assert breaker.admit(129.9) is None
    assert breaker.retry_after_sec(110.0) == pytest.approx(20.0)
    assert breaker.admit(130.0) is not None


def test_only_one_of_many_gets_to_probe():
    breaker = tripped_at(0.0)
    admitted = [breaker.admit(30.0) for _ in range(50)]
    assert sum(ticket is not None for ticket in admitted) == 1
    assert breaker.retry_after_sec(30.0) > 0


def test_a_probe_that_succeeds_closes_it_with_a_count_of_none():
    breaker = tripped_at(0.0)
    breaker.settle(breaker.admit(30.0), "success", 31.0)
    fail(breaker, 4, 31.0)
    assert breaker.admit(31.0) is not None
    fail(breaker, 1, 31.0)
    assert breaker.admit(31.0) is None


def test_a_probe_that_fails_opens_it_for_another_rest_from_then_on():
    breaker = tripped_at(0.0)
    breaker.settle(breaker.admit(30.0), "failure", 38.0)
    assert breaker.admit(67.9) is None
    assert breaker.admit(68.0) is not None


def test_a_cancelled_probe_frees_its_place_for_the_next():
    breaker = tripped_at(0.0)
    breaker.settle(breaker.admit(30.0), "neutral", 31.0)
    second = breaker.admit(31.0)
    assert second is not None
    assert breaker.admit(31.0) is None
    breaker.settle(second, "success", 32.0)
    assert breaker.admit(32.0) is not None


def test_a_probe_given_back_twice_does_not_free_the_place_of_another():
    breaker = tripped_at(0.0)
    first = breaker.admit(30.0)
    breaker.settle(first, "neutral", 30.0)
    assert breaker.admit(30.0) is not None
    breaker.settle(first, "success", 30.0)
    assert breaker.admit(30.0) is None


@pytest.mark.parametrize("late", ["success", "failure", "neutral"])
def test_results_from_before_it_opened_change_nothing(late: Outcome):
    breaker = Breaker()
    early = [breaker.admit(0.0) for _ in range(10)]
    fail(breaker, 5, 1.0)
    breaker.settle(early[0], late, 2.0)
    assert breaker.admit(30.9) is None
    probe = breaker.admit(31.0)
    breaker.settle(early[1], late, 31.0)
    assert breaker.admit(31.0) is None
    breaker.settle(probe, "success", 32.0)
    for ticket in early[2:]:
        breaker.settle(ticket, late, 33.0)
    assert breaker.admit(33.0) is not None


def test_a_threshold_of_none_never_opens():
    breaker = Breaker(threshold=0)
    fail(breaker, 100, 0.0)
    assert breaker.admit(0.0) is not None


def test_a_board_has_one_breaker_for_each_key_and_set_of_numbers():
    board = BreakerBoard(threshold=2, cooldown_sec=7.0)
    assert board.breaker("a") is board.breaker("a")
    assert board.breaker("a") is not board.breaker("b")
    assert board.breaker("a") is not board.breaker("a", threshold=1)
    assert (board.breaker("a").threshold, board.breaker("a").cooldown_sec) == (2, 7.0)


def test_a_board_forgets_what_it_has_nothing_to_remember_of_before_it_grows_without_end():
    board = BreakerBoard(threshold=1)
    failing = board.breaker("failing")
    fail(failing, 1, 0.0)
    for number in range(20_000):
        board.breaker(number)
    assert board.breaker("failing") is failing
    assert len(board._breakers) < 5_000


BreakerMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)
TestBreakerMachine = BreakerMachine.TestCase
