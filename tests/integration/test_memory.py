"""What somebody finds who gets to see the memory: no password and no token of
a session that is over, or of one that was refused; nor of one that is logged in,
unless it is kept for a server that may be lost (revive)."""

import base64
import os
import re
import secrets
import ssl

import pytest

from conftest import plain, until
from fake_imap import FakeImap
from test_accounts import Accounts, listener, url
from test_tokens import oauthbearer, xoauth2

MESSAGE = b"Subject: a message\r\n\r\nhello\r\n"

# Sanitizers reserve terabytes for notes of their own; nobody has so much.
REGION_MAX = 1 << 30

# Its own user may look into it then: not everybody who tests is root.
VISIBLE = ("--core-dumps", "yes", "--workers", "1", "--revive", "no")


def new_secret():
    """Unlike anything else, and not the one of another test."""
    return "Merkmal-" + secrets.token_hex(12)


def forms(secret):
    """As it is, and in base64 behind any number of octets."""
    raw = secret.encode()
    return [raw] + [base64.b64encode(b"x" * n + raw)[4:-4] for n in range(3)]


def regions(pid):
    """All that the process can write to, and has: (where, octets)."""
    with open("/proc/%d/smaps" % pid) as f:
        found = re.findall(r"^(\w+)-(\w+) rw\S+ \S+ \S+ \S+ *(.*)\n"
                           r"(?:\w+: .*\n)*?Rss: +[1-9]", f.read(), re.M)
    assert found
    with open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for start, end, name in found:
            start, end = int(start, 16), int(end, 16)
            if end - start <= REGION_MAX:
                memory.seek(start)
                yield name or "anonymous", memory.read(end - start)


def places(bridge, secret):
    """Where it is in the memory, with what stands around it."""
    found = []
    for name, octets in regions(bridge.process.pid):
        for form in forms(secret):
            at = octets.find(form)
            if at >= 0:
                found.append("%s: %r" % (name, octets[
                    max(0, at - 48):at + len(form) + 16]))
    return found


def gone(bridge, secret):
    """A reply may be out a moment before what held the command is wiped."""
    for _ in range(3):
        left = places(bridge, secret)
        if not left:
            return
    assert left == []


def not_written(secret, *folders):
    """Neither into the log nor into any file."""
    for folder in folders:
        for path, _, names in os.walk(folder):
            for name in names:
                with open(os.path.join(path, name), "rb") as f:
                    octets = f.read()
                assert not [form for form in forms(secret) if form in octets]


def by_pass(client, user, password):
    client.cmd("USER " + user)
    return client.cmd("PASS " + password)


def ahead(client, user, password):
    client.send(("USER %s\r\nPASS %s\r\n" % (user, password)).encode())
    client.line()
    return client.line()


def by_plain(client, user, password):
    return client.cmd(b"AUTH PLAIN " + base64.b64encode(
        ("\0%s\0%s" % (user, password)).encode()))


def by_login(client, user, password):
    client.cmd("AUTH LOGIN")
    client.cmd(base64.b64encode(user.encode()))
    return client.cmd(base64.b64encode(password.encode()))


WAYS = {"PASS": by_pass, "PASS sent ahead": ahead, "PLAIN": by_plain,
        "LOGIN": by_login}


def check(bridge, enter, way, user, password):
    """A session that is logged in, then over, and one that was refused."""
    client = enter()
    reply = way(client, user, password)
    assert reply.startswith(b"+OK"), reply
    client.ok("STAT")
    # Who is there must be found, or the search finds nothing at all.
    assert places(bridge, user)
    gone(bridge, password)
    client.multi("RETR 1")
    gone(bridge, password)
    client.quit()
    until(lambda: "session ended" in bridge.log(), "the end")
    gone(bridge, password)
    client = enter()
    wrong = new_secret()
    assert way(client, user, wrong).startswith(b"-ERR")
    gone(bridge, wrong)


@pytest.mark.parametrize("way", WAYS)
def test_no_password_is_left_in_memory(way, start_bridge, dovecot,
                                       new_account, connect, tmp_path):
    bridge = start_bridge(plain(dovecot), "--state-directory", str(tmp_path),
                          "--log-level", "debug", *VISIBLE)
    user = new_account(dovecot, new_secret(), [MESSAGE], "visible-name-")

    def enter():
        client = connect(bridge)
        client.greeting()
        return client

    check(bridge, enter, WAYS[way], user.name, user.password)
    assert os.listdir(tmp_path)
    not_written(user.password, bridge.directory, tmp_path)


def test_what_a_lost_server_is_told_again_goes_with_the_session(
        start_bridge, dovecot, new_account, connect):
    bridge = start_bridge(plain(dovecot), *VISIBLE[:-1], "yes")
    user = new_account(dovecot, new_secret(), [MESSAGE], "visible-name-")
    client = connect(bridge)
    client.greeting()
    by_pass(client, user.name, user.password)
    client.multi("RETR 1")
    assert len(places(bridge, user.password)) == 1
    client.quit()
    until(lambda: "session ended" in bridge.log(), "the end")
    gone(bridge, user.password)


@pytest.mark.parametrize("way, version", [(way, "TLSv1_3") for way in WAYS]
                         + [("PASS", "TLSv1_2")])
def test_tls_leaves_no_password_in_memory(way, version, start_bridge, dovecot,
                                          new_account, connect, certificates):
    bridge = start_bridge(
        "imaps://localhost:%d" % dovecot.imaps_port, "--upstream-ca",
        dovecot.ca, "--tls-cert", certificates + "/server.pem", "--tls-key",
        certificates + "/server.key", *VISIBLE, listen=("pop3s://127.0.0.1:0",))
    user = new_account(dovecot, new_secret(), [MESSAGE], "visible-name-")
    trusted = ssl.create_default_context(cafile=certificates + "/ca.pem")
    trusted.maximum_version = ssl.TLSVersion[version]

    def enter():
        client = connect(bridge)
        client.socket = trusted.wrap_socket(client.socket,
                                            server_hostname="localhost")
        client.stream = client.socket.makefile("rb")
        client.greeting()
        return client

    check(bridge, enter, WAYS[way], user.name, user.password)


@pytest.mark.parametrize("how", ["plain", "login"])
def test_the_imap_servers_password_is_not_left_in_memory(
        how, start_bridge, dovecot, new_account, connect):
    bridge = start_bridge(plain(dovecot), "--upstream-auth", how, *VISIBLE)
    user = new_account(dovecot, new_secret(), [MESSAGE], "visible-name-")

    def enter():
        client = connect(bridge)
        client.greeting()
        return client

    check(bridge, enter, by_pass, user.name, user.password)


def test_accounts_leave_neither_password_in_memory(
        binary, tmp_path, start_bridge, dovecot, new_account, connect):
    user = new_account(dovecot, new_secret(), [MESSAGE], "visible-name-")
    accounts = Accounts(binary, str(tmp_path))
    device = new_secret()
    accounts.run("add", "visible-device", "--recoverable", "--upstream-user",
                 user.name, password=device, upstream_password=user.password)
    bridge = start_bridge(None, *VISIBLE, config="""
%s%sidentity = accounts
upstream = "%s"
""" % (accounts.options(), listener(), url(dovecot)))

    def enter():
        client = connect(bridge)
        client.greeting()
        return client

    check(bridge, enter, by_pass, "visible-device", device)
    gone(bridge, user.password)
    for secret in (device, user.password):
        not_written(secret, bridge.directory, tmp_path)


@pytest.mark.parametrize("message_of", [xoauth2, oauthbearer])
def test_no_token_is_left_in_memory(message_of, start_bridge, connect):
    token = new_secret()

    def authenticate(connection, tag, _):
        connection.send(tag + b" OK in\r\n")

    server = FakeImap([(7, MESSAGE)], capabilities=(
        b"IMAP4rev1 UIDPLUS SASL-IR AUTH=XOAUTH2 AUTH=OAUTHBEARER"))
    server.on = {"AUTHENTICATE": authenticate}
    try:
        bridge = start_bridge("imap+plain://127.0.0.1:%d" % server.port,
                              *VISIBLE)
        mechanism = "XOAUTH2" if message_of is xoauth2 else "OAUTHBEARER"
        client = connect(bridge)
        client.greeting()
        client.ok(b"AUTH %s %s" % (mechanism.encode(),
                                   message_of(token, "visible@example.com")))
        assert places(bridge, "visible@example.com")
        gone(bridge, token)
        client.quit()
        gone(bridge, token)
    finally:
        server.stop()
