"""Voice: menus, hours, lines, outbound codes, dial classes, prompts, blacklist, VIPs. The menu inside an entry point
becomes a menu of its own."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "main_0003"
down_revision: str | None = "main_0002"


def _definitions(name: str, *more: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("archived", sa.Boolean(), server_default="0", nullable=False),
        *more,
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
    )


def upgrade() -> None:
    for name in ("menus", "hours", "outbound_codes", "dial_classes"):
        _definitions(name)
    _definitions("trunks", sa.Column("password", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "prompts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("music", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("length", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sha256", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prompts")),
    )
    op.create_table(
        "blacklist",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.Column("via", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_blacklist")),
    )
    op.create_table(
        "vips",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_vips")),
    )
    op.add_column("queues", sa.Column("hours", sa.Text(), server_default="", nullable=False))
    op.add_column("people", sa.Column("dial_class", sa.Text(), server_default="", nullable=False))
    op.add_column("extensions", sa.Column("short_code", sa.Text(), server_default="", nullable=False))
    _menus_of_their_own()


def _menus_of_their_own() -> None:
    """What lay in an entry point goes into the table; the revision grows, so that the engine takes it up."""
    link = op.get_bind()
    entries = sa.table("entry_points", sa.column("id", sa.Text), sa.column("definition", sa.Text))
    menus = sa.table(
        "menus", sa.column("id", sa.Text), sa.column("definition", sa.Text), sa.column("position", sa.Integer)
    )
    for position, (entry, body) in enumerate(link.execute(sa.select(entries.c.id, entries.c.definition)).all()):
        given = json.loads(body)
        if "menu" not in given:
            continue
        menu = given.pop("menu")
        if menu is not None:
            made = _menu(f"entry-{entry}", menu)
            link.execute(sa.insert(menus).values(id=made["id"], definition=_text(made), position=position))
            given["start"] = {"way": "menu", "to": made["id"]}
        link.execute(sa.update(entries).where(entries.c.id == entry).values(definition=_text(given)))
    state = sa.table("directory_state", sa.column("revision", sa.BigInteger))
    link.execute(sa.update(state).values(revision=state.c.revision + 1))


def _menu(menu_id: str, menu: dict[str, Any]) -> dict[str, Any]:
    options = [{"digit": one["digit"], "to": _queue(one["queue"])} for one in menu["options"]]
    times: dict[str, Any] = {name: menu[name] for name in ("timeout", "tries") if name in menu}
    return {"id": menu_id, "prompt": menu["prompt"], "options": options, "default": _queue(menu["default"]), **times}


def _queue(queue: str) -> dict[str, str]:
    return {"way": "queue", "to": queue}


def _text(given: dict[str, Any]) -> str:
    return json.dumps(given, separators=(",", ":"), ensure_ascii=False)
