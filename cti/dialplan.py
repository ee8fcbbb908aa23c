"""extensions.conf as text, generated from the settings.

A caller's way: `entry` asks FastAGI once (which plans the call and names its item), then hands the channel to the app
in Stasis. Wherever that is not to be had, he ends in `fallback`: a plain queue of the seats that were Ready last, whose
members live in astdb, so they are there when every process of ours is dead. Everybody who is not yet talking bears
RINGSIDE_WAITING, the order in which cti.rescue takes them (microseconds UTC; the app empties it when he talks, and sets
it again when he waits once more). The marks RINGSIDE_FALLBACK and RINGSIDE_SERVED in the CEL tell a later takeover what
happened meanwhile.

What a caller can choose (the number dialled) is filtered to digits, * and # before it is used in an application, and
no pattern matches `h`, `s` or another name.

A phone's REFER is ours (ADR 0013): each way a phone's channel comes to be says so to Asterisk, here by `Set` for what
it dials and by a pre-dial routine for what rings it. Should one be without it, Asterisk looks for the transfer's target
in the context `nowhere`, which has none, and refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cti.config import AsteriskSettings, Trunk
from cti.dialling import EXTENSION_LEG, TRANSFERS_OURS, entries_of

FROM_OUTSIDE = "from-outside"
FROM_AGENTS = "from-agents"
RESCUE = "rescue"
FALLBACK = "fallback"

ITEM_VARIABLE = "RINGSIDE_ITEM"
OFFER_VARIABLE = "RINGSIDE_OFFER"
SEAT_VARIABLE = "RINGSIDE_SEAT"
WAITING_VARIABLE = "RINGSIDE_WAITING"
ENTRY_VARIABLE = "RINGSIDE_ENTRY"
REFUSED_VARIABLE = "RINGSIDE_REFUSED"
TRUNK_VARIABLE = "RINGSIDE_TRUNK"
DID_VARIABLE = "RINGSIDE_DID"

FALLBACK_MARK = "RINGSIDE_FALLBACK"  # extra: entry number, space, caller's number, when he enters the fall-back
SERVED_MARK = "RINGSIDE_SERVED"  # extra: seat, on the seat's channel when it talks to him
EMERGENCY_MARK = "RINGSIDE_EMERGENCY"  # extra: the number

AWAY_STEP_S = 0.5
NOWHERE = "nowhere"
LONGEST_FALLBACK_S = 900  # a caller nobody takes hears words after a quarter of an hour, not music for ever
PLAIN_RING_S = 30
# 20 digits are more than E.164's 15 and any prefix.
DIALLED = "${FILTER(0-9*#+,${EXTEN}):0:24}"
# A carrier tells us the number of one who withholds it (P-Asserted-Identity with Privacy: id); nobody here may see it.
WITHHELD = 'ExecIf($["${CALLERID(pres):0:6}" = "prohib"]?Set(CALLERID(all)=))'
CALLER = "${FILTER(0-9+,${CALLERID(num)}):0:24}"


def context(name: str, *extens: str) -> str:
    """One context."""
    return f"[{name}]\n" + "".join(extens)


def exten(pattern: str, *steps: str) -> str:
    """One extension and its steps in order; a step may bear a label: "(label)App()"."""
    lines = []
    for place, step in enumerate(steps):
        label, app = _labelled(step)
        lines.append((f"exten => {pattern},1{label}," if place == 0 else f" same => n{label},") + app + "\n")
    return "".join(lines)


def _labelled(step: str) -> tuple[str, str]:
    """("(label)", "App()") of "(label)App()", or ("", step)."""
    if not step.startswith("("):
        return "", step
    label, app = step[1:].split(")", 1)
    return f"({label})", app


def included(name: str, contexts: Iterable[str]) -> str:
    """A context that only includes others."""
    return f"[{name}]\n" + "".join(f"include => {other}\n" for other in contexts)


def entry_numbers(given: AsteriskSettings) -> str:
    """What the outside may reach: the entry numbers and nothing else."""
    return context("entries", *(exten(number, f"Goto(entry,{number},1)") for number in given.entries))


def trunk_numbers(trunk: Trunk, entries: Sequence[str]) -> str:
    """What a carrier may reach: the entry points of its numbers and nothing else."""
    return context(
        trunk.context,
        *(
            exten(
                number, f"Set({TRUNK_VARIABLE}={trunk.name})", f"Set({DID_VARIABLE}={did})", f"Goto(entry,{target},1)"
            )
            for number, (target, did) in entries_of(trunk, entries).items()
        ),
    )


def entry(given: AsteriskSettings) -> str:
    """One round trip to plan the call, then the app; without the app, the fall-back."""
    away_tries = round(given.app_away_s / AWAY_STEP_S)
    return context(
        "entry",
        *(
            exten(
                number,
                TRANSFERS_OURS,  # our own phones may dial entry numbers, too
                WITHHELD,
                f"Set({ENTRY_VARIABLE}={number})",
                f"Set({WAITING_VARIABLE}=${{STRFTIME(,,%s%6q)}})",
                f"AGI({given.agi_url},${{{TRUNK_VARIABLE}}},${{{DID_VARIABLE}}})",
                f'GotoIf($["${{{REFUSED_VARIABLE}}}" != ""]?refused)',
                "Set(TRIES=0)",
                # Without an item (AGISTATUS is not SUCCESS, or the engine was too slow) the app plans again.
                f"(app)Stasis({given.app},entry,{number})",
                # Back here alive, either because the app let him go on, or it is away. A restart takes 2 s: he hears
                # it ring that long instead of losing his place to the plain queue.
                f'GotoIf($["${{STASISSTATUS}}" != "FAILED" | ${{TRIES}} >= {away_tries}]?{FALLBACK},s,1)',
                "Set(TRIES=$[${TRIES} + 1])",
                "Ringing()",
                f"Wait({AWAY_STEP_S})",
                "Goto(app)",
                "(refused)Progress()",
                "Playback(cannot-complete-as-dialed,noanswer)",
                "Hangup(1)",
            )
            for number in given.entries
        ),
    )


def fallback() -> str:
    """The plain queue, with marks. Queue() sets MEMBERNAME on both channels before they are joined."""
    return context(
        FALLBACK,
        exten(
            "s",
            f"CELGenUserEvent({FALLBACK_MARK},${{{ENTRY_VARIABLE}}} {CALLER})",
            "Answer(0,i)",
            f"Set({WAITING_VARIABLE}=)",  # cti.rescue waits for it before it sends the next one
            f"Queue({FALLBACK},,,,{LONGEST_FALLBACK_S},,fallback-served)",
            "Playback(all-circuits-busy-now&please-try-call-later)",
            "Hangup(34)",
        ),
    ) + context(
        "fallback-served", exten("s", TRANSFERS_OURS, f"CELGenUserEvent({SERVED_MARK},${{MEMBERNAME}})", "Return()")
    )


def emergency(given: AsteriskSettings) -> str:
    """Emergency numbers go out by themselves: no app, no status, no log-in is asked. Line after line is tried."""
    return context("emergency", *(exten(number, *_for_help(given, number)) for number in given.emergency_numbers))


def _for_help(given: AsteriskSettings, number: str) -> Iterable[str]:
    yield TRANSFERS_OURS
    yield f"CELGenUserEvent({EMERGENCY_MARK},{number})"
    own = {trunk.name: trunk.number for trunk in given.trunks if trunk.number}
    for destination in given.dials_for_emergency(number):
        line = destination.removeprefix("PJSIP/").partition("/")[0].rpartition("@")[2]
        if line in own:
            yield f"Set(CALLERID(num)={own[line]})"  # who is called back by the police must be reachable
        yield f"Dial({destination}{_PHONE_RINGS if destination.removeprefix('PJSIP/').isdigit() else ''})"
    yield "Progress()"
    yield "Playback(all-circuits-busy-now,noanswer)"
    yield "Congestion(10)"


# Options of Dial() to a phone of ours: no time limit of its own, the pre-dial routine.
_PHONE_RINGS = f",,b({EXTENSION_LEG}^s^1)"


def agents(given: AsteriskSettings) -> str:
    """What our own phones may dial. Includes are searched in order and emergency comes first."""
    return (
        included(FROM_AGENTS, ("emergency", "entries", "agents-echo", "agents-dial"))
        + context("agents-echo", exten("*43", TRANSFERS_OURS, "Answer(0,i)", "Echo()", "Hangup()"))
        + context(
            "agents-dial",
            exten(
                "_[0-9*#+]!",
                TRANSFERS_OURS,
                f"Set(RINGSIDE_DIALLED={DIALLED})",
                "Set(RINGSIDE_CODE=${RINGSIDE_DIALLED})",
                *(
                    f'ExecIf($["${{RINGSIDE_CODE}}" = "{code}"]?Set(RINGSIDE_DIALLED={extension}))'
                    for code, extension in given.short_codes
                ),
                f"Stasis({given.app},dial,${{RINGSIDE_DIALLED}})",
                # The app is away: extensions are reached plainly, the rest is refused with words.
                # An endpoint whose name is digits is an extension, so nothing here leads to a carrier.
                'GotoIf($["${FILTER(0-9,${RINGSIDE_DIALLED})}" != "${RINGSIDE_DIALLED}"]?refused)',
                f"Dial(PJSIP/${{RINGSIDE_DIALLED}},{PLAIN_RING_S},b({EXTENSION_LEG}^s^1))",
                'GotoIf($["${DIALSTATUS}" = "BUSY"]?busy)',
                "(refused)Progress()",
                "Playback(cannot-complete-as-dialed,noanswer)",
                "Hangup(1)",
                "(busy)Hangup(17)",
            ),
        )
    )


def rescue() -> str:
    """Where AMI Redirect sends a caller whose engine is silent."""
    return context(RESCUE, exten("s", f"Goto({FALLBACK},s,1)"))


def legs() -> str:
    """What is run on a channel that rings a phone of ours, and the context in which nothing is to be found."""
    return context(EXTENSION_LEG, exten("s", TRANSFERS_OURS, "Return()")) + context(NOWHERE)


def extensions_conf(given: AsteriskSettings) -> str:
    """The whole dialplan."""
    parts: Sequence[str] = (
        "; generated by cti.dialplan: changes are overwritten",
        "[general]\nstatic=yes\nwriteprotect=yes\nautofallthrough=yes\n",
        f"[globals]\nTRANSFER_CONTEXT={NOWHERE}\n",
        included(FROM_OUTSIDE, ("entries",)),
        *(trunk_numbers(trunk, given.entries) for trunk in given.trunks),
        entry_numbers(given),
        entry(given),
        agents(given),
        emergency(given),
        rescue(),
        fallback(),
        legs(),
        given.extra_dialplan,
    )
    return "\n".join(part for part in parts if part)
