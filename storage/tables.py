"""The main database's tables, section by section. Core tables, not mapped classes: rows come and go as the dataclasses
of those who own them (directory, records, api), whose field names are the column names.

Times are BIGINT microseconds UTC, 0 = has not happened; ids are text and never used again; JSON is text. Foreign keys
are checked at the commit, so that a service may write in any order and give its own error first. A change here needs
a revision in storage/migrations.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint

__all__ = [
    "addresses",
    "blacklist",
    "contacts",
    "cursors",
    "dial_classes",
    "directory_state",
    "entry_points",
    "extensions",
    "handlings",
    "hours",
    "inbox",
    "interactions",
    "last_seats",
    "legs",
    "marks",
    "media",
    "menus",
    "metadata",
    "outbound_codes",
    "people",
    "person_limits",
    "person_queues",
    "person_skills",
    "prompts",
    "queues",
    "recording_chain",
    "recording_contacts",
    "recording_files",
    "recording_log",
    "recording_problems",
    "recording_seats",
    "recordings",
    "segments",
    "service_records",
    "skills",
    "statuses",
    "supervisions",
    "tokens",
    "transfers",
    "trunks",
    "vips",
]

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _id(name: str = "id") -> Column[str]:
    return Column(name, Text, primary_key=True)


def _text(name: str, value: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=value)


def _time(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _count(name: str, value: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=str(value))


def _flag(name: str, value: bool = False) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default="1" if value else "0")


def _to(name: str, target: str, *, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    key = ForeignKey(target, deferrable=True, initially="DEFERRED")
    return Column(name, Text, key, primary_key=primary_key, nullable=nullable)


def _definitions(name: str, *more: Column[str]) -> Table:
    """Things whose whole definition is one JSON text of a core dataclass, in the administrator's order."""
    definition: Column[str] = Column("definition", Text, nullable=False)
    return Table(name, metadata, _id(), definition, _count("position"), _flag("archived"), *more)


# --- directory: who and what there is (owned by directory) -----------------------------------------------------------

directory_state = Table(
    "directory_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # one row, id 1
    Column("revision", BigInteger, nullable=False),
    Column("policy", Text, nullable=False),
    _flag("outbound_record", True),
    Column(
        "generations", BigInteger, nullable=False, server_default="0"
    ),  # how many SIP passwords were ever named: extensions.generation is never given twice
)

media = _definitions("media")
statuses = _definitions("statuses")
queues = _definitions("queues", _text("move_to"), _text("hours"))
menus = _definitions("menus")
entry_points = _definitions("entry_points")
hours = _definitions("hours")
trunks = _definitions("trunks", _text("password"))  # sealed (directory.sealing); no other table holds one
outbound_codes = _definitions("outbound_codes")
dial_classes = _definitions("dial_classes")

skills = Table("skills", metadata, _id(), _text("name"))

people = Table(
    "people",
    metadata,
    _id(),
    _text("name"),
    _count("total_limit"),
    _flag("one_open_case"),
    _text("dial_class"),
    _flag("archived"),
)

person_queues = Table(
    "person_queues",
    metadata,
    _to("person_id", "people.id", primary_key=True),
    _to("queue_id", "queues.id", primary_key=True),
    _count("rank"),
    Index(None, "queue_id"),
)

person_skills = Table(
    "person_skills",
    metadata,
    _to("person_id", "people.id", primary_key=True),
    _to("skill_id", "skills.id", primary_key=True),
    _count("level", 1),
)

person_limits = Table(
    "person_limits",
    metadata,
    _to("person_id", "people.id", primary_key=True),
    _to("medium_id", "media.id", primary_key=True),
    _count("limit"),
)

extensions = Table(
    "extensions",
    metadata,
    _id("number"),
    _text("kind"),
    _count("generation", 1),  # names the SIP password, which is derived (storage.settings) and lies in no table
    _text("short_code"),  # V16: what may be dialled instead of it
    _to("person_id", "people.id", nullable=True),
    UniqueConstraint("person_id"),
)

prompts = Table(  # the sound is a file; its name is the id, never what somebody called it
    "prompts",
    metadata,
    _id(),
    _text("name"),
    _text("music"),  # the music class it belongs to; empty: a prompt
    _text("source"),  # upload or espeak-ng
    _time("length"),
    _time("size"),
    _text("sha256"),
    _time("at"),
    Column("by", Text, nullable=False, server_default="", quote=True),
)

blacklist = Table(  # C8: by address id, so that erasing the address frees it of its number
    "blacklist",
    metadata,
    _id("address"),
    _time("at"),
    _time("until"),  # 0: for good
    Column("by", Text, nullable=False, server_default="", quote=True),
    _text("via"),
    _text("reason"),
)

vips = Table(
    "vips",
    metadata,
    _id("address"),
    _count("priority"),
    _time("at"),
    Column("by", Text, nullable=False, server_default="", quote=True),
)

# --- customers: the only place with numbers and names, so that they can be erased ------------------------------------

contacts = Table("contacts", metadata, _id(), _text("name"), _time("created_at"), _time("erased_at"))

addresses = Table(
    "addresses",
    metadata,
    _id(),
    _text("kind"),
    _text("raw"),  # erasing puts the row's own id here and empties the two below, so the key holds
    _text("e164"),
    _text("name"),
    _text("contact"),
    _time("erased_at"),
    UniqueConstraint("kind", "raw", "e164"),
    Index(None, "e164"),
    Index(None, "contact"),
)

last_seats = Table("last_seats", metadata, _id("address"), _text("seat"), _time("at"))  # D2: who served it last

# --- between the processes -------------------------------------------------------------------------------------------

inbox = Table(
    "inbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("by", Text, nullable=False, quote=True),  # a keyword of SQLite
    Column("via", Text, nullable=False),
    sqlite_autoincrement=True,  # an id that was handled and deleted must not come again: the log would refuse it
)

cursors = Table("cursors", metadata, _id("name"), Column("seq", BigInteger, nullable=False))

tokens = Table(
    "tokens",
    metadata,
    _id(),
    _text("name"),
    Column("digest", Text, nullable=False),
    _text("permissions"),
    _time("created_at"),
    _time("revoked_at"),
)

# --- records: what became of each contact, kept by consumers of the log (owned by records) ---------------------------

interactions = Table(
    "interactions",
    metadata,
    _id("item"),
    Column("number", BigInteger, nullable=False),
    _text("kind"),
    _text("medium"),
    _text("record"),
    _text("direction"),
    _text("account"),
    _text("queue"),
    _text("address"),
    _text("contact"),
    _text("leg"),
    _time("entered_at"),
    _text("phase"),
    _text("seat"),
    _time("arrived_at"),
    _time("queued_at"),
    _time("offered_at"),
    _time("accepted_at"),
    _time("media_up_at"),
    _time("ended_at"),
    _time("not_before"),
    _text("outcome"),
    _text("ended_by"),
    _count("sip"),
    _count("q850"),
    _count("offers"),
    _count("requeues"),
    _flag("fallback"),
    _flag("exact", True),
    _flag("recorded_outbound", True),
    _count("messages_customer"),
    _count("messages_seat"),
    _text("recording"),
    _text("reason"),  # why there is no service record (V13); empty when there is one
    _time("last_seq"),
    _text("origin"),
    _text("trunk"),
    _text("prefix"),
    _count("priority"),
    _text("last_seat"),
    _text("shape", "none"),
    _text("owner"),
    _time("dialled_at"),
    _time("left_at"),
    _flag("paused"),
    Index(None, "entered_at"),
    Index(None, "queue", "entered_at"),
    Index(None, "seat", "entered_at"),
    Index(None, "address"),
    Index(None, "record"),
    Index(None, "origin"),
)

segments = Table(
    "segments",
    metadata,
    _to("item", "interactions.item", primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    _text("kind"),
    _time("started_at"),
    _text("queue"),
    _text("seat"),
    _text("subject"),
    _time("rung_at"),
    _time("ended_at"),
    _text("result"),
    Index(None, "queue", "started_at"),
    Index(None, "seat", "started_at"),
)

legs = Table(
    "legs",
    metadata,
    _to("item", "interactions.item", primary_key=True),
    _id("leg"),
    _text("role"),
    _time("started_at"),
    _text("seat"),
    _time("answered_at"),
    _time("ended_at"),
    _count("sip"),
    _count("q850"),
    Index(None, "leg"),
)

handlings = Table(
    "handlings",
    metadata,
    _to("item", "interactions.item", primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    _text("seat"),
    _text("queue"),
    _text("medium"),
    _text("offer"),
    _time("accepted_at"),
    _time("media_up_at"),
    _time("ended_at"),
    _text("ended_by"),
    _time("wrap_up_at"),
    _time("finished_at"),
    _time("disposed_at"),
    _time("wrap_up_ended_at"),
    _text("wrap_up_how"),
    _text("role", "owner"),
    _time("owned_at"),
    _time("met_at"),
    _time("talk"),
    _time("hold"),
    _time("consult"),
    _text("how"),
    Index(None, "seat", "accepted_at"),
    Index(None, "queue", "accepted_at"),
)

transfers = Table(
    "transfers",
    metadata,
    _to("item", "interactions.item", primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    _text("kind"),
    _text("from_seat"),
    _time("asked_at"),
    _text("to_kind"),
    _text("to_id"),
    _text("leg"),
    _text("trunk"),
    _time("rung_at"),
    _time("answered_at"),
    _time("ended_at"),
    _text("result"),
    _count("sip"),
    _count("q850"),
    Index(None, "from_seat", "asked_at"),
)

supervisions = Table(
    "supervisions",
    metadata,
    _to("item", "interactions.item", primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    _text("leg"),
    _text("seat"),
    _text("agent"),
    _text("mode"),
    _time("started_at"),
    _text("by"),
    _text("via"),
    _time("answered_at"),
    _time("ended_at"),
    _text("reason"),
    _text("ended_by"),
    _text("ended_via"),
    Index(None, "seat", "started_at"),
)

marks = Table(
    "marks",
    metadata,
    _to("item", "interactions.item", primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    _text("kind"),
    _time("at"),
    _text("subject"),
    _text("detail"),
    _time("amount"),
)

service_records = Table(  # R2
    "service_records",
    metadata,
    _id(),
    _to("item", "interactions.item"),
    _text("seat"),
    _text("queue"),
    _text("direction"),
    _text("channel_class"),
    _text("channel"),
    _text("account"),
    _text("address"),
    _text("contact"),
    _time("contact_at"),
    _time("service_start_at"),
    _time("conversation_end_at"),
    _time("service_end_at"),
    _time("disposed_at"),
    Index(None, "item"),
    Index(None, "contact_at"),
    Index(None, "seat", "service_start_at"),
    Index(None, "address"),
)

# --- recordings: where each sound file is, what is in it, who heard it (owned by recordings) --------------------------

recordings = Table(
    "recordings",
    metadata,
    _id("recording"),  # the stem of the raw file's name
    # from facts, written by the consumer alone
    _text("item"),
    _text("kind"),
    _text("direction"),
    _text("queue"),
    _text("entry"),
    _text("address"),
    _text("task"),
    _text("outcome"),
    _time("started_at"),
    _time("ended_at"),
    _text("seats"),
    _text("pauses"),
    _text("breaks"),
    _time("last_seq"),
    # from the sound, written by the keeper alone
    Column("state", Text, nullable=False, server_default="raw"),
    _text("reason"),
    _time("length"),
    _text("problems"),
    _count("tries"),
    _time("retry_at"),
    _flag("legal_hold"),
    _time("expires_at"),
    Index(None, "started_at"),
    Index(None, "queue", "started_at"),
    Index(None, "address", "started_at"),
    Index(None, "outcome", "started_at"),
    Index(None, "state", "started_at"),
    Index(None, "kind", "started_at"),
    Index(None, "legal_hold", "started_at"),
    Index(None, "length"),
    Index(None, "expires_at"),
    Index(None, "item"),
)

recording_seats = Table(  # everybody whose voice may be in it
    "recording_seats",
    metadata,
    _to("recording", "recordings.recording", primary_key=True),
    _id("seat"),
    _time("started_at"),
    Index(None, "seat", "started_at"),
)

recording_problems = Table(
    "recording_problems",
    metadata,
    _to("recording", "recordings.recording", primary_key=True),
    _id("problem"),
    _time("started_at"),
    Index(None, "problem", "started_at"),
)

recording_files = Table(
    "recording_files",
    metadata,
    _to("recording", "recordings.recording", primary_key=True),
    _text("file"),
    _text("codec"),
    _time("frames"),
    _time("size"),  # bytes of the sound as it can be heard; the encrypted file is a little larger
    _text("sha256"),
    _text("key_id"),  # of the master key that wraps the file's own; erasing empties both
    _text("wrapped_key"),
    _text("checks"),
    _text("peaks"),
    _time("stored_at"),
)

recording_chain = Table(  # what was stored and erased; each link is made with the one before
    "recording_chain",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _text("recording"),
    _text("what"),
    _time("at"),
    _text("sha256"),
    _text("link"),
    Index(None, "recording"),
)

recording_log = Table(  # who heard, took out, held or erased what
    "recording_log",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    _time("at"),
    _text("recording"),
    _text("what"),
    Column("by", Text, nullable=False, server_default="", quote=True),
    _text("via"),
    _text("detail"),
    Index(None, "recording"),
    Index(None, "at"),
)

recording_contacts = Table(  # what a recording will need of its contact; gone when the contact is over
    "recording_contacts",
    metadata,
    _id("item"),
    _text("direction"),
    _text("entry"),
    _text("address"),
    _text("queue"),
    _text("seats"),
    _text("other"),
    _text("joining"),
    _time("last_seq"),
)
