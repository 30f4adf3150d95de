"""What the whole had to wait for, from the end back to the beginning."""

from __future__ import annotations

from haechi.operations.proving.critical_path import Stage, critical


def stage(title: str, began: float, seconds: float) -> Stage:
    return Stage("restore", title, title, began, seconds)


def path(*stages: Stage) -> list[str]:
    return [one.title for one in critical(stages)]


def test_of_those_side_by_side_the_longest_is_waited_for() -> None:
    assert path(
        stage("points", 0, 1), stage("rows", 1, 5), stage("files", 1, 2), stage("audit", 6.001, 1)
    ) == ["points", "rows", "audit"]


def test_who_waited_for_a_free_hand_waited_for_who_had_it() -> None:
    assert path(
        stage("a", 0, 4),
        stage("b", 0, 1),
        stage("c", 1.001, 6),
        stage("d", 4.001, 1),
        stage("audit", 7.002, 1),
    ) == ["b", "c", "audit"]


def test_nothing_and_one_are_whole_paths() -> None:
    assert path() == []
    assert path(stage("alone", 0, 0)) == ["alone"]


def test_steps_of_no_length_do_not_go_round_in_a_circle() -> None:
    assert path(stage("a", 0, 0), stage("b", 0, 0), stage("c", 0, 1))[-1] == "c"
