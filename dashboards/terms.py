"""What each term of the field's dictionary and each row of the feature list is given by, and what no fact tells yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dashboards.erlang import ErlangC, erlang_c

TERMS: dict[str, tuple[str, ...]] = {
    "Offered": ("offered", "net_offered"),
    "Answered, answer rate": ("answered", "answer_rate"),
    "Abandoned, abandonment rate": (
        "abandoned",
        "abandon_rate",
        "abandon_rate_net",
        "abandon_rate_of_settled",
    ),
    "Short abandon": ("short_abandoned",),
    "SL (service level)": (
        "sl_negative",
        "sl_ignore",
        "sl_positive",
        "sl_answered_only",
        "sl_asterisk2",
        "sl_net",
        "sl_all_in",
        "sl_board",
        "sl_acd_report",
        "sl_acd_by_arrival",
    ),
    "SL event": ("sl_events",),
    "Interval attribution": ("answered_event", "abandoned_event", "flowed_out_event", "sl_events", "ended"),
    "ASA": ("asa", "answer_median", "answer_p90", "answer_longest"),
    "AHT": ("aht", "handle_total"),
    "ACW": ("acw_total", "acw_mean"),
    "Talk, hold, ring, consult": ("talk_total", "talk_mean", "hold_total", "ring_total", "consult_total"),
    "Hold time/rate": ("hold_total", "hold_mean", "hold_rate", "left_on_hold"),
    "Transfer rate": ("transfer_rate", "transfers_out", "transfers_consult", "transfers_blind", "transfers_queue"),
    "RNA": ("rna", "rejected", "unreachable", "left_ringing", "non_response", "non_response_without_abandons"),
    "Occupancy": ("occupancy", "occupancy_with_ring"),
    "Utilisation": ("utilisation",),
    "Availability / productive time": ("availability", "productive", "time_paused"),
    "FCR": ("fcr_proxy",),
    "Connection rate": ("connection_rate",),
    "Short call": ("short_calls",),
    "EWT": ("ewt",),
    "Erlang load": ("erlang_load",),
    "Text: FRT, NRT, RT": ("first_response", "first_response_open", "next_response", "resolution"),
    "Concurrency": ("concurrency",),
    "B1": (
        "waiting",
        "wait_longest",
        "answered",
        "seats_busy",
        "seats_ready",
        "seats_not_ready",
        "seats_here",
        "sl_board",
        "wait_mean",
    ),
    "P1": (
        "offered",
        "answer_rate",
        "abandon_rate",
        "abandoned_event",
        "late",
        "redispatched",
        "sl_acd_report",
        "overflow",
        "time_ready",
        "ready_longest",
        "ready_mean",
        "wait_total",
        "wait_longest",
        "wait_mean",
        "agent_answer_mean",
    ),
    "P2": (
        "time_here",
        "time_ready",
        "time_busy",
        "time_assigned",
        "time_paused",
        "time_wrap_up",
        "offers",
        "offers_accepted",
        "rna",
        "rejected",
        "ring_total",
        "outbound_dialled",
        "outbound_connected",
        "outbound_talk",
        "transfers_out",
        "transfers_in",
        "talk_total",
        "acw_total",
        "aht",
        "occupancy",
    ),
    "P3": (
        "handled",
        "finished",
        "unfinished",
        "handle_total",
        "aht",
        "messages_sent",
        "transfers_out",
        "transfers_in",
        "handled_fresh",
    ),
}
"""Term of the field's dictionary, or row of the feature list -> the figures that give it."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A part of a term that no fact tells yet. `fact` names what has to be recorded for it."""

    part: str
    fact: str


MISSING: dict[str, tuple[Missing, ...]] = {
    "Adherence": (Missing("adherence and conformance", "a seat's planned activities"),),
    "Shrinkage": (Missing("paid time", "a seat's planned activities"),),
    "CSAT": (Missing("positive answers, response rate", "a rating was asked for and given"),),
    "FCR": (Missing("the same reason", "the disposition's reason was saved"),),
    "Erlang A": (Missing("patience, fitted with censored waits", "none: the model comes with staffing"),),
    "P3": (Missing("positive and filled", "a rating was asked for and given"),),
}
"""What later issues bring, as data: a report names it instead of showing a wrong number."""

VOCABULARY: tuple[str, ...] = ("Grade of service, holding time, call attempt, busy hour",)
"""Terms of terms.md that are words and no figures."""

MODELS: dict[str, Callable[[float, int, float, float], ErlangC]] = {"Erlang C": erlang_c}
"""Terms that are models of numbers given to them, not figures of facts."""
