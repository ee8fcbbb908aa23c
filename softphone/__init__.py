"""A SIP phone, robots that use it, and tones to tell who hears whom.

The phone is ``ringside phone`` (``python -m softphone``): one process, JSON events on standard output, JSON
commands on standard input. It needs the optional extra ``softphone`` (pjsua2); this package imports nothing else
of Ringside. pjsua2 allows one phone a process and aborts the process when misused, so programs and tests never
import ``softphone.phone``: they drive a child process::

    from softphone.robots import PhoneProcess

    async with await PhoneProcess.start(
        "8001", server="127.0.0.1:5060", password=secret, tone=660, record=folder / "agent.wav"
    ) as agent, await PhoneProcess.start(
        "0912345678", server="127.0.0.1:5060", register=False, display_name="王小明", tone=440, listen=True
    ) as caller:                                     # register=False: an anonymous caller
        await caller.call("81")                      # sip:81@server; "sip:x@host:port" is called as it is
        incoming = await agent.expect("incoming", within=10)
        await agent.answer()                         # the call that has waited longest
        await agent.expect("answered")
        await agent.until_hears(440)                 # sound, not signalling, is the proof
        await caller.until_hears(660)
        await caller.dtmf("12#")
        await agent.expect("dtmf", digit="1")
        await agent.hold(); await caller.expect("media", status="remote-hold"); await agent.resume()
        await agent.mute(); await caller.until_silent(); await agent.unmute()
        await agent.hang_up()
        ended = await caller.expect("ended")         # ended["code"], ["reason"], ["seconds"], ["by"]: us | them
        await agent.expect("recorded")               # only now is the file complete

    softphone.tones.measure(folder / "agent.wav").heard      # frozenset({440}); amplitudes, silence share ...

Waiting. ``expect(name, within=5.0, **fields)`` gives each event of a name once and in the order of its call, however
late it is asked for, and never one at or before one it gave; filter with fields or ``where=``; ``since=phone.mark()``
looks from a mark instead. It raises ``NotSaid`` (an AssertionError listing the last events) or ``PhoneGone`` (``.code``
is the exit code) at once when the phone is dead. ``do(command, **fields)`` waits for the command's answer and raises
``CommandRefused``. ``phone.history`` holds all events, each with ``.at``, the machine's monotonic clock, so times of
two phones can be subtracted.

Starting. ``start`` returns when the phone is ready, and registered if ``server`` is given (``register=False``: not);
a wrong password or a dead server is a ``PhoneGone`` with code 3 or 4. A phone without ``server`` can still be called
at ``phone.uri`` and call full addresses: two phones on loopback need nothing else. A start takes 0.1 s of CPU, a
phone 26 MB, idle 0.4 % of a core. A phone ends when its driver ends, even by kill -9 (its standard input ends).

Events: ready, registered, register-failed, unregistered, calling, incoming, ringing, answered, media, dtmf, heard,
recorded, ended, transfer-requested, transfer, replaced, rings, levels, sound-failed, sound-back, done, error. Their
fields: ``softphone.events``. Commands: see ``softphone.session.COMMANDS``. ``listen=True`` adds a ``heard`` event
whenever the set of heard tones changes; the tones known are ``softphone.tones.KNOWN`` unless ``tones=(...)`` names
others (keep 100 Hz between them).

A phone that is to vanish: ``await phone.do("unregister")`` (and ``"register"`` again), or ``await phone.kill()``
for a power cut. ``do("stats")`` gives the RTP counters of a call.

A person's phone has microphone, speaker and ringer (``softphone.sound``) and takes our own build of pjsua2
(``softphone.library``); docs/guide/softphone.md tells of it. ``arguments=["--sound", ...]`` starts one from a program.

Robots. ``softphone.robots.CallerRobot`` calls, waits with patience, presses keys, talks, and reports;
``AgentRobot`` registers and answers call after call.
"""
