"""The demo's directory: three queues, six agents with extensions, three entry points. Running it again changes
nothing, also when the administrator has changed it since."""

from __future__ import annotations

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from acd.core.codec import dump
from acd.core.model import (
    SECOND,
    Destination,
    Menu,
    MenuOption,
    QueueDef,
    Ring,
    SeatProfile,
    SeatQueue,
    SkillLevel,
    Strategy,
    Way,
    WrapUpEnding,
    WrapUpRule,
)
from directory import changes, service
from directory.catalog import MEDIA, POLICY, STATUSES
from directory.definitions import read_revision
from directory.dial_rules import CALLBACK, FORWARD
from directory.model import DialClass, EntryPoint
from storage import tables

SERVICE, SALES, VIP = "service", "sales", "vip"

SKILLS: tuple[tuple[str, str], ...] = (("mandarin", "國語"), ("english", "英語"), ("vip", "貴賓"))

QUEUES: tuple[QueueDef, ...] = (
    QueueDef(
        id=SERVICE,
        name="客服",
        strategy=Strategy.EQUAL_LOAD,
        skill_relaxed=True,
        no_answer_back_off=10 * SECOND,
        wrap_up=WrapUpRule(WrapUpEnding.TIMER, after=3 * SECOND),
    ),
    QueueDef(
        id=SALES,
        name="銷售",
        strategy=Strategy.EQUAL_TOTALS,
        no_answer_back_off=10 * SECOND,
        wrap_up=WrapUpRule(WrapUpEnding.TIMER, after=3 * SECOND),
    ),
    QueueDef(
        id=VIP,
        name="貴賓",
        strategy=Strategy.LONGEST_IDLE,
        needs=(SkillLevel("vip"),),
        rings=(Ring(after=30 * SECOND, needs=()),),
        last_agent_first=True,
        no_answer_back_off=10 * SECOND,
        wrap_up=WrapUpRule(WrapUpEnding.TIMER, after=3 * SECOND),
    ),
)

VIP_PRIORITY = 60
"""With the policy's weight of a second a point, a VIP stands as if he had come a minute earlier (D19)."""

MENU = Menu(
    id="main",
    prompt="vm-press",
    options=(MenuOption("1", Destination(Way.QUEUE, SERVICE)), MenuOption("2", Destination(Way.QUEUE, SALES))),
    default=Destination(Way.QUEUE, SERVICE),
    timeout=4 * SECOND,
    tries=1,
)
ENTRIES: tuple[EntryPoint, ...] = (
    EntryPoint(id="81", name="客服專線", queue=SERVICE, greeting="hello", start=Destination(Way.MENU, MENU.id)),
    EntryPoint(id="82", name="銷售專線", queue=SALES, greeting="hello"),
    EntryPoint(id="83", name="貴賓專線", queue=VIP, priority=VIP_PRIORITY),
    EntryPoint(id="web", name="網頁客服", queue=SERVICE, medium="chat"),
)

BOTH = (SkillLevel("mandarin", 3), SkillLevel("english", 2))
ONE = (SkillLevel("mandarin", 3),)
FOR_VIP = (SkillLevel("mandarin", 3), SkillLevel("english", 3), SkillLevel("vip", 1))


def _agent(number: str, queues: tuple[str, ...], skills: tuple[SkillLevel, ...]) -> SeatProfile:
    ranked = tuple(SeatQueue(queue, rank) for rank, queue in enumerate(queues))
    return SeatProfile(id=f"agent-{number}", extension=number, queues=ranked, skills=skills)


AGENTS: tuple[SeatProfile, ...] = (
    _agent("8001", (SERVICE, SALES), BOTH),
    _agent("8002", (SERVICE,), ONE),
    _agent("8003", (SERVICE, VIP), FOR_VIP),
    _agent("8004", (SALES,), ONE),
    _agent("8005", (SALES, SERVICE), BOTH),
    _agent("8006", (VIP, SALES), FOR_VIP),
)
NAMES = ("陳怡君", "林志豪", "黃淑芬", "張家豪", "李美玲", "王建國")


NATIONAL = "national"


def dial_classes(region: str) -> tuple[DialClass, ...]:
    """What a new installation has: nothing at all, and the numbers of its own country that cost nothing extra; callers
    may be called back and led there within the country."""
    return (
        DialClass("internal", "只撥分機"),
        DialClass(NATIONAL, "國內", allow=(region,)),
        DialClass(CALLBACK, "回電", allow=(region,)),
        DialClass(FORWARD, "轉接外線", allow=(region,)),
    )


def seed_basics(session: Session, region: str = "TW") -> bool:
    """Statuses, media, dial classes and policy of a new installation. False when a directory is there already: nothing
    changes."""
    if read_revision(session):
        return False
    for medium in MEDIA:
        service.keep(session, tables.media, medium)
    for status in STATUSES:
        service.keep(session, tables.statuses, status)
    for dial_class in dial_classes(region):
        service.keep(session, tables.dial_classes, dial_class)
    service.changed(session)
    session.execute(update(tables.directory_state).values(policy=dump(POLICY)))
    return True


def seed_demo(session: Session, region: str = "TW") -> bool:
    """The demo's queues, agents, extensions and entry points. False when they are there already."""
    seed_basics(session, region)
    if session.execute(select(tables.people.c.id).where(tables.people.c.id == AGENTS[0].id)).scalar() is not None:
        return False
    known = frozenset(session.scalars(select(tables.skills.c.id)))
    fresh = [{"id": skill, "name": name} for skill, name in SKILLS if skill not in known]
    if fresh:
        session.execute(insert(tables.skills), fresh)
    for queue in QUEUES:
        service.put_queue(session, queue)
    for agent, name in zip(AGENTS, NAMES, strict=True):
        service.create_extension(session, agent.extension)
        service.create_seat(session, agent, name)
        service.set_dial_class(session, agent.id, NATIONAL)
    changes.put_menu(session, MENU)
    for entry in ENTRIES:
        service.put_entry_point(session, entry)
    return True
