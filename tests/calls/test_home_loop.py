"""The engine's own loop: what it has accepted is done, even if it ends at that very moment."""

from __future__ import annotations

import asyncio
import threading

from patter_core.home_loop import HomeLoop


def test_what_was_accepted_is_called_though_the_loop_ends_meanwhile():
    for _ in range(100):
        home, called, accepted = HomeLoop(), [], []
        closing = threading.Event()

        async def main(closing=closing):
            await asyncio.sleep(0)
            closing.set()

        over = home.run(main)
        while home.post(called.append, len(accepted)):
            accepted.append(len(accepted))
        over.result(30)
        assert home.wait_over(30)
        assert called == accepted


def test_a_loop_that_does_not_run_takes_nothing():
    assert not HomeLoop().post(print)
