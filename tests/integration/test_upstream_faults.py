"""What an IMAP server can do wrong, and what the POP3 client sees of it.

In every test another session is open before anything goes wrong; it must not
notice, and popbridge must still serve afterwards."""

import re
import signal
import socket
import ssl
import threading
import warnings

import pytest

from conftest import until
from fake_imap import CAPABILITIES, FakeImap, Closed, closes, says, stalls
from pop3client import Pop3

USER, PASSWORD = "max.mustermann", "unspeakable-7"
FIRST = b"Subject: first\r\n\r\n" + b"one line\r\n" * 10
LARGE = b"Subject: second\r\n\r\n" + b"0123456789abcdef\r\n" * 20000
MESSAGES = [(3, FIRST), (7, LARGE), (8, b"Subject: third\r\n\r\nx\r\n")]


class Never:
    """A handler that sends these octets again and again, until the end."""

    def __init__(self, data, pause):
        self.data, self.pause = data, pause

    def __call__(self, connection, _, __):
        while not threading.Event().wait(self.pause):
            connection.send(self.data)


def short(value):
    """A name for a parameter that may be too long to be one."""
    return ascii(value)[:60]


def each(cases):
    """The cases of one test, said aloud for the one that fails."""
    for case in cases:
        print("case:", short(case))
        yield case


class Rig:
    """A fake server, popbridge, and a bystander who is logged in."""

    def __init__(self, server, bridge):
        self.server = server
        self.bridge = bridge
        self.clients = []
        self.refusals = 0
        self.bystander = self.login()

    def client(self, source=None):
        client = Pop3((self.bridge.host, self.bridge.port), source)
        self.clients.append(client)
        client.greeting()
        return client

    def login(self):
        client = self.client()
        client.ok("USER " + USER)
        client.ok("PASS " + PASSWORD)
        return client

    def refused(self, code):
        """A login that fails with this code; the session goes on.

        Each has a name and an address of its own: popbridge remembers what
        the server has refused, and slows down who guesses."""
        self.refusals += 1
        client = self.client("127.0.1.%d" % self.refusals)
        client.ok("USER %s-%d" % (USER, self.refusals))
        reply = client.err("PASS %s-%d" % (PASSWORD, self.refusals), code)
        client.multi("CAPA")
        client.err("STAT")
        return client, reply

    def sent(self, name):
        return [args for n, args in self.server.commands if n == name]

    def finish(self):
        self.server.on = {}
        assert self.bystander.multi("RETR 1") == FIRST
        self.bystander.ok("DELE 1")
        assert self.bystander.quit().startswith(b"+OK")
        after = self.login()
        assert after.multi("RETR 2") == LARGE
        assert after.quit().startswith(b"+OK")
        assert self.server.failures == []

    def close(self):
        for client in self.clients:
            client.close()


@pytest.fixture
def rig(start_bridge):
    """Makes the one Rig of a test; `on` comes after the bystander's login."""
    made = []

    def make(on=None, options=(), scheme="imap+plain", host="127.0.0.1",
             messages=MESSAGES, **fake):
        server = FakeImap(messages, **fake)
        made.append(server)
        bridge = start_bridge("%s://%s:%d" % (scheme, host, server.port),
                              "--workers", "1", "--listing-memory", "0",
                              "--max-upstream-connections", "0", *options)
        rig = Rig(server, bridge)
        made[-1] = rig
        server.on = on or {}
        return rig

    yield make
    for rig in made:
        if isinstance(rig, FakeImap):
            rig.stop()
            continue
        try:
            rig.finish()
        finally:
            rig.close()
            rig.server.stop()


def test_a_server_that_does_all_right(rig):
    r = rig()
    client = r.login()
    assert client.cmd("STAT") == b"+OK 3 %d" % sum(
        len(m) for _, m in MESSAGES)
    for n, (_, message) in enumerate(MESSAGES, 1):
        assert client.multi("RETR %d" % n) == message
    client.ok("DELE 2")
    assert client.quit().startswith(b"+OK")
    assert r.sent("EXPUNGE") == [b"7"]


# logging in

ODD = [("a b", " p w "), ('q"u', 'o"\\t'), ("{5}", "{7+}"), ("umläut", "päss"),
       ("per%cent", "*(]"), ("tab\tbed", "\tt\t"), ("NIL", "nil"), ("\\", '"'),
       ("n" * 240, "p" * 248), ("~{3}", "''"), ("plain", "word")]


@pytest.mark.parametrize("words", [
    b"IMAP4rev1", b"IMAP4rev1 LITERAL+", b"IMAP4rev1 LITERAL-",
    b"IMAP4rev1 AUTH=PLAIN", b"IMAP4rev1 AUTH=PLAIN SASL-IR",
    b"IMAP4rev1 LOGINDISABLED AUTH=PLAIN"])
def test_names_and_passwords_arrive_exactly(words, rig):
    r = rig(capabilities=words)
    for name, password in ODD:
        client = r.client()
        client.ok("USER " + name)
        client.ok("PASS " + password)
        assert r.server.logins[-1] == (name.encode(), password.encode())
    with_initial = {b" " in args for args in r.sent("AUTHENTICATE")}
    assert with_initial == ({b"SASL-IR" in words} if b"AUTH=" in words
                            else set())
    assert bool(r.sent("LOGIN")) == (b"AUTH=" not in words)


def test_capabilities_are_asked_for_when_the_greeting_has_none(rig):
    r = rig({"greeting": says(b"* OK hello\r\n")})
    del r.server.commands[:]
    r.login()
    assert [name for name, _ in r.server.commands][:2] == [
        "CAPABILITY", "AUTHENTICATE"]


READY = b"* OK [CAPABILITY %s] ready\r\n" % CAPABILITIES


@pytest.mark.parametrize("on", [
    {"greeting": closes},
    {"greeting": says(b"* OK [CAPAB", close=True)},
    {"greeting": says(READY, close=True)},
    {"greeting": says(b"* OK hello\r\n"), "CAPABILITY": closes},
    {"greeting": lambda c, *_: c.drop()},
    {"AUTHENTICATE": closes},
    {"AUTHENTICATE": lambda c, *_: c.drop()},
    {"AUTHENTICATE": says(b"TAG O", close=True)},
    {"AUTHENTICATE": says(b"TAG OK welcome\r\n", close=True)},
    {"SELECT": closes},
    {"SELECT": says(b"* 3 EXISTS\r\n* OK [UIDVAL", close=True)},
    {"SELECT": says(b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n"
                    b"TAG OK done\r\n", close=True)},
    {"SIZES": closes},
    {"SIZES": says(b"* 1 FETCH (UID 3 RFC822.SIZE 118)\r\n", close=True)},
    {"SIZES": says(b"* 1 FETCH (UID 3 RFC822.SIZE 118)\r\n* 2 FETCH (U",
                   close=True)},
    {"SIZES": says(b"* 1 FETCH (UID 3 RFC822.SIZE 118)\r\n"
                   b"* 2 FETCH (UID 7 RFC822.SIZE 5)\r\n"
                   b"* 3 FETCH (UID 8 RFC822.SIZE 5)\r\n", close=True)},
])
def test_a_connection_lost_before_the_listing_is_complete(on, rig):
    r = rig(on)
    client, _ = r.refused("SYS/TEMP")
    r.server.on = {}
    client.ok("USER " + USER)
    client.ok("PASS " + PASSWORD)
    client.ok("STAT")


@pytest.mark.parametrize("on, code", [
    ({"greeting": says(b"* BYE too busy\r\n", close=True)}, "SYS/TEMP"),
    ({"greeting": says(b"* BYE [UNAVAILABLE] later\r\n")}, "SYS/TEMP"),
    ({"greeting": says(b"* BYE [CONTACTADMIN] blocked\r\n")}, "SYS/PERM"),
    ({"AUTHENTICATE": says(b"* BYE down\r\n", close=True)}, "SYS/TEMP"),
    ({"SELECT": says(b"* BYE down\r\n", close=True)}, "SYS/TEMP"),
    ({"SIZES": says(b"* BYE down\r\n", close=True)}, "SYS/TEMP"),
])
def test_a_server_that_says_bye(on, code, rig):
    rig(on).refused(code)


def test_a_greeting_of_somebody_already_logged_in_gets_no_password(rig):
    r = rig({"greeting": says(
        b"* PREAUTH [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] root\r\n")})
    r.server.received.clear()
    r.refused("SYS/TEMP")
    assert not r.server.has_received(PASSWORD.encode())


NO_GREETINGS = [
    b"220 mail.example.org ESMTP\r\n", b"+OK POP3 ready\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x28", b"\r\n" * 2000,
    b"\0" * 70000, b"* NO go away\r\n", b"A1 OK welcome\r\n",
    b"+ more\r\n", b"* 5 EXISTS\r\n" * 100 + b"* BAD\r\n"]


def test_a_greeting_that_is_none_gets_no_password(rig):
    r = rig()
    r.server.received.clear()
    for greeting in each(NO_GREETINGS):
        r.server.on = {"greeting": says(greeting, close=True)}
        r.refused("SYS/TEMP")
    assert not r.server.has_received(PASSWORD.encode())


LOGIN_ANSWERS = [
    (b"NO [AUTHENTICATIONFAILED] no", "AUTH"),
    (b"NO [authenticationfailed] no", "AUTH"),
    (b"NO [AUTHORIZATIONFAILED] no", "AUTH"),
    (b"NO [EXPIRED] no", "AUTH"),
    (b"NO [PRIVACYREQUIRED] no", "SYS/PERM"),
    (b"NO [CONTACTADMIN] no", "SYS/PERM"),
    (b"NO [UNAVAILABLE] no", "SYS/TEMP"),
    (b"NO [INUSE] no", "SYS/TEMP"),
    (b"NO [SERVERBUG] no", "SYS/TEMP"),
    (b"NO [LIMIT] no", "SYS/TEMP"),
    (b"NO [OVERQUOTA] no", "SYS/TEMP"),
    (b"NO [X-UNHEARD-OF] no", "AUTH"),
    (b"NO wrong password", "AUTH"),
    (b"NO", "AUTH"),
    (b"BAD what?", "SYS/TEMP"),
    (b"BAD [AUTHENTICATIONFAILED] no", "AUTH")]


@pytest.mark.parametrize("words", [b"IMAP4rev1", CAPABILITIES],
                         ids=["login", "authenticate"])
def test_response_codes_of_a_refused_login(words, rig):
    r = rig(capabilities=words)
    for answer, code in each(LOGIN_ANSWERS):
        refusal = says(b"TAG " + answer + b"\r\n")
        r.server.on = {"LOGIN": refusal, "AUTHENTICATE": refusal}
        client, _ = r.refused(code)
        r.server.on = {}
        client.ok("USER " + USER)
        client.ok("PASS " + PASSWORD)


MAILBOX_ANSWERS = [
    (b"NO [UNAVAILABLE] no", "SYS/TEMP"), (b"NO no", "SYS/TEMP"),
    (b"NO [NOPERM] no", "SYS/PERM"), (b"NO [NONEXISTENT] no", "SYS/PERM"),
    (b"NO [INUSE] no", "SYS/TEMP"), (b"BAD no", "SYS/TEMP")]


@pytest.mark.parametrize("step", ["SELECT", "SIZES"])
def test_a_mailbox_that_cannot_be_opened(step, rig):
    r = rig()
    for answer, code in each(MAILBOX_ANSWERS):
        r.server.on = {step: says(b"TAG " + answer + b"\r\n")}
        r.refused(code)


def test_a_mailbox_without_uidvalidity_has_no_lasting_ids(rig):
    rig({"SELECT": says(b"* 3 EXISTS\r\nTAG OK open\r\n")}).refused(
        "SYS/PERM")


# listings that cannot be trusted

GOOD = [b"* 1 FETCH (UID 3 RFC822.SIZE 118)\r\n",
        b"* 2 FETCH (UID 7 RFC822.SIZE 340019)\r\n",
        b"* 3 FETCH (UID 8 RFC822.SIZE 22)\r\n"]


BAD_LISTINGS = [
    [], GOOD[:1], GOOD[:2], GOOD[1:], [GOOD[0], GOOD[2]],
    GOOD[:2] + [b"* 3 FETCH (UID 8)\r\n"],
    GOOD[:2] + [b"* 3 FETCH (RFC822.SIZE 22)\r\n"],
    GOOD[:2] + [b"* 3 FETCH (UID 7 RFC822.SIZE 22)\r\n"],
    GOOD[:2] + [b"* 3 FETCH (UID 0 RFC822.SIZE 22)\r\n"],
    GOOD[:2] + [b"* 3 FETCH (UID 8 RFC822.SIZE -22)\r\n"],
    GOOD[:2] + [b"* 3 FETCH (UID 8 RFC822.SIZE 99999999999999999999)\r\n"],
    GOOD[:2] + [b"* 3 FETCH (UID 4294967296 RFC822.SIZE 22)\r\n"],
    GOOD[:2] + [b"* 4294967295 FETCH (UID 8 RFC822.SIZE 22)\r\n"],
    GOOD[:2] + [b"* 0 FETCH (UID 8 RFC822.SIZE 22)\r\n"],
    GOOD[:2] + [b"* 3 FETCH UID 8 RFC822.SIZE 22\r\n"],
    GOOD[:2] + [b"* 3 FETCH (UID 8 RFC822.SIZE 22\r\n"],
    GOOD[:2] + [b"* 3 FETCH ((UID 8 RFC822.SIZE 22))\r\n"],
    GOOD[:2] + [b'* 3 FETCH (UID "8" RFC822.SIZE 22)\r\n'],
    GOOD[:2] + [b"* 3 FETCH (" + b"(" * 10000 + b"\r\n"],
]


def test_a_bad_listing_fails_the_login_and_never_shortens(rig):
    r = rig()
    for lines in each(BAD_LISTINGS):
        r.server.on = {"SIZES": says(b"".join(lines) + b"TAG OK done\r\n")}
        _, reply = r.refused(None)
        assert b"[SYS/" in reply


def test_a_login_that_fails_late_leaves_the_maildrop_to_others(start_bridge):
    server = FakeImap(MESSAGES)
    try:
        bridge = start_bridge("imap+plain://127.0.0.1:%d" % server.port,
                              "--lock", "exclusive")
        clients = [Pop3((bridge.host, bridge.port)) for _ in range(2)]
        for client in clients:
            client.greeting()
            client.ok("USER " + USER)
        server.on = {"SIZES": says(b"TAG NO not now\r\n")}
        clients[0].err("PASS " + PASSWORD, "SYS/TEMP")
        server.on = {}
        clients[1].ok("PASS " + PASSWORD)
        clients[0].err("PASS " + PASSWORD, "IN-USE")
        assert clients[1].quit().startswith(b"+OK")
        clients[0].ok("PASS " + PASSWORD)
        for client in clients:
            client.close()
    finally:
        server.stop()
    assert server.failures == []


NOISE = [
    b"* OK still here\r\n", b"* 2 FETCH (FLAGS (\\Seen))\r\n",
    b"* XYZZY plugh\r\n", b"* LIST () NIL x\r\n", b"\r\n",
    b"* 3 EXISTS\r\n", b"* 1 FETCH (MODSEQ (7) UID 3)\r\n",
    b"* OK [ALERT] disk is \x1b[31mfull\r\n", b"* BAD hm\r\n"]


def test_a_listing_with_other_things_between(rig):
    r = rig()
    for noise in each(NOISE):
        r.server.on = {"SIZES": says(noise.join(
            [b""] + GOOD + [b"TAG OK done\r\n"]))}
        client = r.login()
        assert client.multi("LIST") == b"1 118\r\n2 340019\r\n3 22\r\n"


def test_a_listing_in_another_order_and_in_parts(rig):
    r = rig({"SIZES": says(
        GOOD[2] + b"* 1 FETCH (RFC822.SIZE 118)\r\n" + GOOD[1] +
        b"* 1 FETCH (UID 3)\r\nTAG OK done\r\n")})
    assert r.login().multi("LIST") == b"1 118\r\n2 340019\r\n3 22\r\n"


def test_mail_that_arrives_between_select_and_listing_is_in(rig):
    more = b"* 4 FETCH (UID 9 RFC822.SIZE 5)\r\n"
    r = rig({"SIZES": says(b"".join(GOOD) + b"* 4 EXISTS\r\n" + more +
                           b"TAG OK done\r\n")})
    assert r.login().ok("STAT").startswith(b"+OK 4 ")


def test_an_expunge_in_the_listing_lists_again(rig):
    answers = [b"".join(GOOD[:2]) + b"* 1 EXPUNGE\r\n"
               b"* 2 FETCH (UID 8 RFC822.SIZE 22)\r\nTAG OK done\r\n",
               b"* 1 FETCH (UID 7 RFC822.SIZE 340019)\r\n"
               b"* 2 FETCH (UID 8 RFC822.SIZE 22)\r\nTAG OK done\r\n"]
    r = rig({"SIZES": lambda c, tag, _: c.send(
        answers.pop(0).replace(b"TAG", tag))})
    assert r.login().multi("LIST") == b"1 340019\r\n2 22\r\n"
    assert not answers


HUGE = [b"4294967295", b"99999999999999999999", b"18446744073709551615",
        b"70000", b"-1"]


@pytest.mark.parametrize("where", [
    b"* 1 FETCH (UID 3 BODY[HEADER] {%s}\r\n", b"* FLAGS {%s}\r\n",
    b"* 1 FETCH (UID 3 BODY[] {%s}\r\n"])
def test_a_huge_literal_in_the_listing_costs_no_memory(where, rig):
    def flood(connection, _, __):
        connection.send(where % size)
        try:
            for _ in range(500):
                connection.send(b"x" * 65536)
        except ConnectionError:
            return
        raise Closed

    r = rig({"SIZES": flood})
    before = memory(r.bridge)
    for size in each(HUGE):
        r.refused("SYS/TEMP")
    assert memory(r.bridge) - before < 4000


def memory(bridge):
    """Resident memory in kB."""
    with open("/proc/%d/status" % bridge.process.pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1))


@pytest.mark.parametrize("step", ["greeting", "AUTHENTICATE", "SELECT",
                                  "SIZES"])
def test_an_endless_line_costs_no_memory(step, rig):
    def flood(connection, _, __):
        try:
            for _ in range(500):
                connection.send(b"* OK " + b"x" * 65536)
        except ConnectionError:
            return
        raise Closed

    r = rig({step: flood})
    before = memory(r.bridge)
    r.refused("SYS/TEMP")
    assert memory(r.bridge) - before < 4000


COMPLETIONS = [
    b"A999 OK done\r\n", b"a1 OK done\r\n", b"A0 OK\r\n", b"OK done\r\n",
    b"A99999999999999999999 OK done\r\n", b"TAG PREAUTH done\r\n",
    b"TAG FINE done\r\n", b"+ go on\r\n", b"TAGTAG OK done\r\n",
    b"TAG\r\n"]


@pytest.mark.parametrize("step", ["SELECT", "SIZES"])
def test_a_completion_that_nobody_waits_for(step, rig):
    r = rig()
    for answer in each(COMPLETIONS):
        r.server.on = {step: says(answer)}
        r.refused("SYS/TEMP")


def test_a_command_that_is_completed_twice(rig):
    r = rig({"SIZES": says(b"".join(GOOD) + b"TAG OK a\r\nTAG OK b\r\n")},
            options=("--revive", "no"))
    client = r.login()
    assert client.cmd("LIST 3") == b"+OK 3 22"
    client.err("RETR 3", "SYS/TEMP")


# messages

def test_the_connection_is_lost_between_commands(rig):
    r = rig({"SIZES": says(b"".join(GOOD) + b"TAG OK done\r\n",
                           close=True)}, options=("--revive", "no"))
    client = r.login()
    until(lambda: "mail server lost" in r.bridge.log(), "the lost connection")
    assert client.multi("LIST") == b"1 118\r\n2 340019\r\n3 22\r\n"
    client.err("RETR 1", "SYS/TEMP")
    client.err("TOP 1 1", "SYS/TEMP")
    client.ok("DELE 1")
    client.ok("DELE 2")
    assert b" 2 " in client.err("QUIT", "SYS/TEMP")
    assert client.rest() == b""


@pytest.mark.parametrize("handler", [
    closes, lambda c, *_: c.drop(), says(b"* BYE down\r\n", close=True),
    says(b"* 1 FETCH (UID 3 BODY[] {118}", close=True),
    says(b"* 1 FETCH (UID 3 ", close=True)])
def test_a_connection_lost_before_a_message(handler, rig):
    r = rig({"BODY": handler})
    client = r.login()
    client.err("RETR 1", "SYS/TEMP")
    assert client.ok("STAT").startswith(b"+OK 3 ")
    client.err("RETR 1", "SYS/TEMP")
    assert client.quit().startswith(b"+OK")


def body_of(message, uid=3, number=1, name=b"BODY[]"):
    return b"* %d FETCH (UID %d %s {%d}\r\n%s" % (
        number, uid, name, len(message), message)


def never_complete(client, command, message=FIRST):
    """The reply begins and never ends; what came is of the message."""
    client.ok(command)
    data = client.rest()
    assert not data.endswith(b"\r\n.\r\n") and data != b".\r\n"
    assert message.startswith(data)


MISSING = {
    "all": len(FIRST), "all but one octet": len(FIRST) - 1, "half": 60,
    "a line and a half": 15, "the last line end": 2, "the last octet": 1,
    "the parenthesis": 0, "the line end": -1, "the completion": -3}


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("missing", MISSING)
def test_a_connection_lost_in_a_message(missing, reset, rig):
    whole = body_of(FIRST) + b")\r\n"

    def cut(connection, _, __):
        connection.send(whole[:len(whole) - 3 - MISSING[missing]])
        if reset:
            await_bridge(r, connection)
            connection.drop()
        raise Closed

    r = rig({"BODY": cut})
    client = r.login()
    client.ok("DELE 2")
    never_complete(client, "RETR 1")
    assert not r.sent("STORE") and not r.sent("EXPUNGE")


def await_bridge(r, connection):
    """Waits until popbridge has read what was sent: a reset destroys it."""
    def unread():
        state = "%04X" % connection.socket.getpeername()[1]
        with open("/proc/net/tcp") as f:
            rows = [line.split() for line in f]
        return [row[4].split(":")[1] for row in rows
                if row[1].endswith(":" + state) and
                row[2].endswith(":%04X" % r.server.port)]
    until(lambda: unread() == ["00000000"], "popbridge to read")


TAILS = [
    b")\r\n", b" FLAGS (\\Seen))\r\nTAG", b"\r\nTAG OK\r\n",
    b"x)\r\nTAG OK\r\n", b")\r\nTAG NO\r\n", b")\r\n* BYE\r\n",
    b" UID 7)\r\nTAG OK\r\n", b")\r\nA99999 OK\r\n",
    b")) TAG OK\r\n", b" BODY[HEADER] {99999999999999999999}\r\n",
    b" X {4294967295}\r\nx", b")\r\n+ more\r\n", b" FLAGS (" + b"(" * 9999]


def test_a_message_that_does_not_end_well(rig):
    r = rig()
    for tail in each(TAILS):
        r.server.on = {"BODY": says(body_of(FIRST) + tail, close=True)}
        never_complete(r.login(), "RETR 1")


@pytest.mark.parametrize("answer", [
    b"* 1 FETCH (BODY[] {118}\r\n%s UID 7)\r\nTAG OK\r\n" % FIRST,
    b"* 1 FETCH (BODY[] {118}\r\n%s)\r\nTAG OK\r\n" % FIRST])
def test_the_body_of_another_message_is_never_completed(answer, rig):
    never_complete(rig({"BODY": says(answer)}).login(), "RETR 1")


NOT_THE_MESSAGE = [
    b"* 1 FETCH (UID 7 BODY[] {118}\r\n%s)\r\nTAG OK\r\n" % FIRST,
    b"* 1 FETCH (UID 7 BODY[] \"text\")\r\nTAG OK\r\n",
    b"* 1 FETCH (UID 3 BODY[]<5> {113}\r\n%s)\r\nTAG OK\r\n" % FIRST[5:],
    b"* 1 FETCH (UID 3 BODY[] {99999999999999999999}\r\nx",
    b"* 1 FETCH (UID 3 BODY[] {-1}\r\nx)\r\nTAG NO\r\n",
    b"* 1 FETCH (UID 3 BODY[] {118\r\n%s)\r\nTAG NO\r\n" % FIRST,
    b"* 1 FETCH (UID 3 " + b"FLAGS (" + b"x" * 70000 + b"\r\n",
    b"* 1 FETCH (UID 3 FLAGS (" + b"x " * 5000 + b") BODY[] {3}\r\nabc)\r\n",
    b"A999 OK\r\n", b"+ go on\r\n", b"* 1 FETCH (BODY[] NIL)\r\nTAG OK\r\n",
    b"* 1 FETCH (UID 3 BODY[] NIL)\r\nTAG OK\r\n",
    b'* 1 FETCH (UID 3 BODY[] "")\r\nTAG OK\r\n',
    b"* 1 FETCH (UID 3 BODY[] {0}\r\n)\r\nTAG OK\r\n",]


def test_an_answer_that_cannot_be_the_message(rig):
    r = rig()
    for answer in each(NOT_THE_MESSAGE):
        r.server.on = {"BODY": says(answer)}
        client = r.login()
        client.err("RETR 1", "SYS/TEMP")
        assert client.ok("STAT").startswith(b"+OK 3 ")


def test_a_refused_fetch_and_one_without_data_are_told_apart(rig):
    answers = {b"3": b"TAG NO cannot read it\r\n", b"7": b"TAG OK done\r\n"}
    r = rig()
    healthy = r.server.handlers["BODY"]

    def body(connection, tag, args):
        answer = answers.get(args.split(b" ")[0])
        if answer is None:
            healthy(connection, tag, args)
        else:
            connection.send(answer.replace(b"TAG", tag))

    r.server.on = {"BODY": body}
    client = r.login()
    for _ in range(2):
        refusal = client.err("RETR 1", "SYS/TEMP")
        gone = client.err("RETR 2")
        assert b"[" not in gone and gone[5:] not in refusal
        assert client.multi("RETR 3") == MESSAGES[2][1]
        client.err("TOP 1 0", "SYS/TEMP")
        client.err("TOP 2 0")


@pytest.mark.parametrize("code", [b"EXPUNGEISSUED", b"NONEXISTENT"])
def test_a_message_the_server_says_is_gone(code, rig):
    r = rig({"BODY": says(b"TAG NO [" + code + b"] gone\r\n")})
    assert b"[SYS/TEMP" not in r.login().err("RETR 1")


QUOTED = b"Subject: x\t\"quoted\"\\ and so on"


WRAPPED = [
    (b'* 1 FETCH (UID 3 BODY[] "Subject: x\t\\"quoted\\"\\\\ and so on")\r\n',
     QUOTED + b"\r\n"),
    (b'* 1 FETCH (BODY[] ".dot" UID 3)\r\n', b"..dot\r\n"),
    (b"* 1 FETCH (UID 3 BODY[] ~{118}\r\n%s)\r\n" % FIRST, FIRST),
    (b"* 1 FETCH (BODY[] {118}\r\n%s UID 3)\r\n" % FIRST, FIRST),
    (b"* 1 FETCH (BODY[] {118}\r\n%s FLAGS (\\Seen a) UID 3)\r\n" % FIRST,
     FIRST),
    (b"* 1 FETCH (FLAGS (\\Seen) BODY[] {118}\r\n%s UID 3 MODSEQ (12))\r\n"
     % FIRST, FIRST),
    (b"* 1 FETCH (FLAGS () UID 3 RFC822.SIZE 118 BODY[] {118}\r\n%s)\r\n"
     % FIRST, FIRST),
    (b"* 1 fetch (uid 3 body[] {118}\r\n%s)\r\n" % FIRST, FIRST),
    (b"* 4 EXISTS\r\n* 1 RECENT\r\n* 2 FETCH (FLAGS (\\Seen))\r\n"
     b"* 3 EXPUNGE\r\n* OK still here\r\n* 3 FETCH (UID 8 FLAGS ())\r\n"
     + body_of(FIRST) + b")\r\n* 5 EXISTS\r\n* 4 EXPUNGE\r\n"
     b"* 1 FETCH (FLAGS (\\Seen))\r\n* OK [ALERT] {5}\r\n"
     b"* 1 FETCH (UID 3 FLAGS (\\Seen))\r\n", FIRST),
    (body_of(b"short\r\n") + b")\r\n", b"short\r\n"),
    (body_of(b"\0\0\n.\n\r") + b")\r\n", b"\x80\x80\r\n..\r\n\r\r\n"),]


def test_a_message_however_it_is_wrapped(rig):
    r = rig()
    for answer, message in each(WRAPPED):
        r.server.on = {"BODY": says(answer + b"TAG OK done\r\n")}
        client = r.login()
        for _ in range(2):
            assert client.multi("RETR 1") == message
        client.ok("NOOP")


@pytest.mark.parametrize("body", [b"NIL", b'""', b"{0}\r\n", b"~{0}\r\n"])
def test_an_empty_message_however_it_is_wrapped(body, rig):
    r = rig({"BODY": says(b"* 3 FETCH (UID 8 BODY[] %s)\r\nTAG OK\r\n"
                          % body),
             "SIZES": says(b"".join(GOOD[:2]) + b"* 3 FETCH (UID 8 "
                           b"RFC822.SIZE 0)\r\nTAG OK done\r\n")})
    client = r.login()
    assert client.cmd("LIST 3") == b"+OK 3 0"
    assert client.multi("RETR 3") == b"\r\n"
    assert client.multi("TOP 3 9") == b"\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_everything_in_small_pieces(size, rig):
    def slowly(connection):
        send = connection.send

        def pieces(data):
            for i in range(0, len(data), size):
                send(data[i:i + size])
        return pieces

    def greeting(connection, *_):
        connection.send = slowly(connection)
        r.server.greeting(connection)

    r = rig({"greeting": greeting})
    client = r.login()
    assert client.multi("RETR 1") == FIRST
    assert client.multi("TOP 1 0") == b"Subject: first\r\n\r\n"
    client.ok("DELE 1")
    assert client.quit().startswith(b"+OK")


def test_octets_reach_the_client_while_the_server_still_sends(rig):
    seen = threading.Event()

    def body(connection, tag, _):
        connection.send(body_of(FIRST)[:-60])
        assert seen.wait(30)
        connection.send(FIRST[-60:] + b")\r\n" + tag + b" OK\r\n")

    client = rig({"BODY": body}).login()
    client.ok("RETR 1")
    assert client.line() == b"Subject: first"
    seen.set()
    assert client.payload() == FIRST[len(b"Subject: first\r\n"):]


def test_a_client_that_leaves_in_the_middle_of_a_message(rig):
    ended = threading.Event()

    def body(connection, tag, _):
        connection.send(body_of(FIRST)[:-60])
        try:
            connection.wait_for_end()
        finally:
            ended.set()

    r = rig({"BODY": body})
    client = r.login()
    client.ok("RETR 1")
    client.reset()
    assert ended.wait(30)
    until(lambda: "session ended" in r.bridge.log(), "the end")


# removing

def deleted(r, *numbers):
    """A session that has marked these; now it is about to say QUIT."""
    client = r.login()
    for number in numbers:
        client.ok("DELE %d" % number)
    return client


@pytest.mark.parametrize("on", [
    {"STORE": closes},
    {"STORE": lambda c, *_: c.drop()},
    {"STORE": says(b"TAG OK stored\r\n", close=True)},
    {"STORE": says(b"TAG NO [NOPERM] not yours\r\n")},
    {"STORE": says(b"TAG BAD what\r\n")},
    {"STORE": says(b"* BYE down\r\n", close=True)},
    {"STORE": says(b"A999 OK\r\n")},
    {"EXPUNGE": closes},
    {"EXPUNGE": says(b"* 1 EXPUNGE\r\n", close=True)},
    {"EXPUNGE": says(b"* 1 EXPUNGE\r\n* 2 EXPUNGE\r\nTAG O", close=True)},
    {"EXPUNGE": says(b"TAG NO no\r\n")},
    {"EXPUNGE": says(b"TAG BAD no\r\n")}], ids=short)
def test_quit_says_how_many_were_not_removed(on, rig):
    client = deleted(rig(on), 1, 3)
    assert b" 2 " in client.err("QUIT", "SYS/TEMP")
    assert client.rest() == b""


def test_quit_counts_what_was_removed_before_the_failure(rig):
    count = 200
    many = [(2 * i + 1, FIRST if i == 0 else LARGE if i == 1 else b"x\r\n")
            for i in range(count)]
    r = rig(messages=many)
    seen = []

    def store(connection, tag, args):
        uids = args.split(b" ")[0]
        seen.append(uids)
        connection.send(tag + (b" OK\r\n" if len(seen) == 1 else
                               b" NO full\r\n"))

    r.server.on = {"STORE": store}
    client = deleted(r, *range(1, count + 1, 2))
    reply = client.err("QUIT", "SYS/TEMP")
    first = len(seen[0].split(b","))
    assert len(seen) > 1 and b" %d " % (count // 2 - first) in reply
    assert max(len(uids) for uids in seen) < 1000


def test_a_read_only_mailbox_deletes_nothing(rig):
    r = rig({"SELECT": says(
        b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n"
        b"TAG OK [READ-ONLY] open\r\n")})
    client = r.login()
    client.err("DELE 1", "SYS/PERM")
    assert client.multi("RETR 1") == FIRST
    assert client.quit().startswith(b"+OK")
    assert not r.sent("STORE") and not r.sent("EXPUNGE")


NO_UIDPLUS = b"IMAP4rev1 AUTH=PLAIN SASL-IR"


@pytest.mark.parametrize("on", [
    {"SEARCH": says(b"TAG NO no\r\n")},
    {"SEARCH": says(b"TAG OK nothing said\r\n")},
    {"SEARCH": says(b"* SEARCH x\r\nTAG OK\r\n")},
    {"SEARCH": closes},
    {"SEARCH": says(b"* SEARCH 3 7", close=True)},
    {"STORE": says(b"TAG NO no\r\n")},
    {"STORE": closes},
    {"STORE": says(b"TAG OK\r\n", close=True)}], ids=short)
def test_without_uid_expunge_nothing_is_expunged_in_doubt(on, rig):
    r = rig(on, capabilities=NO_UIDPLUS)
    client = deleted(r, 1)
    assert b" 1 " in client.err("QUIT", "SYS/TEMP")
    assert not r.sent("EXPUNGE")


def test_without_uid_expunge_and_others_who_go_on_flagging(rig):
    r = rig({"SEARCH": says(b"* SEARCH 3 7\r\nTAG OK\r\n")},
            capabilities=NO_UIDPLUS)
    client = deleted(r, 1)
    assert b" 1 " in client.err("QUIT", "SYS/TEMP")
    assert not r.sent("EXPUNGE")
    assert r.sent("STORE")[-1] == b"7 +FLAGS.SILENT (\\Deleted)"


@pytest.mark.parametrize("answer", [b"NO no", b"BAD no"])
def test_without_uid_expunge_others_flags_come_back(answer, rig):
    found = [b"* SEARCH 3 7\r\n", b"* SEARCH 3\r\n"]
    r = rig({"EXPUNGE": says(b"TAG " + answer + b"\r\n"),
             "SEARCH": lambda c, tag, _: c.send(
                 found.pop(0) + tag + b" OK\r\n")},
            capabilities=NO_UIDPLUS)
    client = deleted(r, 1)
    assert b" 1 " in client.err("QUIT", "SYS/TEMP")
    stores = [args for args in r.sent("STORE") if args.startswith(b"7 ")]
    assert [args[2:3] for args in stores] == [b"-", b"+"]


def test_a_connection_that_is_found_dead_by_writing_is_lost_at_once(rig):
    ending = threading.Event()

    def sizes(connection, tag, args):
        connection.server.sizes(connection, tag, args)
        assert ending.wait(30)
        connection.drop()

    r = rig({"SIZES": sizes}, ("--revive", "no"))
    client = deleted(r, 1)
    # Both wait when it goes on, and the client comes first.
    r.bridge.process.send_signal(signal.SIGSTOP)
    client.send(b"QUIT\r\n")
    ending.set()
    r.server.threads[-1].join(30)
    r.bridge.process.send_signal(signal.SIGCONT)
    client.socket.settimeout(20)
    assert client.line().startswith(b"-ERR [SYS/TEMP]")


# silence

IMPATIENT = ("--connect-timeout", "1", "--upstream-timeout", "1")


@pytest.mark.parametrize("step", ["greeting", "AUTHENTICATE", "SELECT",
                                  "SIZES"])
@pytest.mark.parametrize("handler", [
    stalls, Never(b"* OK still here\r\n", 0.1), Never(b"* 3 EXISTS\r\n", 0.1),
    Never(b"*", 0.1)], ids=["silent", "chatty", "counting", "slow"])
def test_a_login_that_is_never_answered(step, handler, rig):
    rig({step: handler}, IMPATIENT).refused("SYS/TEMP")


def test_a_handshake_that_is_never_answered(rig, certificates):
    r = rig({"handshake": stalls}, IMPATIENT + (
        "--upstream-ca", certificates + "/ca.pem"), "imaps",
        tls=certificates, implicit_tls=True)
    r.refused("SYS/TEMP")


@pytest.mark.parametrize("command", ["RETR 1", "TOP 1 3"])
@pytest.mark.parametrize("handler", [
    stalls, Never(b"* OK still here\r\n", 0.1)], ids=["silent", "chatty"])
def test_a_message_that_never_comes(handler, command, rig):
    client = rig({"BODY": handler}, IMPATIENT).login()
    client.err(command, "SYS/TEMP")
    assert client.ok("STAT").startswith(b"+OK 3 ")


def test_a_message_that_stops_in_the_middle(rig):
    def body(connection, _, __):
        connection.send(body_of(FIRST)[:-20])
        connection.wait_for_end()

    never_complete(rig({"BODY": body}, IMPATIENT).login(), "RETR 1")


def test_a_slow_message_is_no_silence(rig):
    def body(connection, tag, _):
        text = body_of(FIRST) + b")\r\n" + tag + b" OK\r\n"
        for i in range(0, len(text), 20):
            threading.Event().wait(0.3)
            connection.send(text[i:i + 20])

    client = rig({"BODY": body}, IMPATIENT).login()
    assert client.multi("RETR 1") == FIRST


@pytest.mark.parametrize("step", ["STORE", "EXPUNGE"])
def test_a_commit_that_is_never_answered(step, rig):
    client = deleted(rig({step: stalls}, IMPATIENT), 1, 2)
    assert b" 2 " in client.err("QUIT", "SYS/TEMP")


def test_a_server_that_accepts_nobody(start_bridge, connect):
    waiting = []
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(full.getsockname())
        bridge = start_bridge("imap+plain://127.0.0.1:%d" %
                              full.getsockname()[1], *IMPATIENT)
        client = connect(bridge)
        client.greeting()
        client.ok("USER " + USER)
        client.err("PASS " + PASSWORD, "SYS/TEMP")
        for s in waiting:
            s.close()


# the end of the process

@pytest.fixture
def dying(start_bridge):
    """A server and a popbridge that the test itself will end."""
    servers = []

    def make(*options, **on):
        server = FakeImap(MESSAGES)
        servers.append(server)
        server.on = on
        return start_bridge("imap+plain://127.0.0.1:%d" % server.port,
                            *options)

    yield make
    for server in servers:
        server.stop()
        assert server.failures == []


def log_in(client):
    client.greeting()
    client.ok("USER " + USER)
    client.ok("PASS " + PASSWORD)


def test_terminating_lets_a_commit_finish(dying, connect):
    def expunge(connection, tag, _):
        bridge.process.send_signal(signal.SIGTERM)
        until(lambda: "SIGTERM" in bridge.log(), "the record of the signal")
        connection.send(b"* 1 EXPUNGE\r\n" + tag + b" OK done\r\n")

    bridge = dying(EXPUNGE=expunge)
    client = connect(bridge)
    log_in(client)
    client.ok("DELE 1")
    assert client.quit().startswith(b"+OK")
    client.close()
    assert bridge.process.wait(30) == 0
    assert "removed=1" in bridge.log()


@pytest.mark.parametrize("command, step", [("RETR 1", "BODY"),
                                           ("QUIT", "STORE")])
def test_terminating_does_not_wait_for_ever(command, step, dying, connect):
    reached = threading.Event()

    def stall(connection, *_):
        reached.set()
        connection.wait_for_end()

    bridge = dying("--drain-timeout", "1", **{step: stall})
    client = connect(bridge)
    log_in(client)
    client.ok("DELE 2")
    client.send(command.encode() + b"\r\n")
    assert reached.wait(30)
    bridge.process.send_signal(signal.SIGTERM)
    assert bridge.process.wait(20) == 0
    assert not client.rest().startswith(b"+OK")


# what servers say is for the log

RUDE = b"UPSTREAM \x1b[2J\x07 \x80\xff\xc3\xa4 \0 a\rb " + b"very long " * 1000


PHRASES = [
    b"TAG NO %s\r\n", b"TAG NO [ALERT] %s\r\n", b"TAG NO [%s] x\r\n",
    b"* BYE %s\r\n", b"* NO [UNAVAILABLE] UPSTREAM\x1b\r\n* BYE %s\r\n",
    b"* OK [ALERT] UPSTREAM\x1b\r\n* BYE %s\r\n"]


@pytest.mark.parametrize("step", ["greeting", "AUTHENTICATE", "SELECT",
                                  "SIZES"])
def test_text_of_a_server_is_for_the_log(step, rig):
    r = rig()
    for phrase in each(PHRASES):
        r.server.on = {step: says(phrase % RUDE)}
        _, reply = r.refused(None)
        assert b"UPSTREAM" not in reply and reply.isascii()
    is_clean(r.bridge.log())


def is_clean(log):
    assert "UPSTREAM" in log
    assert log.isascii() and log.replace("\n", "").isprintable()


def test_text_of_a_server_about_messages_is_for_the_log(rig):
    refusal = says(b"* NO %s\r\nTAG NO %s\r\n" % (RUDE, RUDE))
    r = rig({"BODY": refusal, "STORE": refusal})
    client = deleted(r, 3)
    for command in ("RETR 1", "TOP 1 1"):
        assert b"UPSTREAM" not in client.err(command)
    reply = client.err("QUIT")
    assert b"UPSTREAM" not in reply and reply.isascii()
    is_clean(r.bridge.log())


# TLS

def trusting(certificates):
    return ("--upstream-ca", certificates + "/ca.pem")


def test_what_was_learnt_before_tls_is_forgotten(rig, certificates):
    def announce(connection):
        return b"IMAP4rev1 " + (
            b"LITERAL+" if connection.secured
            else b"STARTTLS LOGINDISABLED AUTH=PLAIN SASL-IR")

    r = rig(None, trusting(certificates), "imap", tls=certificates)
    r.server.announced = announce
    r.login()
    assert [name for name, _ in r.server.commands[-6:]] == [
        "STARTTLS", "CAPABILITY", "LOGIN", "CAPABILITY", "SELECT", "SIZES"]


BEHIND = [b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", b"* OK x\r\n",
          b"A2 OK\r\n", b"x", b"\r\n"]


@pytest.mark.parametrize("when", ["same write", "next write", "after hello"])
def test_octets_behind_starttls_are_an_attack(when, rig, certificates):
    def starttls(connection, tag, _):
        if when == "same write":
            connection.send(tag + b" OK now\r\n" + behind)
        else:
            connection.send(tag + b" OK now\r\n")
            if when == "after hello":
                connection.take(1)
            connection.send(behind)
        if when == "after hello":
            connection.wait_for_end()
        connection.start_tls()
        connection.wait_for_end()

    r = rig({"STARTTLS": starttls}, IMPATIENT + trusting(certificates),
            "imap", tls=certificates)
    for behind in each(BEHIND):
        no_password(r, "SYS/TEMP")


def no_password(r, code):
    del r.server.received[:]
    r.refused(code)
    assert r.server.received or r.server.implicit_tls
    for secret in (USER, PASSWORD):
        assert not r.server.has_received(secret.encode())


@pytest.mark.parametrize("on, code", [
    ({"greeting": says(READY)}, "SYS/PERM"),
    ({"greeting": says(b"* OK hi\r\n"), "CAPABILITY": says(
        b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nTAG OK\r\n")}, "SYS/PERM"),
    ({"STARTTLS": says(b"TAG NO not now\r\n")}, "SYS/TEMP"),
    ({"STARTTLS": says(b"TAG BAD what\r\n")}, "SYS/TEMP"),
    ({"STARTTLS": says(b"TAG OK now\r\n", close=True)}, "SYS/TEMP"),
    ({"STARTTLS": closes}, "SYS/TEMP"),
    ({"STARTTLS": says(b"* BYE\r\n")}, "SYS/TEMP"),
    ({"STARTTLS": says(b"* PREAUTH x\r\nA999 OK\r\n")}, "SYS/TEMP"),
    ({"greeting": says(b"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] x\r\n",
                       close=True)}, "SYS/TEMP"),
    ], ids=short)
def test_without_starttls_no_password_is_sent(on, code, rig, certificates):
    r = rig(on, trusting(certificates), "imap", tls=certificates)
    del r.server.received[:]
    r.refused(code)
    for secret in (USER, PASSWORD):
        assert not r.server.has_received(secret.encode())


def test_a_clear_text_server_behind_imaps_gets_no_password(rig,
                                                           certificates):
    def handshake(connection, *_):
        connection.send(READY)
        connection.wait_for_end()

    r = rig({"handshake": handshake}, trusting(certificates), "imaps",
            tls=certificates, implicit_tls=True)
    no_password(r, "SYS/TEMP")


def test_an_old_tls_version_gets_no_password(rig, certificates):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.load_cert_chain(certificates + "/server.pem",
                        certificates + "/server.key")
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    r = rig({"handshake": lambda c, *_: c.start_tls(old)},
            trusting(certificates), "imaps", tls=certificates,
            implicit_tls=True)
    no_password(r, "SYS/TEMP")


@pytest.mark.parametrize("scheme", ["imap", "imaps"])
def test_the_server_is_told_its_name_and_the_protocol(scheme, rig,
                                                      certificates):
    told = []
    r = rig(None, trusting(certificates), scheme, host="localhost",
            tls=certificates, implicit_tls=scheme == "imaps")
    r.server.tls.set_alpn_protocols(["imap"])
    r.server.tls.sni_callback = lambda sock, name, _: told.append(name)
    r.server.on = {"AUTHENTICATE": lambda c, *args: (
        told.append(c.socket.selected_alpn_protocol()),
        r.server.authenticate(c, *args))}
    r.login()
    assert told == ["localhost", "imap"]


@pytest.mark.parametrize("missing", MISSING)
def test_a_tls_connection_cut_in_a_message(missing, rig, certificates):
    whole = body_of(FIRST) + b")\r\n"
    r = rig({"BODY": says(whole[:len(whole) - 3 - MISSING[missing]],
                          close=True)},
            trusting(certificates), "imaps", tls=certificates,
            implicit_tls=True)
    never_complete(r.login(), "RETR 1")
