"""Run a command of the README in a bare Debian 12: nothing but python3, make and what Debian always has.

    tools/bare-debian make test             a fresh root, the committed tree in /ringside, the command run there
    tools/bare-debian --again make test     the same root once more (what is there already must not be fetched again)
    tools/bare-debian --again --offline make test    ... and without any network but loopback
    tools/bare-debian --user make run       as an ordinary user instead of root

Needs root, for debootstrap, mounts and chroot. The root is made once from this machine's own mirror (build/bare/base).
Each run works on an overlay above it and in mount and process name spaces of its own: mounts and processes end with it.
The machine's apt sources and keys, pip settings and certificates are copied into the root, never into the repository.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.private_apt import KEYRING, machine_acquire, machine_mirror, run
from tools.say import ROOT, SetupFailed, say, stop

HOME = ROOT / "build/bare"
BASE = HOME / "base"
UPPER, WORK, MERGED = HOME / "upper", HOME / "work", HOME / "root"
SUITE = "bookworm"
PACKAGES = "python3,make,ca-certificates"
PLACE = "ringside"  # where the tree lies in the root
USER = 1000
# What a person would have set in the shell to reach the machine's mirrors; everything else is left behind.
PASSED = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "CI")
PIP_KEPT = ("index-url", "proxy", "trusted-host", "timeout", "default-timeout", "retries")
APT_PARTS = ("sources.list", "sources.list.d", "trusted.gpg", "trusted.gpg.d", "keyrings", "auth.conf.d")
LENT = ("resolv.conf", "hosts", *(f"apt/{part}" for part in APT_PARTS))
CERTIFICATES = "etc/ssl/machine-certificates.crt"

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


def make_base() -> None:
    """debootstrap a minimal root from the machine's mirror; kept for the next time."""
    if (BASE / "etc/ringside-bare").exists():
        say("bare Debian 12: kept from last time")
        return
    if shutil.which("debootstrap") is None:
        say("installing debootstrap")
        run("apt-get", "-q", "update")
        run("apt-get", "-q", "install", "-y", "--no-install-recommends", "debootstrap")
    say("bare Debian 12: debootstrap from this machine's mirror, about a minute")
    shutil.rmtree(BASE, ignore_errors=True)
    HOME.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    choices = ("--variant=minbase", f"--include={PACKAGES}", f"--keyring={KEYRING}")
    run("debootstrap", *choices, SUITE, BASE, machine_mirror())
    (BASE / "etc/ringside-bare").touch()
    say(f"bare Debian 12: made in {time.monotonic() - began:.0f} s")


def copy_into(source: Path, root: Path) -> None:
    """Copy a file or folder of the machine to the same place in the root, links followed."""
    target = root / source.relative_to("/")
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("*disabled*"), dirs_exist_ok=True)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def lend_settings(root: Path) -> None:
    """Names, apt sources and keys, pip settings and certificates of this machine."""
    (root / "etc/apt/sources.list").unlink(missing_ok=True)  # debootstrap's own; the machine's may be elsewhere
    for place in LENT:
        copy_into(Path("/etc") / place, root)
    certificates = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
    if certificates.is_file():
        shutil.copy(certificates, root / CERTIFICATES)
    lent = [*machine_acquire(), f'Acquire::https::CAInfo "/{CERTIFICATES}";\n']
    (root / "etc/apt/apt.conf.d/90machine").write_text("".join(lent))
    (root / "etc/pip.conf").write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in pip_settings()))


def pip_settings() -> Iterator[tuple[str, str]]:
    """The machine's pip settings that decide which index is used and how it is reached."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, check=False, text=True, capture_output=True)
    found = {"cert": f"/{CERTIFICATES}"}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        key = name.rsplit(".", 1)[-1]
        if key in PIP_KEPT:
            found["timeout" if key == "default-timeout" else key] = value.strip("'\"")
    yield from found.items()


def copy_tree(root: Path) -> None:
    """The committed tree, as a fresh clone has it."""
    target = root / PLACE
    target.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "-x", "-C", str(target)], stdin=archive.stdout, check=True)
    if archive.returncode:
        raise SetupFailed("git archive failed")
    os.chown(target, USER, USER)
    for path in target.rglob("*"):
        os.chown(path, USER, USER, follow_symlinks=False)


def mount(*arguments: str | Path) -> bool:
    """True when the mount worked."""
    done = subprocess.run(["mount", *(str(part) for part in arguments)], check=False, capture_output=True)
    return done.returncode == 0


def lay_root(fresh: bool) -> None:
    """MERGED becomes the run's root: an overlay on the base, or a plain copy where overlays are not to be had."""
    for folder in (UPPER, WORK, MERGED):
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    layers = f"lowerdir={BASE},upperdir={UPPER},workdir={WORK}"
    if not mount("-t", "overlay", "overlay", "-o", layers, MERGED) and not (MERGED / "usr").exists():
        say("no overlays here: copying the root")
        run("cp", "-a", f"{BASE}/.", MERGED)


def loopback_only() -> None:
    """A network name space of our own with nothing but lo."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise SetupFailed(f"no network name space: {os.strerror(ctypes.get_errno())}")
    with socket.socket() as any_socket:
        request = struct.pack("16sh", b"lo", 0).ljust(40, b"\0")
        [flags] = struct.unpack_from("16xh", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP).ljust(40, b"\0"))


def inside(options: argparse.Namespace) -> int:
    """The second half, in name spaces of its own: mounts, chroot, the command."""
    lay_root(fresh=not options.again)
    if not options.again:
        lend_settings(MERGED)
        copy_tree(MERGED)
    mount("-t", "proc", "proc", MERGED / "proc")
    mount("--rbind", "/sys", MERGED / "sys")
    mount("--rbind", "/dev", MERGED / "dev")
    if options.offline:
        loopback_only()
    who = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if options.user else []
    environment = {key: os.environ[key] for key in PASSED if key in os.environ}
    home = f"/{PLACE}" if options.user else "/root"
    environment |= {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": home}
    command = ["chroot", str(MERGED), *who, "sh", "-c", f"cd /{PLACE} && exec {shlex.join(options.command)}"]
    began = time.monotonic()
    code = subprocess.run(command, env=environment, check=False, stdin=subprocess.DEVNULL).returncode
    say(f"bare Debian 12: `{shlex.join(options.command)}` ended with {code} after {time.monotonic() - began:.0f} s")
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the base, then go on inside name spaces."""
    parser = argparse.ArgumentParser(prog="tools/bare-debian", description="run a command in a bare Debian 12")
    parser.add_argument("--again", action="store_true", help="use the root of the last run, not a fresh one")
    parser.add_argument("--offline", action="store_true", help="no network but loopback")
    parser.add_argument("--user", action="store_true", help="as an ordinary user")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    if not options.command:
        parser.error("which command? For example: tools/bare-debian make test")
    if os.geteuid() != 0:
        stop("tools/bare-debian needs root (debootstrap, mounts, chroot)", 3)
    try:
        if options.inside:
            return inside(options)
        make_base()
    except SetupFailed as failed:
        stop(f"bare-debian: {failed}")
    again = [sys.executable, "-m", "tools.bare_debian", "--inside"]
    again += [f"--{name}" for name in ("again", "offline", "user") if getattr(options, name)]
    spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    return subprocess.run([*spaces, *again, *options.command], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
