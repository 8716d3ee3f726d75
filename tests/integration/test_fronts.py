"""What HAProxy, nginx and Dovecot really send to whom they stand in front of:
so that the tests of the doors are about popbridge alone."""

import socket
import ssl
import threading

import pytest

import fronts

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
SAID = b"CAPA\r\n"


@pytest.fixture
def recorder():
    """A socket that takes connections and does nothing with them."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        s.settimeout(30)
        yield s


def heard(recorder, client, said=SAID):
    """What arrives when the client says that."""
    client.sendall(said)
    with recorder.accept()[0] as s:
        s.settimeout(30)
        got = b""
        while not got.endswith(said):
            octets = s.recv(4096)
            assert octets, "closed after %r" % got
            got += octets
    return got[:-len(said)]


def connect(address, source):
    return socket.create_connection(address, 30, (source, 0))


@pytest.mark.parametrize("address, family", [("127.0.0.1", b"TCP4"),
                                             ("::1", b"TCP6")])
def test_haproxy_sends_a_line(recorder, start_front, address, family):
    front = start_front(fronts.Haproxy, recorder.getsockname(),
                        [(address, "send-proxy")])
    source = "127.0.0.7" if family == b"TCP4" else "::1"
    with connect(front.addresses[0], source) as client:
        assert heard(recorder, client) == b"PROXY %s %s %s %d %d\r\n" % (
            family, source.encode(), address.encode(),
            client.getsockname()[1], front.addresses[0][1])


def test_haproxy_sends_octets(recorder, start_front):
    front = start_front(fronts.Haproxy, recorder.getsockname(),
                        [("127.0.0.1", "send-proxy-v2"),
                         ("::1", "send-proxy-v2")])
    with connect(front.addresses[0], "127.0.0.7") as client:
        assert heard(recorder, client) == (
            SIGNATURE + b"\x21\x11\x00\x0c\x7f\0\0\7\x7f\0\0\1" +
            client.getsockname()[1].to_bytes(2, "big") +
            front.addresses[0][1].to_bytes(2, "big"))
    with connect(front.addresses[1], "::1") as client:
        assert heard(recorder, client).startswith(
            SIGNATURE + b"\x21\x21\x00\x24" + (b"\0" * 15 + b"\1") * 2)


@pytest.mark.parametrize("alpn", [False, True])
def test_haproxy_says_that_the_client_speaks_tls(
        recorder, start_front, certificates, alpn):
    front = start_front(
        fronts.Haproxy, recorder.getsockname(),
        [("127.0.0.1", "send-proxy-v2-ssl proxy-v2-options "
          "authority,crc32c")], certificate=certificates)
    trusted = ssl.create_default_context(cafile=certificates + "/ca.pem")
    if alpn:
        trusted.set_alpn_protocols(["pop3"])
    with trusted.wrap_socket(connect(front.addresses[0], "127.0.0.7"),
                             server_hostname="localhost") as client:
        header = heard(recorder, client)
    assert b"\x03\x00\x04" in header
    assert b"\x02\x00\x09localhost" in header
    assert b"\x20\x00\x0f\x01\0\0\0\0\x21\x00\x07TLSv1.3" in header
    assert (b"\x01\x00\x04pop3" in header) == alpn


def test_haproxy_tries_the_server_as_itself(recorder, start_front):
    start_front(fronts.Haproxy, recorder.getsockname(),
                [("127.0.0.1", "send-proxy-v2")], check=True)
    with recorder.accept()[0] as s:
        s.settimeout(30)
        assert s.recv(4096).startswith(SIGNATURE + b"\x20")


def test_nginx_sends_a_line(recorder, start_front):
    front = start_front(fronts.Nginx, recorder.getsockname())
    with connect(front.addresses[0], "127.0.0.7") as client:
        assert heard(recorder, client) == (
            b"PROXY TCP4 127.0.0.7 127.0.0.1 %d %d\r\n" % (
                client.getsockname()[1], front.addresses[0][1]))


@pytest.mark.parametrize("greeting", [b"+OK [XCLIENT] hello\r\n",
                                      b"+OK hello\r\n"])
def test_dovecot_says_who_logs_in_where_xclient_is_offered(
        recorder, start_front, greeting):
    front = start_front(fronts.DovecotProxy, recorder.getsockname())
    lines = []

    def serve():
        with recorder.accept()[0] as s, s.makefile("rb") as stream:
            s.settimeout(30)
            s.sendall(greeting)
            while not lines or not lines[-1].startswith(b"PASS"):
                lines.append(stream.readline())
                s.sendall(b"+OK\r\n")

    server = threading.Thread(target=serve)
    server.start()
    with connect(front.addresses[0], "127.0.0.7") as client:
        client.sendall(b"USER max\r\nPASS secret\r\n")
        server.join(30)
        assert not server.is_alive()
        port = client.getsockname()[1]
    if b"XCLIENT" in greeting:
        assert lines.pop(0).startswith(
            b"XCLIENT ADDR=127.0.0.7 PORT=%d SESSION=" % port)
    assert lines == [b"USER max\r\n", b"PASS secret\r\n"]
