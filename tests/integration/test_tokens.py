"""OAuth tokens of clients: XOAUTH2 and OAUTHBEARER, handed on to the IMAP
server, with the dialogues by which each says no."""

import base64
import json
import secrets

import pytest

from conftest import until
from fake_imap import FakeImap

TOKEN = "ya29." + secrets.token_urlsafe(32)
USER = "max@example.com"
MESSAGES = [(7, b"Subject: by token\r\n\r\nhello\r\n")]
ERROR = base64.b64encode(b'{"status":"401","schemes":"bearer"}')


def xoauth2(token=TOKEN, user=USER):
    return base64.b64encode(b"user=%s\1auth=Bearer %s\1\1" % (
        user.encode(), token.encode()))


def oauthbearer(token=TOKEN, user=USER):
    return base64.b64encode(
        b"n,a=%s,\1host=pop.example.com\1port=995\1auth=Bearer %s\1\1" % (
            user.encode(), token.encode()))


MESSAGE_OF = {"XOAUTH2": xoauth2, "OAUTHBEARER": oauthbearer}


class Server(FakeImap):
    """Takes TOKEN for USER by either mechanism, and nothing else."""

    def authenticate(self, connection, tag, args):
        mechanism, _, message = args.partition(b" ")
        if not message:
            connection.send(b"+ \r\n")
            message = connection.line()
        data = base64.b64decode(message)
        self.logins.append((mechanism.decode(), data))
        if b"auth=Bearer %s\1" % TOKEN.encode() in data and \
                USER.encode() in data:
            connection.send(tag + b" OK in\r\n")
            return
        connection.send(b"+ " + ERROR + b"\r\n")
        self.logins.append(("answer", connection.line()))
        connection.send(tag + b" NO [AUTHENTICATIONFAILED] no\r\n")


@pytest.fixture
def serve(start_bridge):
    servers = []

    def run(capabilities, options=""):
        server = Server(MESSAGES, capabilities=capabilities)
        servers.append(server)
        bridge = start_bridge(None, config="""
listener "l" { url = "pop3+plain://127.0.0.1:0" }
route "r" { upstream = "imap+plain://127.0.0.1:%d" %s }
""" % (server.port, options))
        return server, bridge

    yield run
    for server in servers:
        server.stop()
        assert server.failures == []


def upstream(*mechanisms, sasl_ir=True):
    words = ["IMAP4rev1", "UIDPLUS"] + ["SASL-IR"] * sasl_ir
    return " ".join(words + ["AUTH=" + m for m in mechanisms]).encode()


@pytest.mark.parametrize("sasl_ir", [True, False])
@pytest.mark.parametrize("at_server", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_token_reads_mail(
        serve, connect, mechanism, initial, at_server, sasl_ir):
    server, bridge = serve(upstream(at_server, sasl_ir=sasl_ir))
    client = connect(bridge)
    client.greeting()
    command = b"AUTH " + mechanism.encode()
    message = MESSAGE_OF[mechanism]()
    if initial:
        reply = client.cmd(command + b" " + message)
    else:
        assert client.cmd(command) == b"+ "
        reply = client.cmd(message)
    assert reply.startswith(b"+OK"), reply
    assert client.multi("RETR 1") == MESSAGES[0][1]
    client.quit()
    assert [m for m, _ in server.logins] == [at_server]
    assert TOKEN not in bridge.log()
    until(lambda: "user=" + USER in bridge.log(), "the log line")


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_refused_token_ends_as_its_mechanism_says(
        serve, connect, mechanism):
    server, bridge = serve(upstream(mechanism))
    client = connect(bridge)
    client.greeting()
    reply = client.cmd(b"AUTH %s %s" % (
        mechanism.encode(), MESSAGE_OF[mechanism]("expired-token")))
    assert reply.startswith(b"+ "), reply
    assert "status" in json.loads(base64.b64decode(reply[2:]))
    # Words of the server do not reach the client.
    assert reply[2:] != ERROR
    reply = client.cmd(b"" if mechanism == "XOAUTH2" else b"AQ==")
    assert reply.startswith(b"-ERR [AUTH] "), reply
    client.ok("CAPA")
    client.payload()
    reply = client.cmd(b"AUTH %s %s" % (
        mechanism.encode(), MESSAGE_OF[mechanism]()))
    assert reply.startswith(b"+OK"), reply
    assert "expired-token" not in bridge.log()
    answers = [a for m, a in server.logins if m == "answer"]
    assert answers == [b"" if mechanism == "XOAUTH2" else b"AQ=="]


def test_a_server_that_takes_no_token_is_named(serve, connect):
    _, bridge = serve(upstream("PLAIN"))
    client = connect(bridge)
    client.greeting()
    reply = client.cmd(b"AUTH XOAUTH2 " + xoauth2())
    assert reply.startswith((b"-ERR", b"+ ")), reply
    until(lambda: "XOAUTH2" in bridge.log(), "the log line")


def test_a_token_as_password_where_the_route_says_so(serve, connect):
    server, bridge = serve(upstream("XOAUTH2"), "upstream-auth = xoauth2")
    client = connect(bridge)
    client.greeting()
    client.ok("USER " + USER)
    client.ok("PASS " + TOKEN)
    assert [m for m, _ in server.logins] == ["XOAUTH2"]


@pytest.mark.parametrize("message", [
    b"user=a\1auth=Bearer x\r\ny\1\1", b"user=a\r\nb\1auth=Bearer x\1\1",
    b"user=a\1auth=Bearer x\0\1\1", b"user=\1auth=Bearer x\1\1",
    b"user=a\1auth=Bearer \1\1", b"user=a\1auth=Basic x\1\1", b"", b"\1\1",
    b"user=a\1\1", b"\xff" * 50])
def test_what_is_no_token_reaches_no_server(serve, connect, message):
    server, bridge = serve(upstream("XOAUTH2", "OAUTHBEARER"))
    client = connect(bridge)
    client.greeting()
    coded = base64.b64encode(message) or b"="
    for mechanism in (b"XOAUTH2", b"OAUTHBEARER"):
        reply = client.cmd(b"AUTH %s %s" % (mechanism, coded))
        assert reply.startswith(b"-ERR"), reply
    client.multi("CAPA")
    assert server.logins == [] and server.commands == []


def test_a_megabyte_of_auth_ends_the_session_and_nobody_elses(
        serve, connect):
    server, bridge = serve(upstream("XOAUTH2"))
    neighbour = connect(bridge)
    neighbour.greeting()
    client = connect(bridge)
    client.greeting()
    try:
        client.send(b"AUTH XOAUTH2 " + b"A" * 1000000)
    except ConnectionError:
        pass
    assert client.rest().count(b"+OK") == 0
    assert neighbour.cmd(b"AUTH XOAUTH2 " + xoauth2()).startswith(b"+OK")
    assert server.has_received(TOKEN.encode())
