"""Who may call what: outbound codes, dial classes, emergency and premium numbers; callbacks, numbers in menus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from acd.core.inputs import MenuDefined, TrunkDefined, TrunkRetired
from acd.core.model import Destination, Menu, MenuOption, Route, SeatProfile, TrunkDef, Way
from acd.ports import AddressSeen, CallerNumber, DialRefused
from cti.config import NumberRules
from cti.config import Trunk as Line
from cti.dialling import written
from directory import callers, changes, service
from directory.definitions import DirectoryConfiguration, DirectoryError, read_snapshot
from directory.dialling import DirectoryDialPlans, decide, outside
from directory.model import DialClass, EntryPoint, OutboundCode, SeatClass, Snapshot, Trunk
from directory.plans import DirectoryPlans
from directory.sealing import CannotOpen, opened, seal
from storage import tables
from storage.session import Database
from tests.support.copies import demo_database

EMERGENCY = ("110", "119")
KEY = bytes(range(32))
TRUNK = Trunk("carrier", "電信", "192.0.2.1", cap=2)
CODES = (
    OutboundCode("81", "客服線", "carrier", shown="+886223456781", queue="service", default=True),
    OutboundCode("82", "銷售線", "carrier", shown="+886223456782", queue="sales"),
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """The demo's directory with a line and two outbound codes."""
    found = demo_database(tmp_path)
    with found.write() as session:
        changes.put_trunk(session, TRUNK, KEY, "s3cret;x")
        for code in CODES:
            changes.put_code(session, code)
    yield found
    found.close()


def plans(database: Database) -> DirectoryDialPlans:
    return DirectoryDialPlans(database, region="TW", emergency=EMERGENCY)


def route(database: Database, dialled: str, seat: str = "agent-8001") -> Route:
    found = plans(database).route(seat, dialled)
    assert isinstance(found, Route), found
    return found


def test_an_outbound_code_chooses_line_number_shown_and_wrap_up(database: Database) -> None:
    sales = route(database, "820912345678")
    assert (sales.trunk, sales.prefix, sales.shown) == ("carrier", "82", "+886223456782")
    with database.read() as session:
        assert sales.wrap_up == read_snapshot(session).queue("sales").wrap_up  # type: ignore[union-attr]
    assert route(database, "0912345678").prefix == "81"
    assert route(database, "82+886912345678").prefix == "82"
    assert plans(database).number_of(sales.address) == "+886912345678"


def test_a_number_is_one_address_however_it_is_dialled(database: Database) -> None:
    spellings = ("0912345678", "+886912345678", "82 0912-345-678", "820912345678")
    assert len({route(database, dialled).address for dialled in spellings}) == 1
    seen = AddressSeen("81", CallerNumber("0912345678", "+886912345678"))
    plan = DirectoryPlans(database).plan(seen)
    assert plan is not None
    assert plan.address == route(database, "0912345678").address


@pytest.mark.parametrize(
    ("seat", "dialled", "code"),
    [
        ("nobody", "0912345678", "unknown_seat"),
        ("agent-8002", "0912345678", "no_dial_class"),
        ("agent-8003", "0912345678", "destination_not_allowed"),  # internal only
        ("agent-8001", "+12025550123", "destination_not_allowed"),
        ("agent-8001", "82+447911123456", "destination_not_allowed"),
        ("agent-8001", "002447911123456", "destination_not_allowed"),  # the international prefix changes nothing
        ("agent-8001", "0204123456", "premium_not_allowed"),
        ("agent-8001", "+886999", "bad_number"),
        ("agent-8001", "12", "bad_number"),
        ("agent-8001", "", "bad_number"),
        ("agent-8001", "0912345678;ext=1", "bad_number"),
        ("agent-8001", "0912345678\n110", "bad_number"),
        ("agent-8001", "９１１", "bad_number"),
        ("agent-8001", "9" * 500, "bad_number"),
    ],
)
def test_destinations_are_denied_by_default(database: Database, seat: str, dialled: str, code: str) -> None:
    with database.write() as session:
        service.set_dial_class(session, "agent-8002", "")
        service.set_dial_class(session, "agent-8003", "internal")
    before = addresses(database)
    found = plans(database).route(seat, dialled)
    assert isinstance(found, DialRefused), found
    assert (found.code, bool(found.say)) == (code, True)
    assert addresses(database) == before


def addresses(database: Database) -> int:
    with database.read() as session:
        return len(session.execute(select(tables.addresses.c.id)).all())


@pytest.mark.parametrize("dialled", ["110", "119", "82110", "81119"])
def test_emergency_numbers_pass_every_class(database: Database, dialled: str) -> None:
    with database.write() as session:
        service.set_dial_class(session, "agent-8002", "")
    found = route(database, dialled, "agent-8002")
    assert found.emergency
    assert plans(database).number_of(found.address) == dialled[-3:]


def test_emergency_goes_by_any_line_that_is_there(database: Database) -> None:
    with database.write() as session:
        changes.put_code(session, OutboundCode("81", "客服線", "carrier"))
    assert route(database, "110").emergency
    with database.write() as session:
        changes.remove(session, "outbound code", "81")
        changes.remove(session, "outbound code", "82")
    found = plans(database).route("agent-8001", "110")
    assert isinstance(found, DialRefused)
    assert found.code == "no_line"


def test_what_a_class_denies_is_denied_whatever_it_allows(database: Database) -> None:
    with database.write() as session:
        changes.put_dial_class(session, DialClass("national", "國內", ("TW", "1922"), ("+88693",)))
    assert route(database, "0912345678").trunk == "carrier"
    assert route(database, "1922").address
    refused = plans(database).route("agent-8001", "0932345678")
    assert isinstance(refused, DialRefused)
    assert refused.code == "destination_not_allowed"


SNAPSHOT = Snapshot(
    trunks=(TRUNK,),
    codes=CODES,
    dial_classes=(DialClass("tw", "TW", ("TW",)),),
    seats=(SeatProfile("amy"),),
    classes=(SeatClass("amy", "tw"),),
)


@given(st.text(st.sampled_from("0123456789+*#- 8128860091"), max_size=24))
@settings(deadline=None, max_examples=300)
def test_nothing_but_the_allowed_country_ever_gets_out(dialled: str) -> None:
    """Toll fraud: whatever is dialled, a route is to a valid number of the country that costs nothing extra, or to
    an emergency number."""
    found = decide(SNAPSHOT, "amy", dialled, "TW", EMERGENCY)
    if isinstance(found, DialRefused):
        return
    called, emergency = found
    if emergency:
        assert called.raw in EMERGENCY
        return
    number = phonenumbers.parse(called.e164)
    assert phonenumbers.region_code_for_number(number) == "TW"
    assert phonenumbers.number_type(number) != phonenumbers.PhoneNumberType.PREMIUM_RATE


def test_callback_is_to_the_callers_own_number_where_the_class_allows(database: Database) -> None:
    with database.write() as session:
        service.put_entry_point(session, EntryPoint("82", "銷售專線", "sales", callback="82"))
    entry_plans = DirectoryPlans(database)
    local = entry_plans.plan(AddressSeen("82", CallerNumber("0912345678", "+886912345678"), trunk="carrier"))
    assert local is not None
    assert local.callback is not None
    assert (local.callback.address, local.callback.prefix, local.trunk) == (local.address, "82", "carrier")
    abroad = entry_plans.plan(AddressSeen("82", CallerNumber("+12025550123", "+12025550123")))
    hidden = entry_plans.plan(AddressSeen("82", CallerNumber("", "")))
    other = entry_plans.plan(AddressSeen("83", CallerNumber("0912345678", "+886912345678")))
    assert [plan and plan.callback for plan in (abroad, hidden, other)] == [None, None, None]


def test_a_menu_leads_outside_by_the_line_of_now(database: Database) -> None:
    with database.write() as session:
        way = outside(session, read_snapshot(session), "0223456789", "82", "TW")
        assert callers.number_of(session, way.address) == "+886223456789"
        to = Destination(Way.OUTSIDE, route=Route(way.address, "", prefix="82"))
        changes.put_menu(session, Menu("out", "hello", (MenuOption("9", to),), Destination(Way.QUEUE, "sales")))
        changes.put_trunk(session, Trunk("other", "另一線", "192.0.2.2"), KEY)
        changes.put_code(session, OutboundCode("82", "銷售線", "other"))
    given = DirectoryConfiguration(database).definitions()
    menu = next(one.menu for one in given if isinstance(one, MenuDefined) and one.menu.id == "out")
    assert menu.options[0].to.route is not None
    assert menu.options[0].to.route.trunk == "other"
    with database.write() as session, pytest.raises(DirectoryError, match="does not allow"):
        outside(session, read_snapshot(session), "+12025550123", "82", "TW")


def test_trunks_reach_the_core_with_their_cap_and_go(database: Database) -> None:
    configuration = DirectoryConfiguration(database)
    assert TrunkDefined(TrunkDef("carrier", 2)) in configuration.definitions()
    with database.write() as session:
        changes.put_trunk(session, Trunk("old", "舊", "192.0.2.9"), KEY)
        changes.remove(session, "trunk", "old")
    assert TrunkRetired("old") in configuration.definitions()


def test_a_carriers_password_lies_sealed_and_bound_to_its_line(database: Database) -> None:
    with database.read() as session:
        kept = session.execute(select(tables.trunks.c.password, tables.trunks.c.definition)).one()
        assert changes.trunks_with_passwords(session, KEY) == [(TRUNK, "s3cret;x")]
    assert "s3cret" not in kept.password + kept.definition
    assert seal("x", KEY, "a") != seal("x", KEY, "a")
    for key, about in ((bytes(32), "carrier"), (KEY, "other")):
        with pytest.raises(CannotOpen):
            opened(kept.password, key, about)
    with pytest.raises(CannotOpen):
        opened("rubbish", KEY, "carrier")


def test_an_erased_address_gives_no_number(database: Database) -> None:
    found = route(database, "0912345678")
    with database.write() as session:
        erased = {"raw": found.address, "e164": "", "name": "", "erased_at": 1}
        session.execute(update(tables.addresses).where(tables.addresses.c.id == found.address).values(**erased))
    assert plans(database).number_of(found.address) == ""


@pytest.mark.parametrize(
    ("dial_class", "code", "put"),
    [
        (
            "callback",
            "no_callback_class",
            lambda s: service.put_entry_point(s, EntryPoint("82", "銷售專線", "sales", callback="82")),
        ),
        (
            "forward",
            "no_forward_class",
            lambda s: changes.put_menu(
                s,
                Menu(
                    "out",
                    "hello",
                    (MenuOption("1", Destination(Way.QUEUE, "sales")),),
                    Destination(Way.OUTSIDE, route=Route("a-1", "", prefix="82")),
                ),
            ),
        ),
    ],
)
def test_what_calls_outside_by_itself_names_the_dial_class_it_lacks(
    database: Database, dial_class: str, code: str, put: Callable[[Session], None]
) -> None:
    with database.write() as session:
        changes.remove(session, "dial class", dial_class)
    with pytest.raises(DirectoryError, match=f"dial class {dial_class}") as refused, database.write() as session:
        put(session)
    assert refused.value.code == code
    with database.write() as session:
        changes.put_dial_class(session, DialClass(dial_class, "x", allow=("TW",)))
        put(session)
    with pytest.raises(DirectoryError) as kept, database.write() as session:
        changes.remove(session, "dial class", dial_class)
    assert kept.value.code == code


def test_as_is_sends_a_number_as_it_is_kept(database: Database) -> None:
    dial = plans(database)
    trunk = Line("carrier", "192.0.2.1", rules=NumberRules())
    for dialled, sent in (("820912345678", "+886912345678"), ("82110", "110")):
        found = route(database, dialled)
        assert written(dial.number_of(found.address), trunk, "TW") == sent
