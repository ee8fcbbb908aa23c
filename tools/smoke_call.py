"""One call inside an Asterisk: it boots on loopback, dials itself, plays a tone and must hear it.

Used by set-up before a fetched Asterisk is put in place, and by hand: tools/smoke-call [FOLDER]
"""

from __future__ import annotations

import array
import contextlib
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.say import ROOT, say, stop

TONE_HZ = 1004.0
DEADLINE_S = 40.0
# What Ringside uses; each must be running once Asterisk says that it is fully booted.
REQUIRED = (
    "app_mixmonitor",
    "app_queue",
    "app_record",
    "app_stasis",
    "bridge_holding",
    "bridge_softmix",
    "cel_custom",
    "chan_pjsip",
    "codec_opus_open_source",
    "format_wav",
    "func_periodic_hook",
    "res_agi",
    "res_ari_channels",
    "res_http_websocket",
    "res_musiconhold",
    "res_pjsip_transport_websocket",
    "res_rtp_asterisk",
    "res_srtp",
    "res_stasis_recording",
    "res_timing_timerfd",
)
# These open sockets of their own when they are loaded without a configuration.
NOT_LOADED = ("chan_iax2", "chan_unistim", "pbx_dundi", "res_snmp", "chan_skinny", "chan_mgcp")


class SmokeFailed(Exception):
    """The Asterisk did not boot or the call did not come about; the text says where it stopped."""


def free_port() -> int:
    """A TCP port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(root: Path, work: Path, port: int, secret: str) -> dict[str, str]:
    """The smallest configuration that makes a call without a phone."""
    found = [*root.glob("usr/lib/*/asterisk/modules"), *root.glob("usr/lib/asterisk/modules")]
    if not found:
        raise SmokeFailed(f"no modules under {root}/usr/lib")
    folders = {
        "astetcdir": work,
        "astmoddir": found[0],
        "astdatadir": root / "usr/share/asterisk",
        "astvarlibdir": work,
        "astdbdir": work,
        "astkeydir": work,
        "astspooldir": work,
        "astrundir": work,
        "astlogdir": work,
        "astcachedir": work,
        "astagidir": work,
        "astsbindir": root / "usr/sbin",
    }
    listed = "".join(f"{key} => {value}\n" for key, value in folders.items())
    return {
        "asterisk.conf": f"[directories]\n{listed}[options]\nnocolor = yes\n",
        "modules.conf": "[modules]\nautoload = yes\n" + "".join(f"noload = {name}.so\n" for name in NOT_LOADED),
        "logger.conf": "[logfiles]\nmessages.log => error,warning\n",
        "manager.conf": f"[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = {port}\n"
        f"[smoke]\nsecret = {secret}\nread = all\nwrite = all\n",
        "http.conf": "[general]\nenabled = no\n",
        "ari.conf": "[general]\nenabled = yes\n[smoke]\ntype = user\n" + f"password = {secret}\n",
        "musiconhold.conf": "[default]\nmode = files\ndirectory = moh\n",
        "queues.conf": "[general]\n",
        "cel.conf": "[general]\nenable = no\n",
        "cel_custom.conf": "[mappings]\n",
        "pjsip.conf": "[global]\ntype = global\n",
        "extensions.conf": "[smoke]\n"
        f"exten => play,1,Answer(0,i)\n same => n,Playtones({TONE_HZ:.0f})\n same => n,Wait(20)\n"
        f"exten => hear,1,Answer(0,i)\n same => n,Record({work}/heard.wav,0,1,qk)\n"
        " same => n,UserEvent(Heard)\n",
    }


class Manager:
    """Just enough AMI for one call: send an action, wait for a message."""

    def __init__(self, port: int, alive: Callable[[], bool], deadline: float) -> None:
        """Connect as soon as the port answers, or SmokeFailed."""
        self.deadline, self.buffer = deadline, b""
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=2)
                break
            except OSError:
                if not alive():
                    raise SmokeFailed("Asterisk ended while it was booting") from None
                if time.monotonic() > deadline:
                    raise SmokeFailed("the manager port did not open") from None
                time.sleep(0.02)
        self.messages = self._messages()

    def _messages(self) -> Iterator[dict[str, str]]:
        while True:
            while b"\r\n\r\n" in self.buffer:
                block, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
                pairs = (line.split(": ", 1) for line in block.decode(errors="replace").split("\r\n"))
                yield {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
            self.socket.settimeout(max(0.01, self.deadline - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                data = b""
            if not data:
                raise SmokeFailed("no more answers from Asterisk")
            self.buffer += data

    def send(self, **fields: str) -> None:
        """Send one action."""
        lines = [f"{key}: {value}\r\n" for key, value in fields.items()]
        self.socket.sendall("".join([*lines, "\r\n"]).encode())

    def until(self, what: str, wanted: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """The first message that fits, or SmokeFailed naming `what`."""
        try:
            return next(message for message in self.messages if wanted(message))
        except SmokeFailed as failed:
            raise SmokeFailed(f"{what}: {failed}") from None


@contextlib.contextmanager
def booted(root: Path, work: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Asterisk in the foreground, ended by its process id whatever happens."""
    with (work / "stdout").open("wb") as out:
        process = subprocess.Popen(
            [str(root / "run-bin/asterisk"), "-f", "-C", str(work / "asterisk.conf")],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def call(manager: Manager, secret: str) -> None:
    """Log in, wait for the boot, look at the modules, place the call and wait until it has been heard."""
    manager.send(Action="Login", Username="smoke", Secret=secret, Events="on")
    manager.until("FullyBooted", lambda m: m.get("Event") == "FullyBooted")
    for module in REQUIRED:
        manager.send(Action="ModuleCheck", Module=module, ActionID=module)
        answer = manager.until(f"module {module}", lambda m, wanted=module: m.get("ActionID") == wanted)  # type: ignore[misc]
        if answer.get("Response") != "Success":
            raise SmokeFailed(f"module {module} is not running")
    manager.send(
        Action="Originate",
        Channel="Local/play@smoke/n",
        Context="smoke",
        Exten="hear",
        Priority="1",
        Async="true",
    )
    reply = manager.until("the call", lambda m: m.get("Event") == "OriginateResponse")
    if reply.get("Response") != "Success":
        raise SmokeFailed(f"the call was not answered (reason {reply.get('Reason')})")
    manager.until("the recording", lambda m: m.get("UserEvent") == "Heard")


def tone_share(path: Path, hertz: float) -> float:
    """Share of the recording's power that lies at one frequency, 0 to 1 (Goertzel over the whole file)."""
    with wave.open(str(path)) as file:
        rate, samples = file.getframerate(), array.array("h", file.readframes(file.getnframes()))
    if len(samples) < rate // 4:
        return 0.0
    turn = 2 * math.cos(2 * math.pi * hertz / rate)
    older = old = 0.0
    for sample in samples:
        older, old = old, sample + turn * old - older
    power = old * old + older * older - turn * old * older
    total = sum(sample * sample for sample in samples) * len(samples) / 2
    return power / total if total else 0.0


def smoke_call(root: Path, deadline_s: float = DEADLINE_S) -> str:
    """Boot the Asterisk under `root`, make the call, tell in one line what was heard. Raises SmokeFailed."""
    began = time.monotonic()
    root = root.absolute()
    with tempfile.TemporaryDirectory(prefix="ringside-smoke-") as name:
        work, port, secret = Path(name), free_port(), secrets.token_hex(16)
        for file, text in configuration(root, work, port, secret).items():
            (work / file).write_text(text)
        (work / "keys").mkdir()
        with booted(root, work) as process:
            try:
                manager = Manager(port, lambda: process.poll() is None, began + deadline_s)
                boot_s = time.monotonic() - began
                with manager.socket:
                    call(manager, secret)
            except SmokeFailed as failed:
                said = (work / "stdout").read_text(errors="replace")[-800:]
                raise SmokeFailed(f"{failed}\n{said}".rstrip()) from None
        share = tone_share(work / "heard.wav", TONE_HZ)
    if share < 0.8:
        raise SmokeFailed(f"the call was answered but the tone was not heard (share {share:.2f})")
    return f"booted in {boot_s:.1f} s, call answered, {TONE_HZ:.0f} Hz heard ({share:.0%} of the power)"


def main() -> int:
    """Command line: tools/smoke-call [FOLDER]."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".asterisk"
    if not os.access(folder / "run-bin/asterisk", os.X_OK):
        stop(f"no Asterisk in {folder}: run tools/get-asterisk")
    try:
        say(smoke_call(folder))
    except SmokeFailed as failed:
        stop(f"smoke call failed: {failed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
