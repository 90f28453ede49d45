"""Owners come, go and die; nobody is taken for dead while alive."""

from __future__ import annotations

import threading

from patter_core.ledgers.owners import Owners


def test_who_joins_keeps_the_lock_while_others_sweep(tmp_path):
    folder = tmp_path / "owners"
    over = threading.Event()

    def sweep():
        while not over.is_set():
            Owners(folder).sweep()

    sweepers = [threading.Thread(target=sweep) for _ in range(3)]
    folder.mkdir()
    for sweeper in sweepers:
        sweeper.start()
    try:
        for _ in range(300):
            joined = Owners(folder)
            owner = joined.join()
            assert Owners(folder).lives(owner)
            assert (folder / f"{owner}.lock").exists()
            joined.leave()
            assert not Owners(folder).lives(owner)
    finally:
        over.set()
        for sweeper in sweepers:
            sweeper.join(30)


def test_many_who_ask_at_once_agree_that_somebody_is_dead(tmp_path):
    folder = tmp_path / "owners"
    folder.mkdir()
    for trial in range(50):
        (folder / f"dead{trial}.lock").touch()
        answers = []
        everybody = threading.Barrier(8)

        def ask(owner=f"dead{trial}", answers=answers, everybody=everybody):
            everybody.wait(30)
            answers.append(Owners(folder).lives(owner))

        askers = [threading.Thread(target=ask) for _ in range(8)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join(30)
        assert answers == [False] * 8


def test_only_what_is_left_of_the_dead_is_swept(tmp_path):
    folder = tmp_path / "owners"
    living = Owners(folder)
    owner = living.join()
    (folder / "dead.lock").touch()
    (folder / "note.txt").touch()
    Owners(folder).sweep()
    assert {path.name for path in folder.iterdir()} == {f"{owner}.lock", "note.txt"}
    living.leave()
    living.leave()
    assert [path.name for path in folder.iterdir()] == ["note.txt"]
