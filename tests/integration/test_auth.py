"""AUTH with PLAIN and LOGIN: the credential reaches Dovecot as it is, and what
is no login costs nothing."""

import base64
import os
import subprocess

import pytest

from conftest import PASSWORD, plain, until
from test_clients import Home, Mpop

MASTER = ("chief", "geheim123-of-the-chief")
MESSAGE = b"Subject: read by AUTH\r\n\r\nhello\r\n"

# As str: octets that are no UTF-8 are surrogates.
ODD_PASSWORDS = [
    "space in it", " at both ends ", "\"quoted\\\"", "{5}", "*", "=", "%s%n",
    "\x02 \x1b\x7f", "Grüße ☃", "\u00ad soft \u2122", "a" * 500,
    b"latin-1 \xe4\xf6\xfc\xdf".decode(errors="surrogateescape"),
    b"\xff\xfe\x80".decode(errors="surrogateescape"),
]
ODD_IDS = ["password%d" % n for n in range(len(ODD_PASSWORDS))]


def raw(text):
    return text.encode(errors="surrogateescape")


def coded(*parts):
    return base64.b64encode(b"\0".join(raw(p) for p in parts))


def plain_initial(client, name, password, authzid=""):
    return client.cmd(b"AUTH PLAIN " + coded(authzid, name, password))


def plain_dialogue(client, name, password, authzid=""):
    assert client.cmd("AUTH PLAIN") == b"+ "
    return client.cmd(coded(authzid, name, password))


def login_dialogue(client, name, password):
    assert client.cmd("AUTH LOGIN") == b"+ VXNlcm5hbWU6"
    assert client.cmd(coded(name)) == b"+ UGFzc3dvcmQ6"
    return client.cmd(coded(password))


def login_initial(client, name, password):
    assert client.cmd(b"AUTH LOGIN " + coded(name)) == b"+ UGFzc3dvcmQ6"
    return client.cmd(coded(password))


WAYS = [plain_initial, plain_dialogue, login_dialogue, login_initial]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def way(request):
    return request.param


@pytest.fixture
def home(tmp_path):
    return Home(str(tmp_path))


def test_each_way_reads_mail(way, dovecot, bridge, account, connect):
    dovecot.deliver(account, MESSAGE)
    client = connect(bridge)
    client.greeting()
    assert way(client, account.name, account.password).startswith(b"+OK")
    assert client.multi("RETR 1") == MESSAGE
    client.err("AUTH PLAIN")
    assert client.quit().startswith(b"+OK")
    until(lambda: "reason=quit" in bridge.log(), "the end of the session")
    assert "user=" + account.name in bridge.log()
    assert coded("", account.name, account.password).decode() not in \
        bridge.log()


@pytest.mark.parametrize("password", ODD_PASSWORDS, ids=ODD_IDS)
def test_an_odd_password_reaches_the_server(
        way, dovecot, bridge, new_account, connect, password):
    user = new_account(dovecot, password)
    client = connect(bridge)
    client.greeting()
    assert way(client, user.name, password + "x").startswith(b"-ERR [AUTH] ")
    assert way(client, user.name, password).startswith(b"+OK")
    client.quit()


@pytest.mark.parametrize("without", [("SASL-IR",), ("SASL-IR", "LITERAL+")])
def test_servers_without_initial_responses(
        way, dovecot_with, start_bridge, new_account, connect, without):
    server = dovecot_with(without=without)
    user = new_account(server, b"\xe4 \"\\".decode(errors="surrogateescape"))
    bridge = start_bridge(plain(server))
    client = connect(bridge)
    client.greeting()
    assert way(client, user.name, user.password).startswith(b"+OK")
    client.quit()


def test_a_wrong_password_and_then_the_right_one(
        way, bridge, account, connect):
    client = connect(bridge)
    client.greeting()
    assert way(client, account.name, "wrong").startswith(b"-ERR [AUTH] ")
    client.err("PASS " + account.password)
    assert way(client, account.name, account.password).startswith(b"+OK")
    client.quit()


@pytest.mark.parametrize("how", [plain_initial, plain_dialogue])
def test_nobody_acts_for_another_unless_the_server_says_so(
        how, dovecot, bridge, new_account, connect):
    user, boss = new_account(dovecot), new_account(dovecot)
    client = connect(bridge)
    client.greeting()
    reply = how(client, user.name, user.password, boss.name)
    assert reply.startswith(b"-ERR [AUTH] ")
    until(lambda: "authzid=" + boss.name in bridge.log(), "the log line")
    assert how(client, user.name, user.password).startswith(b"+OK")
    client.quit()


@pytest.mark.parametrize("how", [plain_initial, plain_dialogue])
def test_a_master_user_reads_the_mail_of_another(
        how, dovecot_with, start_bridge, new_account, connect):
    server = dovecot_with(master=MASTER)
    user = new_account(server, messages=[MESSAGE])
    bridge = start_bridge(plain(server))
    client = connect(bridge)
    client.greeting()
    reply = how(client, MASTER[0], "wrong", user.name)
    assert reply.startswith(b"-ERR [AUTH] ")
    reply = how(client, *MASTER, user.name)
    assert reply.startswith(b"+OK")
    assert client.multi("RETR 1") == MESSAGE
    client.quit()
    until(lambda: "reason=quit" in bridge.log(), "the end of the session")
    for line in bridge.log().splitlines():
        if "logged in" in line or "session ended" in line:
            assert "user=chief authzid=" + user.name in line
    assert MASTER[1] not in bridge.log()


def test_a_maildrop_has_one_lock_whoever_reads_it(
        dovecot_with, start_bridge, new_account, connect):
    server = dovecot_with(master=MASTER)
    user = new_account(server)
    bridge = start_bridge(plain(server), "--lock", "exclusive")
    owner, master = connect(bridge), connect(bridge)
    owner.login(user)
    master.greeting()
    reply = plain_initial(master, *MASTER, user.name)
    assert reply.startswith(b"-ERR [IN-USE] ")
    owner.quit()
    until(lambda: "reason=quit" in bridge.log(), "the end of the session")
    assert plain_initial(master, *MASTER, user.name).startswith(b"+OK")
    master.quit()


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\r\nA9 LOGOUT", "a\0b"])
def test_what_no_server_takes_is_not_sent(bridge, account, connect, bad):
    client = connect(bridge)
    client.greeting()
    assert plain_initial(client, account.name,
                         bad).startswith(b"-ERR [AUTH] ")
    assert plain_initial(client, bad,
                         PASSWORD).startswith((b"-ERR [AUTH] "))
    assert client.cmd(b"AUTH LOGIN " + coded(bad)).startswith(b"-ERR [AUTH] ")
    if "\0" not in bad:
        assert plain_initial(client, account.name, account.password,
                             bad).startswith(b"-ERR [AUTH] ")
    assert plain_initial(client, account.name,
                         account.password).startswith(b"+OK")
    client.quit()
    assert "login failed" not in bridge.log()


def test_bare_auth_lists_the_mechanisms(bridge, connect):
    client = connect(bridge)
    client.greeting()
    assert (client.multi("AUTH") ==
            b"PLAIN\r\nLOGIN\r\nXOAUTH2\r\nOAUTHBEARER\r\n")
    assert b"\r\nSASL PLAIN LOGIN XOAUTH2 OAUTHBEARER\r\n" in client.multi("CAPA")
    assert client.cmd("AUTH LOGIN") == b"+ VXNlcm5hbWU6"
    client.err("*")
    client.err("AUTH SCRAM-SHA-256 =")
    client.quit()


def resident_pages(process):
    with open("/proc/%d/statm" % process.pid) as f:
        return int(f.read().split()[1])


def test_a_hundred_thousand_cancelled_logins_leave_nothing(
        dovecot, start_bridge, connect):
    # Without a limit the sanitizer holds back what has been freed.
    bridge = start_bridge(plain(dovecot), env={
        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
        ":quarantine_size_mb=1"})
    client = connect(bridge)
    client.greeting()

    def cancel(times):
        for _ in range(times // 100):
            client.send(b"AUTH\r\nAUTH PLAIN\r\n*\r\n" * 100)
            for _ in range(100):
                assert client.line().startswith(b"+OK")
                assert b"PLAIN\r\nLOGIN\r\n" in client.payload()
                assert client.line() == b"+ "
                assert client.line() == b"-ERR login cancelled"

    cancel(20000)
    before = resident_pages(bridge.process)
    cancel(80000)
    assert resident_pages(bridge.process) - before < 500
    client.quit()


def test_a_megabyte_of_auth_ends_the_session(bridge, account, connect):
    client = connect(bridge)
    client.greeting()
    assert client.cmd("AUTH PLAIN") == b"+ "
    with pytest.raises(OSError):
        while True:
            client.send(b"A" * 100000)
    until(lambda: "session ended" in bridge.log(), "the end of the session")
    assert "AAAA" not in bridge.log()
    other = connect(bridge)
    other.greeting()
    assert plain_initial(other, account.name,
                         account.password).startswith(b"+OK")
    other.quit()


@pytest.mark.parametrize("ir", [[], ["--sasl-ir"]], ids=["dialogue", "ir"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_curl(home, dovecot, bridge, new_account, mechanism, ir):
    user = new_account(dovecot, "ge heim\"\\ü☃", [MESSAGE])
    options = ["curl", "--silent", "--show-error", "--verbose",
               "--login-options", "AUTH=" + mechanism, *ir, "--user",
               user.name + ":" + user.password, "pop3://%s:%d/1" % (
                   bridge.host, bridge.port)]
    done = subprocess.run(options, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60,
                          env={"PATH": os.environ["PATH"], "HOME": home.path,
                               "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, done.stderr
    assert done.stdout == MESSAGE
    assert ("> AUTH " + mechanism).encode() in done.stderr


def test_curl_acts_for_another(home, dovecot_with, start_bridge, new_account):
    server = dovecot_with(master=MASTER)
    user = new_account(server, messages=[MESSAGE])
    bridge = start_bridge(plain(server))
    assert home.run("curl", "--silent", "--show-error", "--login-options",
                    "AUTH=PLAIN", "--sasl-authzid", user.name, "--user",
                    "%s:%s" % MASTER, "pop3://%s:%d/1" % (
                        bridge.host, bridge.port)) == MESSAGE


@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_mpop(home, dovecot, bridge, new_account, mechanism):
    class MpopWithAuth(Mpop):
        config = Mpop.config.replace("auth user", "auth " + mechanism)

    user = new_account(dovecot, messages=[MESSAGE])
    client = MpopWithAuth(home, bridge, user, lmtp=NoLmtp)
    client.poll(new=True)
    assert [m.replace(b"\n", b"\r\n") for m in client.mail()] == [MESSAGE]


class NoLmtp:
    """mpop needs none."""
    server_address = ("", 0)
