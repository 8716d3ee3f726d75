"""Sessions at servers with the manners of the large providers."""

import pytest

from conftest import until
from fake_imap import Closed, says
from pop3client import numbered
from providers import (PROVIDERS, Exchange, Gmail, GmailExpungingAtOnce,
                       Icloud, Microsoft365, Yahoo)
from test_warm import Person

TEXTS = [(10, b"Subject: one\r\n\r\n.first\r\n"),
         (20, b"Subject: two\r\n\r\nsecond\r\n"),
         (31, b"Subject: three\r\n\r\n" + b"third\r\n" * 5000)]


@pytest.fixture
def front(start_bridge, connect):
    """Starts a provider, popbridge before it; returns it and a function that
    logs in."""
    started = []

    def start(kind, *options):
        server = kind(TEXTS)
        started.append(server)
        bridge = start_bridge("imap+plain://127.0.0.1:%d" % server.port,
                              "--workers", "1", *options)

        def client(name="joe@example.org"):
            c = connect(bridge)
            c.greeting()
            c.ok("USER " + name)
            return c

        def login():
            c = client()
            c.ok("PASS " + JOE.password)
            return c

        def patient():
            """A login that is tried until the server may be asked again."""
            def tried():
                c = client()
                return (c.cmd("PASS " + JOE.password).startswith(b"+OK")
                        and c)
            return until(tried, "a login")

        login.client = client
        login.patient = patient
        login.bridge = bridge
        return server, login

    yield start
    for server in started:
        server.stop()
        assert not server.failures


JOE = Person("joe@example.org")
EACH = pytest.mark.parametrize("kind", PROVIDERS, ids=lambda k: k.__name__)


def retrieve_all(client):
    for n, (_, text) in enumerate(TEXTS, 1):
        assert client.multi("RETR %d" % n) == text.replace(
            b"\r\n.first", b"\r\n..first")
        assert client.multi("TOP %d 0" % n).endswith(b"\r\n\r\n")


@EACH
def test_a_whole_session(kind, front):
    server, login = front(kind)
    client = login()
    assert server.logins == [(b"joe@example.org", b"secret")]
    assert client.ok("STAT").split()[1] == b"3"
    ids = client.multi("UIDL")
    retrieve_all(client)
    client.ok("DELE 2")
    assert client.quit().startswith(b"+OK")
    assert [uid for uid, _ in server.messages] == [10, 31]
    after = login()
    assert [u for _, u in numbered(after.multi("UIDL"))] == [
        u for n, u in numbered(ids) if n != 2]
    assert after.multi("RETR 2") == TEXTS[2][1]
    assert after.quit().startswith(b"+OK")
    assert len(server.logins) == 1


@pytest.mark.parametrize("kind", [Gmail, GmailExpungingAtOnce],
                         ids=lambda k: k.__name__)
@pytest.mark.parametrize("how", [("--preset", "gmail"),
                                 ("--delete", "trash")], ids=" ".join)
def test_gmail_moves_to_its_trash_in_any_language(kind, how, front):
    server, login = front(kind, *how)
    client = login()
    client.ok("DELE 1")
    client.ok("DELE 3")
    assert client.quit().startswith(b"+OK")
    assert [uid for uid, _ in server.messages] == [20]
    assert [uid for uid, _ in server.trash] == [10, 31]
    assert server.named("MOVE") == [b'10,31 "[Gmail]/Papierkorb"']
    assert not server.named("STORE")


@EACH
def test_a_message_that_is_not_available_now_stays(kind, front):
    server, login = front(kind)
    server.unready = {20}
    client = login()
    client.err("RETR 2")
    for n in (1, 3):
        assert len(client.multi("RETR %d" % n)) >= len(TEXTS[n - 1][1])
    client.ok("DELE 1")
    assert client.quit().startswith(b"+OK")
    server.unready = set()
    assert [uid for uid, _ in server.messages] == [20, 31]
    assert login.patient().multi("RETR 1") == TEXTS[1][1]


@EACH
def test_what_comes_in_during_a_session_is_for_the_next(kind, front):
    server, login = front(kind)
    client = login()
    before = client.multi("UIDL")
    fetch = server.handlers["BODY"]

    def pushing(connection, tag, args):
        connection.send(b"* 4 EXISTS\r\n* 1 RECENT\r\n")
        fetch(connection, tag, args)

    server.handlers["BODY"] = pushing
    server.messages.append((40, b"Subject: four\r\n\r\nfourth\r\n"))
    server.uidnext = 41
    retrieve_all(client)
    assert client.multi("UIDL") == before
    client.err("RETR 4")
    assert client.quit().startswith(b"+OK")
    assert len(login().multi("UIDL").splitlines()) == 4


REFUSED = [
    (Gmail, b"NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)",
     "AUTH"),
    (Gmail, b"NO [ALERT] Application-specific password required: "
     b"https://support.google.com/accounts/answer/185833 (Failure)", "AUTH"),
    (Gmail, b"NO [ALERT] Please log in via your web browser: "
     b"https://support.google.com/mail/accounts/answer/78754 (Failure)",
     "AUTH"),
    (Gmail, b"NO [WEBALERT https://accounts.google.com/signin/continue?a=b] "
     b"Web login required.", "AUTH"),
    (Gmail, b"NO [ALERT] Too many simultaneous connections. (Failure)",
     "SYS/TEMP"),
    (Microsoft365, b"NO AUTHENTICATE failed.", "AUTH"),
    (Microsoft365, b"NO LOGIN failed.", "AUTH"),
    (Microsoft365, b"BAD Request is throttled. Suggested Backoff Time: 299961 "
     b"milliseconds", "SYS/TEMP"),
    (Exchange, b"NO Server Unavailable. 15", "SYS/TEMP"),
    (Yahoo, b"NO [AUTHENTICATIONFAILED] AUTHENTICATE Invalid credentials",
     "AUTH"),
    (Yahoo, b"NO [LIMIT] AUTHENTICATE Rate limit hit.", "SYS/TEMP"),
    (Yahoo, b"NO [UNAVAILABLE] AUTHENTICATE Server error, please try again",
     "SYS/TEMP"),
    (Icloud, b"NO [AUTHENTICATIONFAILED] Authentication Failed", "AUTH"),
    (Icloud, b"NO [UNAVAILABLE] Authentication service unavailable",
     "SYS/TEMP")]


@pytest.mark.parametrize("kind,answer,code", REFUSED, ids=[
    "%s-%d" % (row[0].__name__, n) for n, row in enumerate(REFUSED)])
def test_a_login_that_is_refused(kind, answer, code, front):
    server, login = front(kind)
    refusal = says(b"TAG " + answer + b"\r\n")
    server.on = {"AUTHENTICATE": refusal, "LOGIN": refusal}
    client = login.client()
    client.err("PASS secret", code)
    assert client.cmd("CAPA").startswith(b"+OK")


BUSY = [
    (Gmail, "SELECT", b"TAG NO [OVERQUOTA] Account exceeded command or "
     b"bandwidth limits. (Failure)\r\n", False),
    (Gmail, "SELECT", b"* BYE Session expired, please login again.\r\n", True),
    (Microsoft365, "SELECT",
     b"TAG BAD User is authenticated but not connected.\r\n", False),
    (Microsoft365, "SELECT", b"* BYE Connection is closed. 13\r\n", True),
    (Microsoft365, "SELECT", b"* BYE Connection closed. 14\r\n", True),
    (Microsoft365, "SIZES", b"TAG BAD Command Error. 12\r\n", False),
    (Microsoft365, "SIZES", b"TAG NO Server Unavailable. 15\r\n", False),
    (Exchange, "SELECT", b"TAG BAD Request is throttled. Suggested Backoff "
     b"Time: 2000 milliseconds\r\n", False),
    (Yahoo, "SELECT", b"TAG NO [SERVERBUG] SELECT Server error - Please try "
     b"again later\r\n", False),
    (Yahoo, "SIZES", b"TAG NO [LIMIT] UID FETCH Rate limit hit.\r\n", False),
    (Icloud, "SELECT", b"* BYE Temporary System Error\r\n", True)]


@pytest.mark.parametrize("kind,step,answer,close", BUSY, ids=[
    "%s-%d" % (row[0].__name__, n) for n, row in enumerate(BUSY)])
def test_a_mailbox_that_is_not_to_be_had_now(kind, step, answer, close,
                                             front):
    server, login = front(kind)
    server.on = {step: says(answer, close=close)}
    client = login.client()
    client.err("PASS secret", "SYS/TEMP")
    assert not server.named("STORE")
    assert len(server.messages) == 3


@EACH
@pytest.mark.parametrize("bye", [
    b"* BYE Connection closed. 14\r\n", b"* BYE Session expired, please login "
    b"again.\r\n", b"* BYE [UNAVAILABLE] Server shutting down\r\n"],
    ids=("microsoft", "gmail", "code"))
def test_a_goodbye_before_quit_removes_nothing(kind, bye, front):
    server, login = front(kind)
    client = login()
    client.ok("DELE 1")

    def leave(connection, *_):
        connection.send(bye)
        raise Closed

    server.handlers["STORE"] = leave
    assert client.quit().startswith(b"-ERR")
    assert len(server.messages) == 3


def test_messages_that_go_as_soon_as_they_are_flagged(front):
    server, login = front(GmailExpungingAtOnce)
    client = login()
    client.ok("DELE 1")
    client.ok("DELE 3")
    assert [uid for uid, _ in server.messages] == [10, 20, 31]
    assert client.quit().startswith(b"+OK")
    assert [uid for uid, _ in server.messages] == [20]
    after = login()
    assert after.multi("RETR 1") == TEXTS[1][1]


def test_sizes_that_are_estimates_are_told_in_the_log(front):
    server, login = front(Microsoft365)
    client = login()
    listed = numbered(client.multi("LIST"))
    assert [int(size) for _, size in listed] == [
        len(text) + 17 for _, text in TEXTS]
    retrieve_all(client)
    until(lambda: "a message's size is not the listed one" in
          login.bridge.log(), "the warning")


def test_a_download_that_is_throttled_is_complete(front):
    server, login = front(Gmail)
    server.fetched = b"TAG OK [THROTTLED] Success\r\n"
    client = login()
    retrieve_all(client)
    client.ok("DELE 3")
    assert client.quit().startswith(b"+OK")
    server.fetched = Gmail.fetched
    after = login.patient()
    assert after.ok("STAT").split()[1] == b"2"
    assert after.quit().startswith(b"+OK")


def test_a_throttled_account_is_let_alone(front):
    server, login = front(Microsoft365)
    refusal = says(b"TAG BAD Request is throttled. Suggested Backoff Time: "
                   b"299961 milliseconds\r\n")
    server.on = {"AUTHENTICATE": refusal, "LOGIN": refusal}
    login.client().err("PASS secret", "SYS/TEMP")
    asked = len(server.commands)
    login.client().err("PASS secret", "SYS/TEMP")
    assert len(server.commands) == asked
