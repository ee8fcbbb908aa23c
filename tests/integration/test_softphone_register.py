"""Registering at a small registrar of our own, and the robots on top of it: exit codes, patience, talk time."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from softphone import tones
from softphone.process import PhoneGone, PhoneProcess
from softphone.robots import AgentPlan, AgentRobot, CallerPlan, CallerRobot

pytestmark = [pytest.mark.softphone, pytest.mark.asyncio]

ROOT = Path(__file__).resolve().parents[2]
SECRET = "Kp7-right-one"


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


class Registrar(asyncio.DatagramProtocol):
    """Answers REGISTER with digest authentication (RFC 2617, qop auth) and nothing else."""

    def __init__(self, passwords: dict[str, str]) -> None:
        self.passwords, self.contacts = passwords, dict[str, str]()
        self.answer = ""
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.transport.get_extra_info('sockname')[1]}"

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        text = data.decode()
        if not text.startswith("REGISTER "):
            return
        fields = dict(re.findall(r"^([A-Za-z-]+): *(.*?)\r?$", text, re.MULTILINE))
        user = re.search(r"sip:([^@>]+)@", fields["To"]).group(1)  # type: ignore[union-attr]
        proof = dict(re.findall(r'(\w+)="?([^",]+)"?', fields.get("Authorization", "")))
        code, extra = self.answer or self.judge(user, proof), []
        if code.startswith("401"):
            extra = ['WWW-Authenticate: Digest realm="test", nonce="n1", algorithm=MD5, qop="auth"']
        if code.startswith("200"):
            self.contacts[user] = fields["Contact"]
            extra = [f"Contact: {fields['Contact'].partition(';expires')[0]};expires=60"]
            if fields.get("Expires") == "0" or "expires=0" in fields["Contact"]:
                del self.contacts[user]
                extra = []
        same = [f"{name}: {fields[name]}" for name in ("Via", "From", "Call-ID", "CSeq")]
        lines = [f"SIP/2.0 {code}", *same, f"To: {fields['To']};tag=r", *extra, "Content-Length: 0", "", ""]
        self.transport.sendto("\r\n".join(lines).encode(), addr)

    def judge(self, user: str, proof: dict[str, str]) -> str:
        if not proof:
            return "401 Unauthorized"
        first = md5(f"{user}:{proof['realm']}:{self.passwords.get(user, '')}")
        parts = [first, proof["nonce"], proof["nc"], proof["cnonce"], proof["qop"], md5(f"REGISTER:{proof['uri']}")]
        return "200 OK" if md5(":".join(parts)) == proof["response"] else "403 Forbidden"


@pytest_asyncio.fixture
async def registrar() -> AsyncIterator[Registrar]:
    loop = asyncio.get_running_loop()
    passwords = {"8001": SECRET, "8002": SECRET}
    transport, protocol = await loop.create_datagram_endpoint(lambda: Registrar(passwords), local_addr=("127.0.0.1", 0))
    yield protocol
    transport.close()


def program(*argv: str, secret: str = "", stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """``ringside phone`` as a person starts it."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **({"RINGSIDE_PHONE_PASSWORD": secret} if secret else {})}
    return subprocess.run(
        [sys.executable, "-m", "softphone", *argv], input=stdin, env=env, capture_output=True, timeout=20, check=False
    )


async def test_register_and_leave(registrar: Registrar) -> None:
    phone = await PhoneProcess.start("8001", server=registrar.address, password=SECRET)
    assert phone.said("registered")[0]["expires"] == 60
    assert phone.uri.removeprefix("sip:") in registrar.contacts["8001"]
    await phone.do("unregister")
    await phone.expect("unregistered")
    assert "8001" not in registrar.contacts
    await phone.do("register")
    await phone.expect("registered", since=2)
    assert "8001" in registrar.contacts
    assert await phone.close() == 0
    assert "8001" not in registrar.contacts


async def test_the_password_from_a_file(registrar: Registrar, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    argv = ["--extension", "8001", "--server", registrar.address, "--password-file", str(file)]
    done = await asyncio.to_thread(program, *argv, stdin=b'{"do": "quit"}\n')
    assert done.returncode == 0, done.stderr
    assert b'"registered"' in done.stdout
    assert SECRET.encode() not in done.stdout + done.stderr


@pytest.mark.parametrize("extension", ["8001", "8009"])
async def test_a_wrong_password_is_exit_3(registrar: Registrar, extension: str) -> None:
    began = time.monotonic()
    done = await asyncio.to_thread(program, "--extension", extension, "--server", registrar.address, secret="wrong-one")
    assert done.returncode == 3
    assert time.monotonic() - began < 3
    message = done.stderr.decode()
    assert f"refuses extension {extension}: 403" in message
    assert message.count("\n") == 1
    assert "wrong-one" not in message + done.stdout.decode()
    assert b'"register-failed"' in done.stdout


async def test_a_password_refused_again_and_again_is_exit_3(registrar: Registrar) -> None:
    registrar.answer = "401 Unauthorized"
    with pytest.raises(PhoneGone) as gone:
        await PhoneProcess.start("8001", server=registrar.address, password=SECRET)
    assert gone.value.code == 3


async def test_a_dead_server_is_exit_4_within_6_seconds() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{mute.getsockname()[1]}"
        began = time.monotonic()
        done = await asyncio.to_thread(program, "--extension", "8001", "--server", server, secret=SECRET)
        took = time.monotonic() - began
    assert done.returncode == 4
    assert 4.5 < took < 6.0
    assert f"{server} cannot be reached" in done.stderr.decode()


@pytest.mark.parametrize("server", ["127.0.0.1:9", "no-such-host.invalid"])
async def test_an_unreachable_server_is_exit_4(server: str) -> None:
    argv = ["--extension", "8001", "--server", server, "--register-timeout", "0.5"]
    done = await asyncio.to_thread(program, *argv, secret=SECRET)
    assert done.returncode == 4
    assert "cannot be reached" in done.stderr.decode()


async def test_a_server_in_trouble_is_exit_4(registrar: Registrar) -> None:
    registrar.answer = "503 Service Unavailable"
    with pytest.raises(PhoneGone) as gone:
        await PhoneProcess.start("8001", server=registrar.address, password=SECRET)
    assert gone.value.code == 4


AGENT = AgentPlan(server="", extension="8001", password=SECRET, answer_after_s=0.2, talk_s=None)


def caller(agent: AgentRobot, **changes: object) -> CallerRobot:
    plan = CallerPlan(
        server="",
        to=agent.phone.uri,
        caller="0912345678",
        display_name="王小明",
        person_tones=frozenset({660}),
        patience_s=8,
        talk_s=1.0,
    )
    return CallerRobot(dataclasses.replace(plan, **changes))  # type: ignore[arg-type]


async def test_robots_talk_and_the_caller_hangs_up(registrar: Registrar, tmp_path: Path) -> None:
    plan = dataclasses.replace(AGENT, server=registrar.address)
    async with await AgentRobot.start(plan, record=tmp_path / "agent.wav") as agent:
        result = await caller(agent, keys="5").run()
        (handled,) = await agent.until_handled(1)
        assert (await agent.phone.expect("dtmf"))["digit"] == "5"
    assert result.answered
    assert result.connected
    assert not result.gave_up
    assert (result.ended_by, handled.ended_by) == ("us", "them")
    assert result.heard == {660}
    assert handled.heard == {440}
    assert result.recorded is not None
    assert result.recorded.heard == {660}
    assert handled.recorded is not None
    assert handled.recorded.heard == tones.measure(tmp_path / "agent.wav").heard == {440}
    assert result.seconds_to_answer is not None
    assert result.seconds_to_person is not None
    assert 0.2 <= result.seconds_to_answer <= result.seconds_to_person < 2
    assert 0.2 <= handled.seconds_rung < 1.5
    assert 0.9 <= result.seconds_talked < 3
    assert '"王小明" <sip:0912345678@' in handled.remote
    assert result.code == handled.code == 200


async def test_the_agent_hangs_up_call_after_call(registrar: Registrar) -> None:
    plan = dataclasses.replace(AGENT, server=registrar.address, talk_s=0.5)
    async with await AgentRobot.start(plan) as agent:
        for number in (1, 2):
            result = await caller(agent, talk_s=None).run()
            assert result.connected
            assert result.ended_by == "them"
            handled = await agent.until_handled(number)
            assert handled[-1].number == number
            assert handled[-1].ended_by == "us"
            assert 0.5 <= handled[-1].seconds_talked < 2


async def test_an_agent_declines(registrar: Registrar) -> None:
    plan = dataclasses.replace(AGENT, server=registrar.address, decline_code=603)
    async with await AgentRobot.start(plan) as agent:
        result = await caller(agent).run()
        (handled,) = await agent.until_handled(1)
    assert not result.answered
    assert not result.connected
    assert (result.code, result.ended_by, result.seconds_to_answer) == (603, "them", None)
    assert (handled.answered, handled.ended_by, handled.code, handled.recorded) == (False, "us", 603, None)


async def test_a_caller_loses_patience_with_a_silent_agent(registrar: Registrar) -> None:
    plan = dataclasses.replace(AGENT, server=registrar.address, answer_after_s=None)
    async with await AgentRobot.start(plan) as agent:
        result = await caller(agent, patience_s=0.8).run()
        (handled,) = await agent.until_handled(1)
    assert result.gave_up
    assert (result.answered, result.code, result.ended_by) == (False, 487, "us")
    assert handled.seconds_rung == pytest.approx(0.8, abs=0.5)
    assert (handled.answered, handled.ended_by) == (False, "them")


async def test_a_caller_gives_up_on_a_dead_server() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{mute.getsockname()[1]}"
        began = time.monotonic()
        result = await CallerRobot(CallerPlan(server=server, to="81", patience_s=0.6)).run()
        assert time.monotonic() - began < 3
    assert result.gave_up
    assert (result.answered, result.code, result.recorded) == (False, 487, None)


async def test_the_death_of_an_agents_phone_is_told(registrar: Registrar) -> None:
    async with await AgentRobot.start(dataclasses.replace(AGENT, server=registrar.address)) as agent:
        waiting = asyncio.create_task(agent.until_handled(1))
        await agent.phone.kill()
        with pytest.raises(PhoneGone):
            await waiting


async def test_an_answer_without_a_person_is_no_connection(registrar: Registrar) -> None:
    """The agent's side plays 1540 Hz, as music on hold would: the caller waits for 660 and gives up."""
    plan = dataclasses.replace(AGENT, server=registrar.address, tone_hz=1540)
    async with await AgentRobot.start(plan) as agent:
        result = await caller(agent, patience_s=1.2).run()
    assert result.answered
    assert not result.connected
    assert result.gave_up
    assert result.heard == {1540}
    assert result.seconds_to_person is None


async def test_keys_wait_for_the_greeting(registrar: Registrar) -> None:
    plan = dataclasses.replace(AGENT, server=registrar.address, tone_hz=2200)
    async with await AgentRobot.start(plan) as agent:
        run = asyncio.create_task(caller(agent, keys="7", keys_after_hz=660, patience_s=6).run())
        await agent.phone.expect("answered")
        await agent.phone.until_hears(440)
        assert not agent.phone.said("dtmf")
        await agent.phone.do("play", tone=660)
        assert (await agent.phone.expect("dtmf"))["digit"] == "7"
        result = await run
    assert result.heard == {660, 2200}


async def test_many_phones_at_once(registrar: Registrar) -> None:
    """Four callers ring one agent, who takes them one after the other."""
    plan = dataclasses.replace(AGENT, server=registrar.address, talk_s=0.4, answer_after_s=0.1)
    async with await AgentRobot.start(plan) as agent:
        results = await asyncio.gather(*(caller(agent, talk_s=None, tone_hz=hz).run() for hz in (440, 880, 1100, 1320)))
        handled = await agent.until_handled(4)
    assert all(result.connected for result in results)
    assert frozenset().union(*(call.heard for call in handled)) == {440, 880, 1100, 1320}
