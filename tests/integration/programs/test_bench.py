"""Comparisons: who is measured when, what is compared with what, and when a goal is met."""

from __future__ import annotations

from bench._base import Comparison, measure


def test_the_sides_take_turns_and_each_begins_in_turn() -> None:
    calls: list[str] = []

    def side(name: str) -> float:
        calls.append(name)
        return 1.0

    comparison = Comparison(
        "x", ours=lambda: side("o"), theirs=lambda: side("t"), before=lambda: calls.append("-"), goal=1
    )
    measure(comparison, 3)
    assert "".join(calls) == "-o-t-t-o-o-t"


def test_a_returned_number_is_the_figure_and_the_median_counts() -> None:
    figures = iter([1.0, 100.0, 3.0])
    result = measure(Comparison("x", ours=lambda: next(figures), theirs=lambda: 6, goal=0.5), 3)
    assert (result.ours, result.theirs, result.ratio, result.met) == (3.0, 6.0, 0.5, True)


def test_without_a_number_the_time_is_the_figure() -> None:
    result = measure(Comparison("x", ours=lambda: None, goal=5), 3)
    assert 0 < result.ours < 5
    assert result.ratio == result.ours
    assert result.met


def test_where_nobody_else_does_it_the_limit_is_the_measure() -> None:
    result = measure(Comparison("x", ours=lambda: 3, limit=lambda: 2, goal=1.4), 1)
    assert result.ratio == 1.5
    assert not result.met
    assert result.as_dict() == {
        "name": "x", "ours": 3.0, "theirs": None, "limit": 2.0, "ratio": 1.5, "goal": 1.4, "met": False, "unit": "s",
        "runs": 1,
    }  # fmt: skip


def test_one_measurement_may_answer_to_two_goals() -> None:
    result = measure(
        Comparison("x", lambda: 3, goal=0.5, theirs=lambda: 12, limit=lambda: 2, limit_goal=1.4), 1
    )
    rows = [(row.name, row.ratio, row.goal, row.met) for row in result.rows()]
    assert rows == [("x", 0.25, 0.5, True), ("x, the limit", 1.5, 1.4, False)]
    assert [row.name for row in measure(Comparison("y", lambda: 1, goal=2), 1).rows()] == ["y"]
