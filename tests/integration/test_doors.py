"""Who is at the door: the client behind a proxy, whom a listener admits, and
clients that mean another service."""

import re
import socket
import ssl
import time

import pytest

import fronts
from conftest import PASSWORD, plain, until

PLAIN = "pop3+plain://127.0.0.1:0"
TLS = "pop3s://127.0.0.1:0"
PROXY = {"proxy_protocol": ["127.0.0.1"]}
XCLIENT = {"xclient": ["127.0.0.1"]}
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
# What the log says of a client that was not let in.
REFUSED = r"refused|denied|PROXY"


@pytest.fixture
def open_door(start_bridge, dovecot, certificates, tmp_path):
    """Starts popbridge with one listener that has these settings, lists of
    networks; options are the command line's."""
    def start(*options, url=PLAIN, **networks):
        lines = ["\t%s = {%s}" % (
            name.replace("_", "-"), ", ".join('"%s"' % n for n in values))
            for name, values in networks.items()]
        file = tmp_path / "popbridge.conf"
        file.write_text(
            'upstream = "%s"\ntls-cert = "%s/server.pem"\n'
            'tls-key = "%s/server.key"\nlistener "edge" {\n\turl = "%s"\n'
            '%s\n}\n' % (plain(dovecot), certificates, certificates, url,
                         "\n".join(lines)))
        return start_bridge(None, "-c", str(file), *options, listen=())

    return start


def v1(source, port=40000):
    family = b"TCP6" if ":" in source else b"TCP4"
    here = b"2001:db8::110" if ":" in source else b"198.51.100.110"
    return b"PROXY %s %s %s %d 110\r\n" % (family, source.encode(), here,
                                           port)


def v2(source, port=40000):
    six = ":" in source
    family = socket.AF_INET6 if six else socket.AF_INET
    here = "2001:db8::110" if six else "198.51.100.110"
    ends = (socket.inet_pton(family, source) + socket.inet_pton(family, here)
            + port.to_bytes(2, "big") + (110).to_bytes(2, "big"))
    return (SIGNATURE + (b"\x21\x21" if six else b"\x21\x11") +
            len(ends).to_bytes(2, "big") + ends)


LOCAL = SIGNATURE + b"\x20\x00\x00\x00"


def named(bridge, what, address):
    """Waits until the log says `what` of a client at this address."""
    until(lambda: re.search(r"(?m)^.*\b%s\b.*\bclient=\[?%s\]?:" % (
        what, re.escape(address)), bridge.log()),
        "%s of %s in the log" % (what, address))


def refused(bridge):
    """The lines about clients that were not let in."""
    return [line for line in bridge.log().splitlines()
            if re.search(r"\b(warn|WARN)", line) and
            re.search(REFUSED, line)]


def wait_refused(bridge, address=""):
    return until(lambda: [line for line in refused(bridge)
                          if address in line], "the word about " + address)


def works(connect, bridge, user, source=None):
    client = connect(bridge, source)
    client.login(user)
    client.quit()


def arrive(connect, bridge, header, source=None):
    """A client that has come with this header."""
    client = connect(bridge, source)
    client.send(header)
    return client


def log_in(client, user):
    client.ok("USER " + user.name)
    client.ok("PASS " + user.password)


# who it is

@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2"])
@pytest.mark.parametrize("address, source", [("127.0.0.1", "127.0.0.77"),
                                             ("::1", "::1")])
def test_the_log_names_the_client_behind_haproxy(
        open_door, start_front, account, connect, send, address, source):
    bridge = open_door(**PROXY)
    front = start_front(fronts.Haproxy, bridge.ports[0], [(address, send)])
    client = connect(front.addresses[0], source)
    client.login(account)
    client.quit()
    named(bridge, "session ended", source)
    assert "client=127.0.0.1:" not in bridge.log()


def test_the_log_names_the_client_whose_tls_ends_at_haproxy(
        open_door, start_front, account, certificates):
    bridge = open_door(**PROXY)
    front = start_front(fronts.Haproxy, bridge.ports[0],
                        [("127.0.0.1", "send-proxy-v2-ssl proxy-v2-options "
                          "authority,crc32c")], certificate=certificates)
    trusted = ssl.create_default_context(cafile=certificates + "/ca.pem")
    trusted.set_alpn_protocols(["pop3"])
    raw = socket.create_connection(front.addresses[0], 30, ("127.0.0.78", 0))
    with trusted.wrap_socket(raw, server_hostname="localhost") as s:
        stream = s.makefile("rb")
        assert stream.readline().startswith(b"+OK")
        for line in ("USER " + account.name, "PASS " + PASSWORD, "QUIT"):
            s.sendall(line.encode() + b"\r\n")
            assert stream.readline().startswith(b"+OK")
    named(bridge, "session ended", "127.0.0.78")


def test_where_tls_is_required_tls_at_the_proxy_is_enough(
        open_door, start_front, account, connect, certificates):
    bridge = open_door(url="pop3://127.0.0.1:0", **PROXY)
    front = start_front(fronts.Haproxy, bridge.ports[0],
                        [("127.0.0.1", "send-proxy-v2-ssl"),
                         ("127.0.0.1", "send-proxy-v2")],
                        certificate=certificates)
    trusted = ssl.create_default_context(cafile=certificates + "/ca.pem")
    raw = socket.create_connection(front.addresses[0], 30)
    with trusted.wrap_socket(raw, server_hostname="localhost") as s:
        stream = s.makefile("rb")
        assert stream.readline().startswith(b"+OK")
        for line in ("USER " + account.name, "PASS " + PASSWORD, "QUIT"):
            s.sendall(line.encode() + b"\r\n")
            assert stream.readline().startswith(b"+OK")
    client = connect(front.addresses[1])
    client.greeting()
    client.err("USER " + account.name)


def test_the_log_names_the_client_behind_nginx(
        open_door, start_front, account, connect):
    bridge = open_door(**PROXY)
    front = start_front(fronts.Nginx, bridge.ports[0])
    client = connect(front.addresses[0], "127.0.0.79")
    client.login(account)
    client.quit()
    named(bridge, "session ended", "127.0.0.79")


@pytest.mark.parametrize("header", [v1, v2])
@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_the_log_names_whom_the_header_names(
        open_door, account, connect, header, address):
    bridge = open_door(**PROXY)
    client = arrive(connect, bridge, header(address))
    client.login(account)
    client.quit()
    named(bridge, "session ended", address)
    client = arrive(connect, bridge, header(address))
    client.greeting()
    client.ok("USER " + account.name)
    client.err("PASS wrong", "AUTH")
    named(bridge, "login failed", address)
    assert "client=127.0.0.1:" not in bridge.log()


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"],
                         ids=["v2", "v1"])
def test_a_proxy_that_comes_as_itself_is_served(
        open_door, account, connect, header):
    bridge = open_door(**PROXY)
    client = arrive(connect, bridge, header)
    client.login(account)
    client.quit()
    named(bridge, "session ended", "127.0.0.1")


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"],
                         ids=["v2", "v1"])
def test_a_proxy_that_comes_as_itself_is_looked_at_as_itself(
        open_door, connect, header):
    bridge = open_door(allow=["192.0.2.0/24"], **PROXY)
    client = arrive(connect, bridge, header)
    assert client.rest() == b""
    wait_refused(bridge, "127.0.0.1")


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"],
                         ids=["v2", "v1"])
def test_a_proxy_that_names_no_client_has_no_xclient(
        open_door, connect, header):
    bridge = open_door(xclient=["127.0.0.1"], **PROXY)
    client = arrive(connect, bridge, header)
    assert b"XCLIENT" not in client.greeting()
    client.err("XCLIENT ADDR=192.0.2.7 PORT=1")


def test_a_health_check_of_haproxy_is_no_refused_client(
        open_door, start_front, account, connect):
    bridge = open_door(**PROXY)
    front = start_front(fronts.Haproxy, bridge.ports[0],
                        [("127.0.0.1", "send-proxy-v2")], check=True)
    named(bridge, "session ended", "127.0.0.1")
    client = connect(front.addresses[0])
    client.login(account)
    client.quit()
    assert not refused(bridge)


# how the header comes

@pytest.mark.parametrize("header", [v1("192.0.2.7"), v2("2001:db8::7"),
                                    LOCAL], ids=["v1", "v2", "local"])
def test_a_header_comes_octet_by_octet(open_door, account, connect, header):
    bridge = open_door(**PROXY)
    client = connect(bridge)
    for i in range(len(header)):
        client.send(header[i:i + 1])
    client.login(account)
    client.quit()


@pytest.mark.parametrize("header", [v1("192.0.2.7"), v2("192.0.2.7")],
                         ids=["v1", "v2"])
def test_commands_in_the_headers_segment_are_obeyed(
        open_door, connect, header):
    bridge = open_door(**PROXY)
    client = arrive(connect, bridge, header + b"CAPA\r\nQUIT\r\n")
    client.greeting()
    assert client.line().startswith(b"+OK")
    client.payload()
    assert client.line().startswith(b"+OK")
    assert client.rest() == b""


@pytest.mark.parametrize("header", [v1("192.0.2.7"), v2("192.0.2.7")],
                         ids=["v1", "v2"])
def test_tls_begins_in_the_headers_segment(
        open_door, account, certificates, header):
    bridge = open_door(url=TLS, **PROXY)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    engine = ssl.create_default_context(
        cafile=certificates + "/ca.pem").wrap_bio(
        incoming, outgoing, server_hostname="localhost")

    def drive(step, s, first=b""):
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                done = None
            s.sendall(first + outgoing.read())
            first = b""
            if done is not None:
                return done
            octets = s.recv(65536)
            assert octets, "closed"
            incoming.write(octets)

    with socket.create_connection(bridge.ports[0], 30) as s:
        drive(lambda: engine.do_handshake() or True, s, header)
        assert drive(lambda: engine.read(100), s).startswith(b"+OK")
        for line in ("USER " + account.name, "PASS " + PASSWORD, "QUIT"):
            engine.write(line.encode() + b"\r\n")
            assert drive(lambda: engine.read(600), s).startswith(b"+OK")
    named(bridge, "session ended", "192.0.2.7")


@pytest.mark.parametrize("url", [PLAIN, TLS])
def test_a_slow_header_gives_no_more_time(
        open_door, account, connect, url):
    bridge = open_door("--login-timeout", "3", url=url, **PROXY)
    header = v1("192.0.2.7")
    client = connect(bridge)
    begun = time.monotonic()
    client.socket.settimeout(0.2)
    ended = False
    at = 0
    while not ended and time.monotonic() - begun < 20:
        try:
            # Never the whole of it.
            if at < len(header) - 1:
                client.send(header[at:at + 1])
                at += 1
            ended = client.socket.recv(1) == b""
        except TimeoutError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            ended = True
    assert ended and 2 < time.monotonic() - begun < 10


WRONG = {
    "missing": b"CAPA\r\n",
    "http": b"GET / HTTP/1.1\r\nHost: mail\r\n\r\n",
    "tls": b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    "v1 too long": b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
    "v1 with a bare LF": v1("192.0.2.7").replace(b"\r\n", b"\n"),
    "v1 with an octal port": v1("192.0.2.7").replace(b" 110", b" 0110"),
    "v2 too long": v2("192.0.2.7")[:14] + b"\xff\xff" + b"x" * 70000,
    "v2 too short": v2("192.0.2.7")[:14] + b"\x00\x04" + b"x" * 4,
    "v2 from a UNIX socket": SIGNATURE + b"\x21\x31\x00\xd8" + b"/" * 216,
    "v2 for HTTP": v2("192.0.2.7")[:14] + b"\x00\x11" +
    v2("192.0.2.7")[16:] + b"\x01\x00\x02h2",
}


@pytest.mark.parametrize("url", [PLAIN, TLS])
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_header_ends_with_one_line_in_the_log(
        open_door, account, connect, case, url):
    bridge = open_door(url=url, **PROXY)
    client = connect(bridge)
    try:
        client.send(WRONG[case])
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert client.rest() == b""
    wait_refused(bridge, "127.0.0.1")
    if url == PLAIN:
        other = arrive(connect, bridge, LOCAL)
        other.login(account)
        other.quit()
    assert len(refused(bridge)) == 1
    assert "192.0.2.7" not in bridge.log()


@pytest.mark.parametrize("octets", [b"", v1("192.0.2.7")[:20],
                                    v2("192.0.2.7")[:20]],
                         ids=["nothing", "v1", "v2"])
def test_who_leaves_before_the_end_of_the_header_is_gone(
        open_door, account, connect, octets):
    bridge = open_door(**PROXY)
    client = arrive(connect, bridge, octets)
    client.half_close()
    assert client.rest() == b""
    other = arrive(connect, bridge, LOCAL)
    other.login(account)
    other.quit()
    assert "192.0.2.7" not in bridge.log()


@pytest.mark.parametrize("header", [v1("192.0.2.7"), v2("192.0.2.7")],
                         ids=["v1", "v2"])
def test_a_header_from_elsewhere_is_not_believed(
        open_door, account, connect, header):
    bridge = open_door(**PROXY)
    works(connect, bridge, account, "127.0.0.2")
    client = connect(bridge, "127.0.0.2")
    client.greeting()
    try:
        client.send(header + b"QUIT\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass
    client.rest()
    until(lambda: len(re.findall(r"client=127\.0\.0\.2:", bridge.log())) > 1,
          "the word about the client")
    assert "client=192.0.2.7" not in bridge.log()


# whom a listener admits

def test_allow_and_deny_are_about_the_real_client(
        open_door, account, connect):
    bridge = open_door(allow=["192.0.2.0/24", "2001:db8:7::/48"],
                       deny=["192.0.2.66", "2001:db8:7:6::/64"], **PROXY)
    for address in ("192.0.2.7", "2001:db8:7::7"):
        for header in (v1, v2):
            client = arrive(connect, bridge, header(address))
            client.login(account)
            client.quit()
    assert not refused(bridge)
    for address in ("192.0.2.66", "192.0.3.1", "2001:db8:7:6::1",
                    "2001:db8:8::1"):
        client = arrive(connect, bridge, v2(address))
        assert client.rest() == b""
        wait_refused(bridge, address)


def test_who_is_denied_is_closed_at_once_and_said_now_and_then(
        open_door, account, connect):
    bridge = open_door(deny=["127.0.0.66", "127.1.0.0/16"])
    for i in range(30):
        source = "127.1.0.%d" % (i + 1) if i % 2 else "127.0.0.66"
        assert connect(bridge, source).rest() == b""
    works(connect, bridge, account, "127.0.0.67")
    assert len(wait_refused(bridge)) == 1


def test_only_allowed_networks_come_in(open_door, account, connect):
    bridge = open_door(allow=["127.0.0.64/28"])
    works(connect, bridge, account, "127.0.0.79")
    for source in ("127.0.0.63", "127.0.0.80"):
        assert connect(bridge, source).rest() == b""
    wait_refused(bridge)


@pytest.mark.parametrize("header", [v1, v2])
def test_connections_are_counted_where_the_real_client_is(
        open_door, account, connect, header):
    bridge = open_door("--max-connections-per-address", "2", **PROXY)
    crowd = [arrive(connect, bridge, header(address)) for address in (
        "192.0.2.7", "192.0.2.7", "192.0.2.8", "2001:db8::1", "2001:db8::2")]
    for client in crowd:
        client.greeting()
    for address in ("192.0.2.7", "2001:db8::3"):
        assert arrive(connect, bridge, header(address)).rest() == b""
        wait_refused(bridge, address)
    other = arrive(connect, bridge, header("192.0.2.8"))
    other.login(account)
    crowd[0].ok("QUIT")
    assert crowd[0].rest() == b""

    def came_in():
        return arrive(connect, bridge,
                      header("192.0.2.7")).stream.readline() != b""
    until(came_in, "a place for the address")


def test_a_wrong_password_behind_a_proxy_delays_its_address_only(
        open_door, new_account, dovecot, connect):
    bridge = open_door(**PROXY)
    client = arrive(connect, bridge, v1("192.0.2.7"))
    client.greeting()
    for i in range(3):
        client.ok("USER " + new_account(dovecot).name)
        client.err("PASS wrong", "AUTH")
    other = arrive(connect, bridge, v1("192.0.2.8"))
    other.greeting()
    other.ok("USER " + new_account(dovecot).name)
    begun = time.monotonic()
    other.err("PASS wrong", "AUTH")
    assert time.monotonic() - begun < 3


def test_one_users_sessions_are_counted_wherever_he_comes_from(
        open_door, account, new_account, dovecot, connect):
    bridge = open_door("--max-connections-per-user", "2", **PROXY)
    inside = [arrive(connect, bridge, v1("192.0.2.%d" % n)) for n in (1, 2)]
    for client in inside:
        client.login(account)
    third = arrive(connect, bridge, v1("192.0.2.3"))
    third.greeting()
    third.ok("USER " + account.name)
    third.err("PASS " + PASSWORD)
    other = arrive(connect, bridge, v1("192.0.2.3"))
    other.login(new_account(dovecot))
    inside[0].quit()

    def comes_in():
        client = arrive(connect, bridge, v1("192.0.2.3"))
        client.greeting()
        client.ok("USER " + account.name)
        return client.cmd("PASS " + PASSWORD).startswith(b"+OK")
    until(comes_in, "a place for the user")


# XCLIENT

def offers_xclient(client):
    return client.greeting().startswith(b"+OK [XCLIENT]")


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_who_may_says_whose_connection_it_is(
        open_door, account, connect, address):
    bridge = open_door(**XCLIENT)
    client = connect(bridge)
    assert offers_xclient(client)
    client.ok("XCLIENT ADDR=%s PORT=40000 SESSION=abc/+12 TTL=4" % address)
    log_in(client, account)
    client.quit()
    named(bridge, "session ended", address)
    assert "client=127.0.0.1:" not in bridge.log()


def test_the_log_names_the_client_behind_dovecot(
        open_door, start_front, account, connect):
    bridge = open_door(**XCLIENT)
    front = start_front(fronts.DovecotProxy, bridge.ports[0])
    client = connect(front.addresses[0], "127.0.0.77")
    client.login(account)
    client.quit()
    named(bridge, "session ended", "127.0.0.77")


def test_xclient_is_for_its_networks_only(open_door, account, connect):
    bridge = open_door(**XCLIENT)
    client = connect(bridge, "127.0.0.2")
    assert not offers_xclient(client)
    client.err("XCLIENT ADDR=192.0.2.7 PORT=40000")
    log_in(client, account)
    client.quit()
    named(bridge, "session ended", "127.0.0.2")
    assert "client=192.0.2.7" not in bridge.log()


def test_xclient_is_for_before_the_login_only(open_door, account, connect):
    bridge = open_door(**XCLIENT)
    client = connect(bridge)
    client.login(account)
    client.err("XCLIENT ADDR=192.0.2.7 PORT=40000")
    client.ok("STAT")
    client.quit()
    assert "client=192.0.2.7" not in bridge.log()


@pytest.mark.parametrize("arguments", [
    "ADDR=192.0.2.256", "ADDR=", "ADDR=mail.example.com", "ADDR=::1%lo",
    "ADDR=192.0.2.7 PORT=65536", "ADDR=192.0.2.7 PORT=x"])
def test_a_wrong_xclient_is_not_believed(
        open_door, account, connect, arguments):
    bridge = open_door(**XCLIENT)
    client = connect(bridge)
    client.greeting()
    client.send(b"XCLIENT %s\r\nQUIT\r\n" % arguments.encode())
    answer = client.rest()
    assert answer.startswith(b"-ERR") or answer == b"", answer
    works(connect, bridge, account)
    assert "client=192.0.2.7" not in bridge.log()


def test_xclient_moves_no_one_past_deny_and_the_limits(
        open_door, account, connect):
    bridge = open_door("--max-connections-per-address", "3",
                       deny=["192.0.2.66"], **XCLIENT)

    def introduce(address):
        client = connect(bridge)
        client.greeting()
        client.send(b"XCLIENT ADDR=%s PORT=40000\r\n" % address.encode())
        return client

    def turned_away(address):
        answer = introduce(address).rest()
        assert not answer.startswith(b"+OK"), answer
        wait_refused(bridge, address)

    turned_away("192.0.2.66")
    crowd = []
    for _ in range(3):
        crowd.append(introduce("192.0.2.7"))
        assert crowd[-1].line().startswith(b"+OK")
    turned_away("192.0.2.7")
    other = introduce("192.0.2.8")
    assert other.line().startswith(b"+OK")
    log_in(other, account)


# clients of another service

REQUEST = (b"POST / HTTP/1.1\r\nHost: mail.example.com\r\n"
           b"Content-Type: text/plain\r\nContent-Length: 26\r\n\r\n"
           b"USER max\r\nPASS x\r\nDELE 1\r\n")


def what_is_answered(s):
    answer = b""
    try:
        while True:
            octets = s.recv(4096)
            if not octets:
                return answer
            answer += octets
    except (ConnectionResetError, ssl.SSLError):
        return answer


def one_error_at_most(answer, greeted):
    lines = answer.splitlines()
    if greeted and lines:
        assert lines.pop(0).startswith(b"+OK")
    assert len(lines) <= 1, answer
    assert all(line.startswith(b"-ERR") for line in lines), answer


def test_a_web_browser_on_a_plain_port_hears_one_error(
        open_door, account, connect):
    bridge = open_door()
    neighbour = connect(bridge)
    neighbour.login(account)
    with socket.create_connection(bridge.ports[0], 30) as s:
        s.sendall(REQUEST)
        one_error_at_most(what_is_answered(s), True)
    wait_refused_or_ended(bridge)
    neighbour.ok("STAT")
    neighbour.quit()


def wait_refused_or_ended(bridge):
    until(lambda: re.search(r"session ended|client refused", bridge.log()),
          "the word about the client")


def test_a_web_browser_on_a_tls_port_hears_one_error(
        open_door, account, connect, certificates):
    bridge = open_door(url=TLS)
    trusted = ssl.create_default_context(cafile=certificates + "/ca.pem")
    with trusted.wrap_socket(socket.create_connection(bridge.ports[0], 30),
                             server_hostname="localhost") as s:
        s.sendall(REQUEST)
        one_error_at_most(what_is_answered(s), True)
    wait_refused_or_ended(bridge)


def test_tls_on_a_plain_port_hears_one_error(
        open_door, account, connect, certificates):
    bridge = open_door()
    neighbour = connect(bridge)
    neighbour.login(account)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    engine = ssl.create_default_context().wrap_bio(
        incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        engine.do_handshake()
    with socket.create_connection(bridge.ports[0], 30) as s:
        s.sendall(outgoing.read())
        one_error_at_most(what_is_answered(s), True)
    wait_refused_or_ended(bridge)
    neighbour.ok("STAT")
    neighbour.quit()


@pytest.mark.parametrize("octets", [REQUEST, b"CAPA\r\nUSER max\r\n",
                                    b"\x80\x2e\x01\x03\x01" + b"\0" * 43],
                         ids=["HTTP", "POP3", "SSLv2"])
def test_no_tls_on_a_tls_port_is_closed(
        open_door, account, certificates, octets):
    bridge = open_door(url=TLS)
    with socket.create_connection(bridge.ports[0], 30) as s:
        s.sendall(octets)
        answer = what_is_answered(s)
    assert b"OK" not in answer and b"ERR" not in answer
    wait_refused_or_ended(bridge)
