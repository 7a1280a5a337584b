"""Who goes next, without a clock or a loop."""

from __future__ import annotations

import math

from networkpype.throttler.kinds import Priority
from networkpype.throttler.lines import Lane, Lines
from networkpype.throttler.store.base import Capacity, Charge
from networkpype.throttler.store.memory import MemoryStore


class Ticket:
    def __init__(self, name: str) -> None:
        self.name = name
        self.given_up = False

    def done(self) -> bool:
        return self.given_up


class Desk:
    """Lines before a store, driven by hand; limits are (units, interval), charges by limit id."""

    def __init__(
        self, limits: dict[str, tuple[int, float]], calls: dict[str, dict[str, int]]
    ) -> None:
        self.store = MemoryStore()
        self.store.configure({name: Capacity(*limit) for name, limit in limits.items()})
        self.lines: Lines[Ticket] = Lines()
        self.lanes = {}
        for limit_id, weights in calls.items():
            charges = tuple(Charge(*item) for item in weights.items())
            intervals = tuple(limits[name][1] for name in weights)
            account = self.store.account(charges)
            self.lanes[limit_id] = Lane(limit_id, Priority.QUERY, account, charges, intervals)

    def join(self, limit_id: str, name: str) -> Ticket:
        ticket = Ticket(name)
        self.lines.join(self.lanes[limit_id], ticket)
        return ticket

    def admit(self, now: float) -> tuple[list[str], float]:
        admitted, again_at = self.lines.admit(now)
        return [ticket.name for ticket, _ in admitted], again_at


def test_nobody_waits_where_there_is_room_and_nobody_is_looked_for_again() -> None:
    desk = Desk({"a": (2, 1.0)}, {"a": {"a": 1}})
    desk.join("a", "first")
    desk.join("a", "second")
    assert desk.admit(5.0) == (["first", "second"], math.inf)
    assert desk.admit(6.0) == ([], math.inf)


def test_a_line_moves_as_the_window_does_in_order_of_arrival() -> None:
    desk = Desk({"a": (2, 1.0)}, {"a": {"a": 1}})
    for name in ("1", "2", "3", "4", "5"):
        desk.join("a", name)
    assert desk.admit(0.0) == (["1", "2"], 1.0)
    assert desk.admit(0.5) == ([], 1.0)
    assert desk.admit(1.0) == (["3", "4"], 2.0)
    assert desk.admit(2.0) == (["5"], math.inf)


def test_heads_of_several_lines_go_in_order_of_arrival() -> None:
    desk = Desk({"ip": (3, 1.0)}, {"a": {"ip": 1}, "b": {"ip": 1}})
    for limit_id, name in (("a", "a1"), ("b", "b1"), ("a", "a2"), ("b", "b2"), ("a", "a3")):
        desk.join(limit_id, name)
    assert desk.admit(0.0)[0] == ["a1", "b1", "a2"]
    assert desk.admit(1.0)[0] == ["b2", "a3"]


def test_a_light_call_does_not_overtake_a_heavy_one_that_waits_for_the_same_limit() -> None:
    desk = Desk({"ip": (10, 1.0)}, {"heavy": {"ip": 5}, "light": {"ip": 1}})
    desk.join("heavy", "first")
    assert desk.admit(0.0)[0] == ["first"]
    desk.join("light", "fits")
    assert desk.admit(0.25)[0] == ["fits"]
    desk.join("heavy", "second")
    desk.join("light", "third")
    assert desk.admit(0.5) == ([], 1.0)
    assert desk.admit(1.0) == (["second", "third"], math.inf)


def test_nor_in_the_very_instant_that_filled_the_limit() -> None:
    desk = Desk({"ip": (10, 0.1)}, {"heavy": {"ip": 8}, "light": {"ip": 1}})
    for now in (0.0, 0.7, 1234.567, 99_999.9):
        desk.join("heavy", "first")
        desk.join("heavy", "second")
        desk.join("light", "third")
        assert desk.admit(now)[0] == ["first"]
        assert desk.admit(now + 0.2)[0] == ["second", "third"]
        desk.admit(now + 0.4)


def test_a_call_held_up_elsewhere_lets_later_ones_pass_and_keeps_its_own_room() -> None:
    desk = Desk(
        {"orders": (1, 1.0), "ip": (4, 10.0)}, {"orders": {"orders": 1, "ip": 2}, "book": {"ip": 1}}
    )
    desk.join("orders", "o1")
    desk.join("orders", "o2")
    assert desk.admit(0.0) == (["o1"], 1.0)
    desk.join("book", "b1")
    # Two units of "ip" are free, and "o2" will need both.
    assert desk.admit(0.5) == ([], 1.0)
    assert desk.admit(1.0) == (["o2"], 10.0)
    assert desk.admit(10.0) == (["b1"], math.inf)


def test_room_beyond_what_the_earlier_call_needs_is_used() -> None:
    desk = Desk(
        {"orders": (1, 1.0), "ip": (5, 10.0)}, {"orders": {"orders": 1, "ip": 2}, "book": {"ip": 1}}
    )
    desk.join("orders", "o1")
    desk.join("orders", "o2")
    desk.join("book", "b1")
    assert desk.admit(0.0) == (["o1", "b1"], 1.0)
    assert desk.admit(1.0) == (["o2"], math.inf)


def test_a_long_wait_elsewhere_keeps_nothing_that_is_back_in_time() -> None:
    desk = Desk(
        {"daily": (1, 86_400.0), "ip": (4, 1.0)},
        {"report": {"daily": 1, "ip": 4}, "book": {"ip": 1}},
    )
    desk.join("report", "r1")
    assert desk.admit(0.0)[0] == ["r1"]
    desk.join("report", "r2")
    desk.join("book", "b1")
    assert desk.admit(86_398.5) == (["b1"], 86_400.0)
    desk.join("book", "b2")
    assert desk.admit(86_399.5) == ([], 86_400.0)
    assert desk.admit(86_400.0) == (["r2"], 86_401.0)
    assert desk.admit(86_401.0)[0] == ["b2"]


def test_lines_that_share_no_limit_do_not_hold_each_other_up() -> None:
    desk = Desk({"a": (1, 100.0), "b": (1, 1.0)}, {"a": {"a": 1}, "b": {"b": 1}})
    for name in ("1", "2"):
        desk.join("a", f"a{name}")
        desk.join("b", f"b{name}")
    assert desk.admit(0.0) == (["a1", "b1"], 1.0)
    assert desk.admit(1.0) == (["b2"], 100.0)


def test_one_behind_a_reservation_larger_than_the_capacity_waits_for_an_admission() -> None:
    desk = Desk({"own": (1, 1.0), "ip": (4, 1.0)}, {"all": {"own": 1, "ip": 4}, "light": {"ip": 1}})
    desk.join("all", "x")
    assert desk.admit(0.0)[0] == ["x"]
    desk.join("all", "y")
    desk.join("light", "z")
    assert desk.admit(0.5) == ([], 1.0)
    assert desk.admit(1.0) == (["y"], 2.0)
    assert desk.admit(2.0) == (["z"], math.inf)


def test_one_that_gave_up_is_passed_over_and_pays_nothing() -> None:
    desk = Desk({"a": (1, 1.0)}, {"a": {"a": 1}})
    desk.join("a", "gone").given_up = True
    desk.join("a", "next")
    assert desk.admit(0.0) == (["next"], math.inf)


def test_leaving_tells_whether_others_may_go_now() -> None:
    desk = Desk({"a": (1, 1.0)}, {"a": {"a": 1}})
    head, middle = desk.join("a", "head"), desk.join("a", "middle")
    desk.join("a", "last")
    assert desk.lines.leave(desk.lanes["a"], middle) is False
    assert desk.lines.leave(desk.lanes["a"], head) is True
    assert desk.lines.leave(desk.lanes["a"], head) is False
    assert desk.admit(0.0)[0] == ["last"]
    assert desk.lines.waiting == {}


def test_a_call_that_waits_for_two_limits_waits_for_the_later() -> None:
    for order in (("a", "b"), ("b", "a")):
        desk = Desk(
            {"a": (1, 1.0), "b": (1, 3.0)}, {"both": dict.fromkeys(order, 1), "a": {"a": 1}}
        )
        desk.join("both", "first")
        desk.join("both", "second")
        assert desk.admit(0.0) == (["first"], 3.0)


def test_a_light_call_does_not_pass_one_that_a_third_keeps_waiting() -> None:
    desk = Desk(
        {"own": (1, 1.0), "ip": (4, 0.25)},
        {"own": {"own": 1, "ip": 2}, "heavy": {"ip": 3}, "light": {"ip": 1}},
    )
    desk.join("own", "o1")
    assert desk.admit(0.0)[0] == ["o1"]
    for limit_id, name in (("own", "o2"), ("heavy", "h"), ("light", "l")):
        desk.join(limit_id, name)
    # "ip" is empty, but two units of it are for "o2", and the three of "h" do not fit beside them.
    assert desk.admit(0.75) == ([], 1.0)
    assert desk.admit(1.0) == (["o2"], 1.25)
    assert desk.admit(1.25) == (["h", "l"], math.inf)
