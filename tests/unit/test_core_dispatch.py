"""Who gets what: D1-D5, D7-D9, D13, D14, D17, D19, timed relaxation, and one rule for voice and text."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.model import SECOND, Strategy
from acd.core.reply import Code
from tests.support.scene import MEDIA, TEXT, Scene, queue, skill


@pytest.mark.feature("D1")
@pytest.mark.parametrize(
    ("mode", "expected"),
    [(Strategy.LONGEST_IDLE, "idle"), (Strategy.EQUAL_TOTALS, "fewest"), (Strategy.EQUAL_LOAD, "free")],
)
def test_the_admin_chooses_the_mode_and_each_mode_orders_by_its_own_measure(mode: Strategy, expected: str) -> None:
    """The same three seats: one idle longest (3 served, 3 held), one served fewest (2, 2), one with no load (4, 0)."""
    scene = Scene(queue(strategy=mode), queue("idle"), queue("fewest"), queue("free"))
    for name in ("idle", "fewest", "free"):
        scene.seat(name, "q", name)
        scene.wait(5)
    for name, count in (("idle", 3), ("fewest", 2), ("free", 4)):
        for _ in range(count):
            chat = scene.text(name)
            scene.answer(chat)
            if name == "free":
                scene.hang_up(chat)
    assert scene.offered_to(scene.text("q")) == expected
    assert scene.facts(f.Offered)[-1].strategy is mode
    assert scene.facts(f.Offered)[-1].candidates == 3


# --- D2 ----------------------------------------------------------------------------------------------------------

FIRST = queue(last_agent_first=True)


@pytest.mark.feature("D2")
def test_last_agent_first_if_he_is_online() -> None:
    """He gets it although another has been idle longer; offline, anybody does."""
    scene = Scene(FIRST)
    for name in ("long_idle", "last"):
        scene.seat(name, "q")
        scene.wait(10)
    item = scene.text("q", last_seat="last")
    assert scene.offered_to(item) == "last"
    assert scene.facts(f.Offered)[-1].rule is m.OfferRule.LAST_AGENT
    scene.hang_up(item)
    scene.done(i.SeatSignedOut("last"))
    assert scene.offered_to(scene.text("q", last_seat="last")) == "long_idle"


@pytest.mark.feature("D2")
def test_last_agent_first_never_passes_over_skills_or_cap() -> None:
    """Online, but without the skill or full: somebody else gets it at once."""
    scene = Scene(FIRST)
    scene.seat("last", "q", limits=(m.MediumLimit("chat", 1),))
    scene.wait(10)
    scene.seat("other", "q", skills=(skill("zh"),))
    assert scene.offered_to(scene.text("q", needs=(skill("zh"),), last_seat="last")) == "other"
    held = scene.text("q", last_seat="last")
    assert scene.offered_to(held) == "last"
    assert scene.offered_to(scene.text("q", last_seat="last")) == "other"


def test_the_waiting_budget_of_last_agent_first() -> None:
    """Within the budget the item waits for him while others are free, then goes to them; free in time, he has it."""
    for free_after, expected in ((None, "other"), (4, "last")):
        scene = Scene(queue(last_agent_first=True, last_agent_wait=10 * SECOND))
        scene.seat("last", "q", limits=(m.MediumLimit("chat", 1),))
        held = scene.text("q")
        assert scene.answer(held) == "last"
        scene.seat("other", "q")
        item = scene.text("q", last_seat="last")
        assert scene.offered_to(item) == ""
        scene.wait(4)
        if free_after:
            scene.hang_up(held)
        scene.wait(5.9)
        assert scene.offered_to(item) == ("last" if free_after else "")
        scene.wait(0.2)
        assert scene.offered_to(item) == expected


@pytest.mark.feature("D2", "D3")
def test_who_is_kept_for_his_last_agent_rings_there_as_soon_as_d3_lets_him() -> None:
    """The agent lost the skill while at a meal; then the only other who has it signs out."""
    scene = Scene(queue(last_agent_first=True, last_agent_wait=60 * SECOND, skill_relaxed=True))
    english = (skill("english"),)
    for name in ("a", "b"):
        scene.seat(name, "q", skills=english)
        scene.choose(name, "meal")
    item = scene.call("q", needs=english, last_seat="a")
    scene.done(i.SeatProfileSet(replace(scene.state.seats["a"].profile, skills=())))
    scene.choose("a", "ready")
    assert (scene.offered_to(item), scene.state.items[item].sticky_seat) == ("", "a")
    scene.done(i.SeatSignedOut("b"))
    assert scene.offered_to(item) == "a"


# --- D3 ----------------------------------------------------------------------------------------------------------


@pytest.mark.feature("D3")
def test_nobody_online_has_the_skill_so_everybody_may() -> None:
    """Skill-relaxed: agents without the skill get it, and the decision says that D3 was in force."""
    scene = Scene(queue(skill_relaxed=True))
    scene.seat("plain", "q")
    scene.seat("skilled", "q", skills=(skill("zh", 3),), ready=False)
    item = scene.text("q", needs=(skill("zh", 2),))
    assert scene.offered_to(item) == "plain"
    assert scene.facts(f.Offered)[-1].relaxed


@pytest.mark.feature("D3")
@pytest.mark.parametrize("why", ["away", "full", "off_shift"])
def test_one_online_agent_with_the_skill_keeps_the_rule_strict_free_or_not(why: str) -> None:
    """ "Online", not "free": at a meal, full or off shift, he keeps it strict; when he signs out it is relaxed."""
    scene = Scene(queue(skill_relaxed=True))
    scene.seat("plain", "q")
    scene.seat("skilled", "q", skills=(skill("zh"),), limits=(m.MediumLimit("chat", 1),))
    held = ""
    if why == "away":
        scene.choose("skilled", "away")
    elif why == "off_shift":
        scene.done(i.ShiftChanged("skilled", False))
    else:
        held = scene.text("q", needs=(skill("zh"),))
        scene.answer(held)
    item = scene.text("q", needs=(skill("zh"),))
    assert scene.offered_to(item) == ""
    scene.wait(3600)
    assert scene.offered_to(item) == ""
    if why == "full":
        scene.hang_up(held)
        assert scene.offered_to(item) == "skilled"
    else:
        scene.done(i.SeatSignedOut("skilled"))
        assert scene.offered_to(item) == "plain"


@pytest.mark.feature("D3")
def test_the_strict_rule_comes_back_when_a_skilled_agent_signs_in() -> None:
    """Re-decided when the last skilled one leaves or the first comes; a level too low is no skill."""
    scene = Scene(queue(skill_relaxed=True))
    scene.seat("plain", "q")
    scene.seat("novice", "q", skills=(skill("zh", 1),))
    scene.seat("skilled", "q", skills=(skill("zh", 2),), ready=False)
    assert scene.offered_to(scene.text("q", needs=(skill("zh", 2),))) in ("plain", "novice")
    scene.done(i.SeatSignedIn("skilled"))
    item = scene.text("q", needs=(skill("zh", 2),))
    assert scene.offered_to(item) == ""
    assert not scene.world.state.seats["skilled"].offers


def test_a_strict_queue_never_relaxes() -> None:
    """Without the mode the skill is needed, whoever is online."""
    scene = Scene(queue())
    scene.seat("plain", "q")
    assert scene.offered_to(scene.text("q", needs=(skill("zh"),))) == ""


def test_timed_relaxation_opens_ring_by_ring() -> None:
    """Its own rule beside D3: after 15 s the lower level will do, after 40 s no skill is asked."""
    rings = (m.Ring(15 * SECOND, (skill("zh", 1),)), m.Ring(40 * SECOND, ()))
    scene = Scene(queue(rings=rings))
    scene.seat("plain", "q")
    scene.seat("expert", "q", skills=(skill("zh", 3),), ready=False)
    item = scene.text("q", needs=(skill("zh", 3),))
    began = scene.now
    scene.wait(14.9)
    assert scene.state.items[item].ring == 0
    scene.wait(0.2)
    assert scene.state.items[item].needs == (skill("zh", 1),)
    assert scene.offered_to(item) == ""
    scene.wait(25)
    assert scene.offered_to(item) == "plain"
    assert scene.times(f.Relaxed) == [began + 15 * SECOND, began + 40 * SECOND]
    assert not scene.facts(f.Offered)[-1].relaxed, "D3 was not what relaxed it"


# --- capacity: D4, D8, D14, D17 ------------------------------------------------------------------------------------


@pytest.mark.feature("D4")
def test_the_cap_counts_handled_and_being_offered_and_nothing_comes_until_it_drops() -> None:
    """Cap 3 over all media: one handled and two only offered fill it; the next comes when one drops."""
    scene = Scene(queue())
    scene.seat("a", "q", total_limit=3)
    handled = scene.text("q")
    scene.answer(handled)
    offered = [scene.text("q"), scene.text("q", "mail")]
    assert [scene.offered_to(item) for item in offered] == ["a", "a"]
    waiting = scene.text("q")
    scene.wait(5)
    assert scene.offered_to(waiting) == ""
    assert scene.holds("a") == 3
    scene.hang_up(offered[0])
    assert scene.offered_to(waiting) == "a"


@pytest.mark.feature("D8")
def test_the_fifteenth_chat_is_accepted_and_the_sixteenth_is_not() -> None:
    """Hard cap 15, even where a seat's own limit says more; when a dead one is closed the 16th comes."""
    for limit in (15, 99):
        scene = Scene(queue())
        scene.seat("a", "q", limits=(m.MediumLimit("chat", limit),))
        chats = [scene.text("q") for _ in range(15)]
        assert [scene.answer(chat) for chat in chats] == ["a"] * 15
        sixteenth = scene.text("q")
        assert scene.offered_to(sixteenth) == ""
        assert scene.refused(i.ItemPicked("a", sixteenth)).code is Code.SEAT_FULL
        assert len(scene.state.seats["a"].handlings) == 15
        scene.hang_up(chats[0])
        assert scene.offered_to(sixteenth) == "a"


@pytest.mark.feature("D14")
def test_the_admin_edits_a_seats_most_lines() -> None:
    """Raised, one more comes at once; lowered below what it holds, nothing is taken away and nothing comes."""
    scene = Scene(queue())
    scene.seat("a", "q", limits=(m.MediumLimit("chat", 2),))
    chats = [scene.text("q") for _ in range(4)]
    assert [scene.offered_to(chat) for chat in chats] == ["a", "a", "", ""]
    profile = scene.state.seats["a"].profile
    queues = profile.queues
    scene.done(i.SeatProfileSet(m.SeatProfile("a", profile.extension, queues, limits=(m.MediumLimit("chat", 3),))))
    assert [scene.offered_to(chat) for chat in chats] == ["a", "a", "a", ""]
    scene.done(i.SeatProfileSet(m.SeatProfile("a", profile.extension, queues, limits=(m.MediumLimit("chat", 1),))))
    assert [scene.offered_to(chat) for chat in chats] == ["a", "a", "a", ""]
    scene.hang_up(chats[0])
    assert scene.offered_to(chats[3]) == ""


@pytest.mark.feature("D17")
def test_one_open_case_at_a_time() -> None:
    """Having replied and not finished, he gets no other new case of any medium; before the reply he does."""
    scene = Scene(queue())
    scene.seat("a", "q", one_open_case=True)
    first, second = scene.text("q"), scene.text("q")
    scene.answer(first)
    scene.answer(second)
    scene.done(i.MessageNoted(first, m.Party.CUSTOMER))
    third = scene.text("q")
    assert scene.offered_to(third) == "a", "the customer's words are no reply"
    scene.answer(third)
    scene.done(i.MessageNoted(first, m.Party.SEAT))
    others = [scene.text("q"), scene.text("q", "mail"), scene.call("q")]
    assert [scene.offered_to(item) for item in others] == ["", "", ""]
    scene.finish(first)
    assert scene.offered_to(others[0]) == "a"


def test_a_call_keeps_text_away_and_text_does_not_keep_calls_away() -> None:
    """Voice excludes everything (design §4); another rule is another row of data."""
    scene = Scene(queue())
    scene.seat("a", "q")
    scene.answer(scene.text("q"))
    call = scene.call("q")
    assert scene.answer(call) == "a"
    chat = scene.text("q")
    assert scene.offered_to(chat) == ""
    scene.done(i.MediumDefined(m.MediumDef("voice", m.Presence.VOICE, 1, 1, excludes=("voice",), needs_phone=True)))
    assert scene.offered_to(chat) == "a"


# --- D5 ----------------------------------------------------------------------------------------------------------


@pytest.mark.feature("D5")
@pytest.mark.parametrize("seconds", [10, 20, 60, 180])
def test_not_picked_up_in_n_it_goes_to_another_agent_and_keeps_its_place(seconds: int) -> None:
    """At N, not before: the next agent, before anybody who came later."""
    scene = Scene(queue(ring_time=seconds * SECOND))
    for name in ("a", "b"):
        scene.seat(name, "q")
    scene.choose("b", "meal")
    first = scene.call("q")
    offered = scene.now
    assert scene.offered_to(first) == "a"
    later = scene.call("q")
    scene.wait(seconds - 0.5)
    assert scene.offered_to(first) == "a"
    scene.wait(1)
    assert scene.times(f.OfferEnded) == [offered + seconds * SECOND]
    assert (scene.offered_to(first), scene.offered_to(later)) == ("", "")
    scene.choose("b", "ready")
    assert (scene.offered_to(first), scene.offered_to(later)) == ("b", "")
    assert scene.facts(f.Offered)[-1].score[1] == scene.state.items[first].order


@pytest.mark.feature("D5")
def test_with_another_agent_free_the_re_dispatch_is_immediate_and_not_to_the_same() -> None:
    """The one who did not answer is not asked again; the back-off decides when he may be."""
    scene = Scene(queue(ring_time=15 * SECOND, no_answer_back_off=30 * SECOND))
    scene.seat("a", "q")
    scene.wait(1)
    scene.seat("b", "q")
    item = scene.call("q")
    scene.wait(15.1)
    assert scene.offered_to(item) == "b"
    scene.wait(15.1)
    assert scene.offered_to(item) == "", "both did not answer"
    scene.wait(15)
    assert scene.offered_to(item) == "a", "his back-off of 30 s is over"


# --- strategies: D7, D9 --------------------------------------------------------------------------------------------


def run_day(strategy: Strategy, *, last_agent: bool, seed: int) -> Scene:
    """A day with four seats: chats of random length, some seats away for an hour."""
    chance = random.Random(seed)
    scene = Scene(queue(strategy=strategy, last_agent_first=last_agent))
    for name in "abcd":
        scene.seat(name, "q")
    open_chats: list[str] = []
    for step in range(160):
        if step == 40:
            scene.choose("d", "away")
        if step == 60:
            scene.choose("d", "text_ready")
        last = chance.choice("abcd") if last_agent and chance.random() < 0.1 else ""
        chat = scene.text("q", last_seat=last)
        scene.answer(chat)
        open_chats.append(chat)
        scene.wait(chance.choice((5, 20, 60)))
        while len(open_chats) > 8 or (open_chats and chance.random() < 0.4):
            scene.hang_up(open_chats.pop(chance.randrange(len(open_chats))))
    return scene


@pytest.mark.feature("D7")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sales_mode_makes_the_days_totals_converge(seed: int) -> None:
    """銷售型: after an absence of 20 contacts the totals are equal again to within one."""
    scene = run_day(Strategy.EQUAL_TOTALS, last_agent=False, seed=seed)
    served = Counter(fact.seat for fact in scene.facts(f.Accepted))
    assert sum(served.values()) == 160
    assert max(served.values()) - min(served.values()) <= 1
    scene.done(i.DayStarted(2))
    assert {seat.total for seat in scene.state.seats.values()} == {0}, "totals are per day"


@pytest.mark.feature("D7")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_service_mode_makes_the_concurrent_loads_converge(seed: int) -> None:
    """客服型: each chat goes to the one with the least load, among equals to the one idle longest."""
    scene = Scene(queue(strategy=Strategy.EQUAL_LOAD))
    chance = random.Random(seed)
    for name in "abcd":
        scene.seat(name, "q")
    chats: list[str] = []
    for _ in range(120):
        before = {name: scene.holds(name) for name in "abcd"}
        idle = {name: scene.state.seats[name].idle_since for name in "abcd"}
        chat = scene.text("q")
        seat = scene.answer(chat)
        assert (before[seat], idle[seat], seat) == min((before[name], idle[name], name) for name in "abcd")
        chats.append(chat)
        scene.wait(chance.choice((1, 10)))
        while len(chats) > 20 or (chats and chance.random() < 0.3):
            scene.hang_up(chats.pop(chance.randrange(len(chats))))
    for _ in range(12):
        scene.answer(scene.text("q"))
    loads = [scene.holds(name) for name in "abcd"]
    assert max(loads) - min(loads) <= 1


@pytest.mark.feature("D7")
@pytest.mark.parametrize("strategy", [Strategy.EQUAL_TOTALS, Strategy.EQUAL_LOAD])
def test_both_modes_combine_with_last_agent_first(strategy: Strategy) -> None:
    """The last agent gets his customer back whatever the totals or loads; the rest still evens out."""
    scene = run_day(strategy, last_agent=True, seed=5)
    by_last = [fact for fact in scene.facts(f.Offered) if fact.rule is m.OfferRule.LAST_AGENT]
    plans = {fact.item: fact.plan.last_seat for fact in scene.facts(f.Entered)}
    assert len(by_last) >= 8
    assert all(plans[fact.item] == fact.seat for fact in by_last)
    served = Counter(fact.seat for fact in scene.facts(f.Accepted))
    assert set(served) == set("abcd")
    if strategy is Strategy.EQUAL_TOTALS:
        assert max(served.values()) - min(served.values()) <= 1 + len(by_last)


@pytest.mark.feature("D9")
def test_a_new_customer_goes_to_the_agent_with_the_fewest() -> None:
    """3, 1 and 2 customers: the one with 1 gets the next two, then they are even."""
    scene = Scene(queue(strategy=Strategy.EQUAL_LOAD), queue("qa"), queue("qb"), queue("qc"))
    for name in "abc":
        scene.seat(name, "q", f"q{name}")
    for name, count in (("a", 3), ("b", 1), ("c", 2)):
        for _ in range(count):
            assert scene.answer(scene.text(f"q{name}")) == name
    assert scene.answer(scene.text("q")) == "b"
    assert scene.answer(scene.text("q")) in ("b", "c")
    assert scene.answer(scene.text("q")) in ("b", "c")
    assert [scene.holds(name) for name in "abc"] == [3, 3, 3]


def test_who_joins_late_starts_at_the_mean() -> None:
    """Totals: a seat that signs in at noon is not flooded until it has caught up."""
    scene = Scene(queue(strategy=Strategy.EQUAL_TOTALS))
    for name in "ab":
        scene.seat(name, "q")
    for _ in range(10):
        chat = scene.text("q")
        scene.answer(chat)
        scene.hang_up(chat)
        scene.wait(1)
    scene.seat("late", "q")
    assert scene.state.seats["late"].total == 5
    served: Counter[str] = Counter()
    for _ in range(9):
        chat = scene.text("q")
        served[scene.answer(chat)] += 1
        scene.hang_up(chat)
        scene.wait(1)
    assert served == {"a": 3, "b": 3, "late": 3}


# --- D13, D19 ------------------------------------------------------------------------------------------------------


@pytest.mark.feature("D13")
def test_an_agent_takes_the_next_waiting_one_by_hand() -> None:
    """With somebody waiting the click takes the next; with nobody it is refused; the limits still hold."""
    scene = Scene(queue())
    scene.seat("a", "q", limits=(m.MediumLimit("chat", 2),))
    assert scene.refused(i.ItemPicked("a")).code is Code.NOT_WAITING
    scene.choose("a", "away")
    first, second, third = (scene.text("q") for _ in range(3))
    assert scene.done(i.ItemPicked("a")).item == first
    assert scene.state.items[first].seat == "a"
    assert scene.done(i.ItemPicked("a", third)).item == third
    assert scene.refused(i.ItemPicked("a", second)).code is Code.SEAT_FULL
    assert {fact.rule for fact in scene.facts(f.Offered)} == {m.OfferRule.PICKUP}


@pytest.mark.feature("D19")
def test_a_weight_of_1000_goes_first_and_the_longer_it_waits_the_more_urgent() -> None:
    """Urgent mail gets 1000: before everybody of the last 1000 s; older waiting beats it after that (linear ageing)."""
    for head_start, expected in ((900, "urgent"), (1100, "old")):
        scene = Scene(queue(), policy=m.Policy(priority_weight=SECOND))
        scene.seat("a", "q", limits=(m.MediumLimit("mail", 1),), ready=False)
        names = {scene.text("q", "mail"): "old"}
        scene.wait(head_start)
        names[scene.text("q", "mail", priority=1000)] = "urgent"
        scene.sign_in("a")
        scene.ready("a")
        assert [names[item] for item, _ in scene.offers()] == [expected]


def test_a_queues_rank_for_the_seat_comes_before_age() -> None:
    """A seat serves its first queue's contacts before older ones of its second."""
    scene = Scene(queue("first"), queue("second"))
    ranks = (m.SeatQueue("second", 1), m.SeatQueue("first", 0))
    scene.done(i.SeatProfileSet(m.SeatProfile("a", "100", ranks)))
    older = scene.call("second")
    scene.wait(100)
    younger = scene.call("first")
    scene.sign_in("a")
    scene.ready("a")
    assert (scene.offered_to(older), scene.offered_to(younger)) == ("", "a")


# --- queues come and go --------------------------------------------------------------------------------------------


def test_a_retired_queue_drains_or_moves_and_places_are_kept() -> None:
    """Draining serves those inside and takes nobody new; moving keeps the order of arrival."""
    scene = Scene(queue("old"), queue("new"))
    scene.seat("a", "new", ready=False)
    inside = [scene.call("old") for _ in range(2)]
    between = scene.call("new")
    last = scene.call("old")
    scene.done(i.QueueRetired("old", "new"))
    closed = scene.call("old")
    assert closed not in scene.state.items
    assert scene.facts(f.Ended)[-1].outcome is m.Outcome.CLOSED
    scene.sign_in("a")
    scene.ready("a")
    served = []
    for _ in range(4):
        item = next(one for one in (*inside, between, last) if one in scene.state.items and scene.offered_to(one))
        served.append(item)
        scene.answer(item)
        scene.hang_up(item)
    assert served == [*inside, between, last]

    scene = Scene(queue("old"))
    scene.seat("a", "old", ready=False)
    item = scene.call("old")
    scene.done(i.QueueRetired("old"))
    scene.sign_in("a")
    scene.ready("a")
    assert scene.offered_to(item) == "a"


# --- one rule for voice and text -----------------------------------------------------------------------------------


def play(scenario: list[tuple[str, int]], medium: str) -> list[tuple[int, str, str]]:
    """A scenario as calls or as chats; gives (arrival number of the contact, seat, rule) of each offer in order."""
    scene = Scene(queue("q0", last_agent_first=True), queue("q1", strategy=Strategy.EQUAL_TOTALS, skill_relaxed=True))
    scene.done(i.MediumDefined(m.MediumDef("chat", TEXT, 1, 1, excludes=("*",), wrap_up_blocks=("*",))))
    for number, name in enumerate("abc"):
        scene.seat(name, "q0", "q1", skills=(skill("zh"),) if number else ())
    items: list[str] = []
    for what, number in scenario:
        if what == "arrives":
            needs = (skill("zh"),) if number % 3 == 0 else ()
            last = "abc"[number % 3] if number % 5 == 0 else ""
            arrive = scene.call if medium == "voice" else scene.text
            items.append(arrive(f"q{number % 2}", priority=10 * (number % 2), needs=needs, last_seat=last))
        elif what == "waits":
            scene.wait(number % 9)
        elif what in ("answers", "leaves"):
            there = [one for one in items if one in scene.state.items]
            there = [one for one in there if scene.offered_to(one)] if what == "answers" else there
            if there:
                (scene.answer if what == "answers" else scene.hang_up)(there[number % len(there)])
        if what == "returns":
            name = "abc"[number % 3]
            scene.choose(name, "ready" if medium == "voice" else "text_ready")
    numbers = {fact.item: fact.number for fact in scene.facts(f.Entered)}
    return [(numbers[fact.item], fact.seat, fact.rule.value) for fact in scene.facts(f.Offered)]


@pytest.mark.parametrize("seed", range(12))
def test_the_same_scenario_as_calls_and_as_chats_gives_the_same_order(seed: int) -> None:
    """Lead 3: one dispatcher. Only the medium's row differs (one at a time here, as for voice)."""
    chance = random.Random(seed)
    kinds = ("arrives",) * 4 + ("answers",) * 4 + ("leaves",) * 3 + ("waits",) * 2 + ("returns",) * 3
    scenario = [(chance.choice(kinds), chance.randrange(30)) for _ in range(300)]
    calls, chats = play(scenario, "voice"), play(scenario, "chat")
    assert len(calls) >= 12
    assert calls == chats
    assert {medium.id for medium in MEDIA} >= {"voice", "chat"}
