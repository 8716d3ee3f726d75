"""TLS with POP3 clients: from the first octet, by STLS, and what is refused."""

import poplib
import socket
import ssl
import subprocess

import pytest

import proxy
import sandbox
from conftest import until

MESSAGE = b"Subject: over TLS\r\n\r\nhello\r\n"


@pytest.fixture
def bridge(binary, dovecot, certificates):
    bridge = proxy.Popbridge(
        binary, "imap+plain://%s:%d" % (dovecot.address, dovecot.imap_port),
        "--tls-cert", certificates + "/server.pem",
        "--tls-key", certificates + "/server.key",
        listen=("pop3s://127.0.0.1:0", "pop3://127.0.0.1:0",
                "pop3+plain://127.0.0.1:0"))
    yield bridge
    status = bridge.stop()
    log = bridge.log()
    print(log)
    bridge.close()
    assert status == 0
    assert "Sanitizer" not in log and "runtime error" not in log


def context(certificates, **versions):
    trusted = ssl.create_default_context(cafile=certificates + "/ca.pem")
    for name, version in versions.items():
        setattr(trusted, name, version)
    return trusted


def wrapped(bridge, trusted, session=None):
    return trusted.wrap_socket(
        socket.create_connection(bridge.ports[0], 30),
        server_hostname="localhost", session=session)


def read_mail(client, account):
    client.user(account.name)
    client.pass_(account.password)
    assert client.stat() == (1, len(MESSAGE))
    assert b"\r\n".join(client.retr(1)[1]) + b"\r\n" == MESSAGE
    assert client.quit().startswith(b"+OK")


def test_mail_is_read_with_tls_from_the_first_octet(
        dovecot, bridge, account, certificates):
    dovecot.deliver(account, MESSAGE)
    host, port = bridge.ports[0]
    read_mail(poplib.POP3_SSL("localhost", port,
                              context=context(certificates)), account)
    assert "tls=TLSv1.3" in bridge.log()


@pytest.mark.parametrize("listener", [1, 2])
def test_mail_is_read_after_stls(dovecot, bridge, account, certificates,
                                 listener):
    dovecot.deliver(account, MESSAGE)
    client = poplib.POP3("localhost", bridge.ports[listener][1], 30)
    assert "STLS" in client.capa()
    client.stls(context(certificates))
    assert "STLS" not in client.capa()
    assert "USER" in client.capa()
    read_mail(client, account)


def test_no_password_is_taken_in_the_clear_where_stls_is_required(
        bridge, account):
    client = poplib.POP3("localhost", bridge.ports[1][1], 30)
    assert "USER" not in client.capa()
    with pytest.raises(poplib.error_proto, match="AUTH"):
        client.user(account.name)
    client.close()


def test_curl_reads_mail_over_both(dovecot, bridge, account, certificates):
    dovecot.deliver(account, MESSAGE)
    for scheme, (_, port), extra in (("pop3s", bridge.ports[0], ()),
                                     ("pop3", bridge.ports[1],
                                      ("--ssl-reqd",))):
        done = subprocess.run(
            ["curl", "-s", "-S", "--cacert", certificates + "/ca.pem", *extra,
             "-u", "%s:%s" % (account.name, account.password),
             "%s://localhost:%d/1" % (scheme, port)],
            capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout == MESSAGE


@pytest.mark.parametrize("segments", [
    (b"STLS\r\nUSER mallory\r\n",), (b"STLS\r\n", b"USER mallory\r\n")])
def test_octets_in_the_clear_behind_stls_are_never_obeyed(bridge, segments):
    with socket.create_connection(bridge.ports[2], 30) as s:
        stream = s.makefile("rb")
        stream.readline()
        for segment in segments:
            s.sendall(segment)
            if segment is not segments[-1]:
                assert stream.readline().startswith(b"+OK")
        try:
            rest = stream.read()
        except ConnectionResetError:
            rest = b""
        assert b"send PASS" not in rest
    until(lambda: "session ended" in bridge.log(), "the end of the session")


def test_a_client_of_another_protocol_is_refused(bridge, certificates):
    trusted = context(certificates)
    trusted.set_alpn_protocols(["h2", "http/1.1"])
    with pytest.raises(ssl.SSLError):
        wrapped(bridge, trusted)
    trusted.set_alpn_protocols(["imap", "pop3"])
    with wrapped(bridge, trusted) as s:
        assert s.selected_alpn_protocol() == "pop3"
        assert s.recv(100).startswith(b"+OK")


def test_tls_1_2_is_the_oldest_that_is_spoken(bridge, certificates):
    new = context(certificates, maximum_version=ssl.TLSVersion.TLSv1_2)
    with wrapped(bridge, new) as s:
        assert s.version() == "TLSv1.2"
    old = context(certificates, minimum_version=ssl.TLSVersion.TLSv1,
                  maximum_version=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        wrapped(bridge, old)


@pytest.mark.parametrize("listener, octets", [
    (0, b"USER max\r\nPASS geheim\r\n"), (0, b"GET / HTTP/1.0\r\n\r\n"),
    (0, b"\0" * 5000)])
def test_who_speaks_no_tls_hears_no_pop3(bridge, listener, octets):
    with socket.create_connection(bridge.ports[listener], 30) as s:
        s.sendall(octets)
        heard = b""
        try:
            while True:
                more = s.recv(1000)
                if not more:
                    break
                heard += more
        except ConnectionResetError:
            pass
        assert b"OK" not in heard and b"ERR" not in heard
    until(lambda: "session ended" in bridge.log(), "the end of the session")


def test_tls_on_a_plain_port_is_one_error_at_most(bridge, certificates):
    trusted = context(certificates)
    raw = socket.create_connection(bridge.ports[2], 30)
    with pytest.raises(ssl.SSLError):
        trusted.wrap_socket(raw, server_hostname="localhost")


class Records:
    """A TLS client that hands out its records, to be sent as one likes."""

    def __init__(self, bridge, certificates):
        self.socket = socket.create_connection(bridge.ports[0], 30)
        self.received, self.to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context(certificates).wrap_bio(
            self.received, self.to_send, server_hostname="localhost")
        self.until_done(self.tls.do_handshake)
        assert self.line().startswith(b"+OK")

    def until_done(self, call):
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                self.socket.sendall(self.to_send.read())
                octets = self.socket.recv(65536)
                assert octets, "the connection was closed"
                self.received.write(octets)
            finally:
                if self.to_send.pending:
                    self.socket.sendall(self.to_send.read())

    def line(self):
        return self.until_done(lambda: self.tls.read(512))

    def record(self, plain):
        self.tls.write(plain)
        return self.to_send.read()


def test_records_that_come_together_or_cut_are_read_in_order(
        bridge, certificates):
    client = Records(bridge, certificates)
    octets = b"".join(client.record(command + b"\r\n") for command in (
        b"NO1", b"USER max", b"NO2", b"QUIT"))
    for at in range(0, len(octets), 7):
        client.socket.sendall(octets[at:at + 7])
    got = b""
    while b"goodbye" not in got:
        got += client.line()
    assert [line[:4] for line in got.splitlines()] == [
        b"-ERR", b"+OK ", b"-ERR", b"+OK "]


def test_octets_that_are_no_record_end_the_session_at_once(
        bridge, certificates):
    client = Records(bridge, certificates)
    client.socket.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    client.socket.settimeout(20)
    while client.socket.recv(65536):
        pass


def test_what_stands_before_a_broken_record_has_its_effect(
        bridge, certificates):
    client = Records(bridge, certificates)
    client.socket.sendall(client.record(b"QUIT\r\n") +
                          b"\x17\x03\x03\x00\x20" + b"x" * 32)
    until(lambda: "reason=\"quit before login\"" in bridge.log(),
          "the session's end")


def test_a_new_certificate_is_used_after_a_reload(
        binary, dovecot, tmp_path, account):
    directory = str(tmp_path)
    sandbox.make_certificates(directory)
    bridge = proxy.Popbridge(
        binary, "imap+plain://%s:%d" % (dovecot.address, dovecot.imap_port),
        "--tls-cert", directory + "/server.pem",
        "--tls-key", directory + "/server.key",
        listen=("pop3s://127.0.0.1:0",))
    try:
        port = bridge.ports[0][1]
        kept = poplib.POP3_SSL("localhost", port, context=context(directory))
        kept.user(account.name)
        kept.pass_(account.password)
        first = ssl.get_server_certificate(("127.0.0.1", port))
        sandbox.make_certificates(directory)
        bridge.process.send_signal(1)
        until(lambda: "configuration reloaded" in bridge.log(), "the reload")
        until(lambda: ssl.get_server_certificate(("127.0.0.1", port)) !=
              first, "the new certificate")
        # A file that cannot be used changes nothing, and says why.
        with open(directory + "/server.pem", "w") as f:
            f.write("no certificate\n")
        bridge.process.send_signal(1)
        until(lambda: "not reloaded" in bridge.log(), "the refusal")
        ssl.get_server_certificate(("127.0.0.1", port))
        assert kept.noop().startswith(b"+OK")
        kept.quit()
    finally:
        status = bridge.stop()
        print(bridge.log())
        bridge.close()
    assert status == 0


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_session_is_resumed_until_the_next_reload(
        version, bridge, certificates):
    trusted = context(certificates,
                      maximum_version=getattr(ssl.TLSVersion, version))

    def visit(session=None):
        """Whether it was resumed, and a ticket for the next one."""
        with wrapped(bridge, trusted, session) as client:
            assert client.recv(100).startswith(b"+OK")
            return client.session_reused, client.session

    known, ticket = visit()
    assert not known and visit(ticket)[0]
    bridge.process.send_signal(1)
    until(lambda: "configuration reloaded" in bridge.log(), "the reload")
    until(lambda: not visit(ticket)[0], "other keys of tickets")
    known, ticket = visit()
    assert not known and visit(ticket)[0]


def test_an_unusable_certificate_is_a_wrong_configuration(
        binary, dovecot, tmp_path):
    (tmp_path / "cert").write_text("nothing")
    (tmp_path / "key").write_text("nothing")
    done = subprocess.run(
        [binary, "serve", "--listen", "pop3s://127.0.0.1:0",
         "--upstream", "imaps://imap.example.com",
         "--tls-cert", str(tmp_path / "cert"),
         "--tls-key", str(tmp_path / "key")],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 78
    assert str(tmp_path / "cert") in done.stderr


def test_check_tries_the_certificates(binary, certificates, tmp_path):
    def check(*lines):
        file = tmp_path / "popbridge.conf"
        file.write_text('upstream = "imaps://imap.example.com"\n'
                        + "\n".join(lines) + "\n")
        return subprocess.run([binary, "check", "-c", str(file)],
                              capture_output=True, text=True, timeout=60)

    key = tmp_path / "server.key"
    with open(certificates + "/server.key") as f:
        key.write_text(f.read())
    key.chmod(0o600)
    own = ('tls-cert = "%s/server.pem"' % certificates, 'tls-key = "%s"' % key)
    done = check(*own)
    assert done.returncode == 0 and done.stderr == ""
    key.chmod(0o604)
    done = check(*own)
    assert done.returncode == 0
    assert ":3: warning: tls-key: " in done.stderr and str(key) in done.stderr
    key.write_text("nothing")
    done = check(*own)
    assert done.returncode == 78 and str(key) in done.stderr
    done = check('upstream-ca = "/nonexistent"')
    assert done.returncode == 78 and "/nonexistent" in done.stderr
