"""Records of every shape of a call: stretches by shape, transfers, supervision, marks. What an older Ringside wrote was
of two parties without holds, so each seat's part gets its times from its own ends and stays valid."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "main_0004"
down_revision: str | None = "main_0003"


def upgrade() -> None:
    for name, default in (("origin", ""), ("trunk", ""), ("prefix", ""), ("last_seat", ""), ("shape", "none")):
        op.add_column("interactions", sa.Column(name, sa.Text(), server_default=default, nullable=False))
    op.add_column("interactions", sa.Column("owner", sa.Text(), server_default="", nullable=False))
    op.add_column("interactions", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
    for name in ("dialled_at", "left_at"):
        op.add_column("interactions", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("interactions", sa.Column("paused", sa.Boolean(), server_default="0", nullable=False))
    op.create_index(op.f("ix_interactions_origin"), "interactions", ["origin"])
    op.add_column("handlings", sa.Column("role", sa.Text(), server_default="owner", nullable=False))
    op.add_column("handlings", sa.Column("how", sa.Text(), server_default="", nullable=False))
    for name in ("owned_at", "met_at", "talk", "hold", "consult"):
        op.add_column("handlings", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    _transfers()
    _supervisions()
    _marks()
    _times_of_older_parts()


def _part(name: str, *columns: sa.Column[str] | sa.Column[int]) -> None:
    op.create_table(
        name,
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["item"],
            ["interactions.item"],
            name=op.f(f"fk_{name}_item"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("item", "ordinal", name=op.f(f"pk_{name}")),
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _time(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def _transfers() -> None:
    _part(
        "transfers",
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
        sa.Column("sip", sa.Integer(), server_default="0", nullable=False),
        sa.Column("q850", sa.Integer(), server_default="0", nullable=False),
    )
    op.create_index(op.f("ix_transfers_from_seat_asked_at"), "transfers", ["from_seat", "asked_at"])


def _supervisions() -> None:
    _part(
        "supervisions",
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
    )
    op.create_index(op.f("ix_supervisions_seat_started_at"), "supervisions", ["seat", "started_at"])


def _marks() -> None:
    _part("marks", _text("kind"), _time("at"), _text("subject"), _text("detail"), _time("amount"))


def _times_of_older_parts() -> None:
    """A part was one talk from accept to leave. One that goes on has its talk open, which counts when it closes; the
    contact is then in a talk with that seat. A direct call's part names the call as its leg. A callback was joined
    when its seat took it, there was nobody to dial."""
    link = op.get_bind()
    link.execute(
        sa.text(
            "UPDATE handlings SET owned_at = accepted_at, met_at = accepted_at,"
            " talk = CASE WHEN ended_at > 0 THEN ended_at - accepted_at ELSE 0 END"
        )
    )
    going_on = "SELECT {} FROM handlings h WHERE h.item = interactions.item AND h.ended_at = 0"
    link.execute(
        sa.text(
            f"UPDATE interactions SET shape = 'talk', owner = ({going_on.format('max(h.offer)')})"
            f" WHERE EXISTS ({going_on.format('1')})"
        )
    )
