"""Asterisk's configuration files as text, from the settings; the dialplan is cti.dialplan's.

Lean: modules are listed one by one and nothing else is loaded. Without bridge_simple and bridge_native_rtp every mixing
bridge is softmix: with them a recorder, a listener or a whisper loses one side after a move in 9 of 12 moves
(ADR of the call shapes; https://github.com/asterisk/asterisk/issues/507 looks like the same thing).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cti.config import AsteriskSettings, section
from cti.dialplan import FALLBACK, FROM_OUTSIDE, extensions_conf
from cti.trunks import trunks_conf

CHANNEL_VARIABLES = "RINGSIDE_ITEM,RINGSIDE_OFFER,RINGSIDE_SEAT,RINGSIDE_TRUNK,RINGSIDE_DID"
TRUNKS_FILE = "pjsip_trunks.conf"

_CORE = """
res_timing_timerfd res_sorcery_config res_sorcery_memory res_sorcery_astdb pbx_config
format_wav format_pcm format_gsm format_sln codec_ulaw codec_alaw codec_gsm codec_g722 codec_resample codec_a_mu
codec_opus_open_source res_format_attr_opus
func_channel func_callerid func_hangupcause func_logic func_strings func_db func_global func_timeout func_uri func_math
func_devstate func_pjsip_aor func_pjsip_contact func_pjsip_endpoint func_periodic_hook func_sorcery func_cut func_uuid
func_groupcount func_dialplan
app_dial app_playback app_verbose app_stack app_exec app_echo app_read app_userevent app_senddtmf app_playtones
app_record app_softhangup app_originate app_celgenuserevent
bridge_softmix bridge_holding bridge_builtin_features chan_bridge_media res_musiconhold res_agi res_speech
res_cdrel_custom cel_custom
"""
_SIP = """
res_pjproject res_pjsip res_pjsip_session res_pjsip_sdp_rtp res_pjsip_authenticator_digest
res_pjsip_outbound_authenticator_digest res_pjsip_endpoint_identifier_user res_pjsip_endpoint_identifier_ip
res_pjsip_endpoint_identifier_anonymous res_pjsip_registrar res_pjsip_caller_id res_pjsip_nat res_pjsip_rfc3326
res_pjsip_refer res_pjsip_header_funcs res_pjsip_dtmf_info res_pjsip_logger res_pjsip_outbound_registration
res_pjsip_acl res_pjsip_path res_pjsip_pubsub res_pjsip_outbound_publish res_pjsip_exten_state
res_pjsip_pidf_body_generator res_pjsip_dlg_options chan_pjsip res_rtp_asterisk
res_crypto res_srtp res_http_websocket res_pjsip_transport_websocket
"""
_ARI = """
res_stasis res_stasis_answer res_stasis_device_state res_stasis_playback res_stasis_recording res_stasis_snoop
res_ari res_ari_model res_ari_applications res_ari_asterisk res_ari_bridges res_ari_channels res_ari_device_states
res_ari_endpoints res_ari_events res_ari_playbacks res_ari_recordings res_ari_sounds res_websocket_client app_stasis
"""
_ACD = "app_queue app_chanspy app_mixmonitor"
MODULES = tuple(dict.fromkeys(f"{_CORE} {_SIP} {_ARI} {_ACD}".split()))
NEVER = ("bridge_simple", "bridge_native_rtp")

# One line an event; cti.cel reads it by these names. No caller id: numbers live in tables that can be erased.
CEL_FIELDS = (
    "eventtime",
    "eventenum",
    "userdeftype",
    "uniqueid",
    "linkedid",
    "channame",
    "context",
    "exten",
    "appname",
    "appdata",
    "peer",
    "eventextra",
)
_CEL_EVENTS = (
    "CHAN_START,CHAN_END,ANSWER,HANGUP,BRIDGE_ENTER,BRIDGE_EXIT,APP_START,APP_END,BLINDTRANSFER,ATTENDEDTRANSFER,"
    "LOCAL_OPTIMIZE,LINKEDID_END,USER_DEFINED"
)


@dataclass(frozen=True, slots=True)
class Places:
    """Where an Asterisk's own parts are: program, modules and shared data (sounds, music, documentation)."""

    program: Path
    modules: Path
    share: Path


def asterisk_conf(given: AsteriskSettings, places: Places) -> str:
    """Folders and options."""
    work = given.work
    folders = {
        "astetcdir": work / "etc",
        "astmoddir": places.modules,
        "astvarlibdir": work / "var",
        "astdbdir": work / "var",
        "astkeydir": work / "var",
        "astdatadir": work / "data",
        "astagidir": work / "var",
        "astspooldir": work / "spool",
        "astrundir": work / "run",
        "astlogdir": work / "log",
        "astcachedir": work / "cache",
        "astsbindir": places.program.parent,
    }
    listed = "[directories]\n" + "".join(f"{key} => {value}\n" for key, value in folders.items())
    return listed + section(
        "options",
        {
            "documentation_language": "en_US",
            "nocolor": "yes",
            "verbose": 0,
            "live_dangerously": "no",
            "defaultlanguage": given.languages[0] if given.languages else "en",
        },
    )


def _endpoint(name: str, context: str, **more: object) -> str:
    return section(
        name,
        {
            "type": "endpoint",
            "context": context,
            "disallow": "all",
            "allow": "ulaw,alaw,g722,opus",
            "direct_media": "no",
            "rtp_symmetric": "yes",
            "force_rport": "yes",
            "rewrite_contact": "yes",
            "allow_transfer": "no",
            **more,
        },
    )


def pjsip_conf(given: AsteriskSettings) -> str:
    """Transports and the anonymous caller; trunks have a file of their own, extensions come by push configuration."""
    bind = f"{given.sip_host}:{given.sip_port}"
    outside = (
        {
            "external_media_address": given.external_address,
            "external_signaling_address": given.external_address,
            "local_net": "127.0.0.0/8",
        }
        if given.external_address
        else {}
    )
    parts = [
        section("system", {"type": "system"}),
        # By address first: a carrier's caller id may be digits that are also an extension's name.
        section(
            "global",
            {"type": "global", "user_agent": "Ringside", "endpoint_identifier_order": "ip,username,anonymous"},
        ),
        section("udp", {"type": "transport", "protocol": "udp", "bind": bind, **outside}),
        section("tcp", {"type": "transport", "protocol": "tcp", "bind": bind, **outside}),
        section("ws", {"type": "transport", "protocol": "ws", "bind": given.http_host}),
        *([section("tls", _tls(given) | outside)] if given.tls else []),
        *([_endpoint("anonymous", FROM_OUTSIDE)] if given.allow_anonymous else []),
        # A second wizard of the kind `config` is not taken (22.10.1), so the trunks' file is included.
        f"#include {TRUNKS_FILE}\n",
    ]
    return "\n".join(parts)


def _tls(given: AsteriskSettings) -> dict[str, object]:
    """SIP over TLS. A carrier's or phone's own certificate is not asked for: digest says who it is."""
    return {
        "type": "transport",
        "protocol": "tls",
        "bind": f"{given.sip_host}:{given.sip_tls_port}",
        "cert_file": given.sip_tls_cert,
        "priv_key_file": given.sip_tls_key,
        "method": "tlsv1_2",
    }


def sorcery_conf() -> str:
    """Extensions are pushed by ARI into astdb; what is in pjsip.conf stays beside them."""
    kinds = {"endpoint": "ps_endpoints", "aor": "ps_aors", "auth": "ps_auths"}
    lines = [
        line
        for kind, table in kinds.items()
        for line in (
            f"{kind}/wizard[push]=astdb,{table}",
            f"{kind}/wizard[file]=config,pjsip.conf,criteria=type={kind}",
        )
    ]
    return "[res_pjsip]\n" + "\n".join([*lines, "contact/wizard=astdb,registrator"]) + "\n"


def manager_conf(given: AsteriskSettings) -> str:
    """AMI on loopback, one user."""
    return section(
        "general",
        {"enabled": "yes", "webenabled": "no", "bindaddr": given.ami_host, "port": given.ami_port},
    ) + section(
        given.ami_user,
        {
            "secret": given.ami_password,
            "deny": "0.0.0.0/0.0.0.0",
            "permit": "127.0.0.0/255.0.0.0",
            "read": "system",
            "write": "system,call,agent,reporting,command,originate,user",
            "writetimeout": 5000,
        },
    )


def cel_custom_conf() -> str:
    """CSV, flushed at each event, the time as seconds.microseconds."""
    return section(
        "ringside.csv",
        {
            "format": "dsv",
            "separator_character": ",",
            "quote_character": '"',
            "quote_escape_character": '"',
            "quoting_method": "all",
            "fields": ",".join(CEL_FIELDS),
        },
    )


# Taiwan's tones (E.180 list): dial 350+440, ring 440+480 1 s on 2 s off, busy 480+620 half a second.
_TONES = {
    "tw": {
        "ringcadence": "1000,4000",
        "dial": "350+440",
        "busy": "480+620/500,0/500",
        "ring": "440+480/1000,0/2000",
        "congestion": "480+620/250,0/250",
    },
    "us": {
        "ringcadence": "2000,4000",
        "dial": "350+440",
        "busy": "480+620/500,0/500",
        "ring": "440+480/2000,0/4000",
        "congestion": "480+620/250,0/250",
    },
}


def indications_conf(given: AsteriskSettings) -> str:
    """Ring-back and busy tones of the country; where we have none, those of the USA."""
    country = given.country if given.country in _TONES else "us"
    return section("general", {"country": country}) + section(country, {"description": country, **_TONES[country]})


def music_conf(given: AsteriskSettings) -> str:
    """Music to wait by: the default and the further classes."""
    classes = (("default", given.music_dir or given.work / "data/moh"), *given.music_classes)
    return "".join(section(name, {"mode": "files", "directory": folder}) for name, folder in classes)


def queues_conf() -> str:
    """The fall-back queue. Members are added by AMI and kept in astdb, so they outlive us and Asterisk's restart."""
    return section("general", {"persistentmembers": "yes", "autofill": "yes", "shared_lastcall": "no"}) + section(
        FALLBACK,
        {
            "strategy": "leastrecent",
            "autofill": "yes",
            "ringinuse": "no",
            "timeout": 20,
            "retry": 1,
            "wrapuptime": 5,
            "joinempty": "yes",
            "leavewhenempty": "no",
            "setinterfacevar": "yes",
            "announce-frequency": 0,
            "periodic-announce-frequency": 0,
        },
    )


def ari_conf(given: AsteriskSettings) -> str:
    """One ARI user; our variables come in every channel snapshot, so a takeover knows whose channel it is."""
    return section("general", {"enabled": "yes", "pretty": "no", "channelvars": CHANNEL_VARIABLES}) + section(
        given.ari_user,
        {"type": "user", "read_only": "no", "password": given.ari_password, "password_format": "plain"},
    )


# Modules that want a file though nothing is to be said in it.
_EMPTY = [
    "acl",
    "ccss",
    "codecs",
    "dnsmgr",
    "extconfig",
    "features",
    "pjproject",
    "pjsip_wizard",
    "queuerules",
    "udptl",
    "websocket_client",
]


def configuration(given: AsteriskSettings, places: Places) -> dict[str, str]:
    """Every file of WORK/etc by name. The same settings give the same bytes."""
    rtp = {"rtpstart": given.rtp_start, "rtpend": given.rtp_end, "icesupport": "yes", "strictrtp": "yes"}
    http = {"enabled": "yes", "bindaddr": given.http_host, "bindport": given.http_port, "enable_static": "no",
            "sessionlimit": 2000, "session_keep_alive": 60000}  # fmt: skip
    modules = [("autoload", "no"), *(("noload", f"{name}.so") for name in NEVER)]
    return {f"{name}.conf": "" for name in _EMPTY} | {
        "asterisk.conf": asterisk_conf(given, places),
        "modules.conf": section("modules", [*modules, *(("load", f"{name}.so") for name in MODULES)]),
        "logger.conf": section("general", {"dateformat": "%F %T.%3q", "queue_log": "no"})
        + "[logfiles]\nmessages.log => notice,warning,error\n",
        "http.conf": section("general", http),
        "manager.conf": manager_conf(given),
        "ari.conf": ari_conf(given),
        "rtp.conf": section("general", rtp),
        "stasis.conf": section("threadpool", {"initial_size": 5, "idle_timeout_sec": 20, "max_size": 50}),
        "pjsip.conf": pjsip_conf(given),
        TRUNKS_FILE: trunks_conf(given),
        "sorcery.conf": sorcery_conf(),
        "extensions.conf": extensions_conf(given),
        "queues.conf": queues_conf(),
        "musiconhold.conf": music_conf(given),
        "indications.conf": indications_conf(given),
        "cdr.conf": section("general", {"enable": "no"}),
        "cel.conf": section("general", {"enable": "yes", "apps": "queue,stasis,dial", "events": _CEL_EVENTS}),
        "cel_custom.conf": cel_custom_conf(),
    }


# What Asterisk takes up while calls go on: file → console command. Anything else needs a restart.
RELOADS = {
    "extensions.conf": "dialplan reload",
    "queues.conf": "queue reload all",
    "musiconhold.conf": "moh reload",
    TRUNKS_FILE: "module reload res_pjsip.so",
}


def digest(files: Mapping[str, str], places: Places) -> str:
    """Tells whether a running Asterisk has these very files and this very program."""
    told = hashlib.sha256(str(places.program).encode())
    for name in sorted(files):
        told.update(f"\0{name}\0{files[name]}".encode())
    return told.hexdigest()


def lasting(files: Mapping[str, str], places: Places) -> str:
    """The digest of what only a restart changes."""
    return digest({name: text for name, text in files.items() if name not in RELOADS}, places)
