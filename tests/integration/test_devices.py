"""Devices that cannot be changed, and those that show a certificate: TLS
profiles, names of certificates, AUTH EXTERNAL, each on a listener of its own."""

import base64
import ssl
import subprocess
import warnings

import pytest

import sandbox
from conftest import PASSWORD, plain, until
from pop3client import Pop3

MESSAGE = b"Subject: for an old device\r\n\r\nhello\r\n"


def certificate(directory, name, subject, *extensions):
    """A certificate of the sandbox's CA; the paths of it and its key."""
    paths = ["%s/%s.%s" % (directory, name, kind) for kind in ("pem", "key")]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
               "-subj", subject, "-CA", directory + "/ca.pem", "-CAkey",
               directory + "/ca.key", "-addext",
               "basicConstraints=critical,CA:false", "-out", paths[0],
               "-keyout", paths[1]]
    for extension in extensions:
        command += ["-addext", extension]
    subprocess.run(command, check=True, capture_output=True)
    return paths


def context(certificates, newest=None, oldest=None, identity=None):
    c = ssl.create_default_context(cafile=certificates + "/ca.pem")
    if newest is not None:
        c.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ssl says that they are old
        if oldest is not None:
            c.minimum_version = oldest
        if newest is not None:
            c.minimum_version = oldest or newest
            c.maximum_version = newest
    if identity is not None:
        c.load_cert_chain(*identity)
    return c


class TlsPop3(Pop3):
    def __init__(self, address, c, name="localhost", source=None):
        super().__init__(address, source)
        self.stream.close()
        self.socket = c.wrap_socket(self.socket, server_hostname=name)
        self.stream = self.socket.makefile("rb")


def read_mail(client, account):
    client.login(account)
    assert client.multi("RETR 1") == MESSAGE
    assert client.quit().startswith(b"+OK")


@pytest.fixture
def account(dovecot, new_account):
    return new_account(dovecot, messages=[MESSAGE])


@pytest.fixture
def start(start_bridge, dovecot, certificates):
    def run(listeners, more=""):
        return start_bridge(None, config="""
tls-cert = "%s/server.pem"
tls-key = "%s/server.key"
upstream = "%s"
%s
%s""" % (certificates, certificates, plain(dovecot), listeners, more))
    return run


V10, V11 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
PROFILES = {"modern": [V13], "default": [V12, V13],
            "legacy": [V10, V11, V12, V13]}


def test_each_profile_takes_its_versions_of_tls(
        start, certificates, account):
    bridge = start("".join(
        'listener "%s" { url = "pop3s://127.0.0.1:0" tls-profile = %s }\n' %
        (profile, profile) for profile in PROFILES))
    for number, (profile, versions) in enumerate(PROFILES.items()):
        for version in (V10, V11, V12, V13):
            where = bridge.ports[number]
            c = context(certificates, version)
            if version in versions:
                client = TlsPop3(where, c)
                read_mail(client, account)
                client.close()
            else:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    TlsPop3(where, c).greeting()
    # A client on the modern listener names no cipher of the old ones.
    assert bridge.log().count("tls=TLSv1 ") == 1


def test_a_legacy_device_reads_mail_and_the_other_listeners_refuse_it(
        start, certificates, account, connect):
    """TLS 1.0 and nothing newer, or clear text and only from its own
    network: each by a listener of its own."""
    bridge = start("""
listener "office" { url = "pop3s://127.0.0.1:0" }
listener "stls" { url = "pop3://127.0.0.1:0" }
listener "old" {
	url = "pop3s://127.0.0.1:0"
	tls-profile = legacy
	allow = {"127.0.0.2"}
}
listener "scanners" {
	url = "pop3+plain://127.0.0.1:0"
	allow = {"127.0.0.3"}
}
""")
    office, stls, old, scanners = bridge.ports
    tls10 = context(certificates, V10)
    client = TlsPop3(old, tls10, source="127.0.0.2")
    read_mail(client, account)
    client.close()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        TlsPop3(old, tls10, source="127.0.0.3").greeting()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        TlsPop3(office, tls10, source="127.0.0.2").greeting()
    read_mail(connect(scanners, "127.0.0.3"), account)
    assert connect(scanners, "127.0.0.2").rest() == b""
    client = connect(stls, "127.0.0.3")
    client.greeting()
    client.err("USER " + account.name)
    log = bridge.log()
    assert "old TLS versions and weak ciphers are allowed" in log
    until(lambda: 'warning="TLS older than 1.2"' in bridge.log(),
          "the session's summary")
    assert "allow and deny of the listener" in log


def test_a_client_is_shown_the_certificate_of_the_name_it_asks_for(
        start, certificates, account):
    first = certificate(certificates, "first", "/CN=a",
                        "subjectAltName=DNS:pop.first.example")
    wild = certificate(certificates, "wild", "/CN=b",
                       "subjectAltName=DNS:*.second.example")
    bridge = start("""
listener "l" {
	url = "pop3s://127.0.0.1:0"
	tls-cert = {"%s", "%s", "%s/server.pem"}
	tls-key = {"%s", "%s", "%s/server.key"}
}
""" % (first[0], wild[0], certificates, first[1], wild[1], certificates))
    for name in ("pop.first.example", "x.second.example", "localhost"):
        client = TlsPop3(bridge.ports[0], context(certificates), name)
        read_mail(client, account)
        client.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        TlsPop3(bridge.ports[0], context(certificates), "other.example")


MASTER = ("chief", "geheim123-of-the-chief")


@pytest.fixture
def external(start_bridge, dovecot_with, new_account, certificates, tmp_path):
    """A listener that asks for certificates, and a user with one."""
    server = dovecot_with(master=MASTER)
    user = new_account(server, messages=[MESSAGE])
    secret = tmp_path / "master"
    secret.write_text(MASTER[1] + "\n")
    bridge = start_bridge(None, config="""
tls-cert = "%(d)s/server.pem"
tls-key = "%(d)s/server.key"
listener "certificates" {
	url = "pop3s://127.0.0.1:0"
	client-ca = "%(d)s/ca.pem"
	mechanisms = {"PLAIN", "EXTERNAL"}
}
route "r" {
	upstream = "%(url)s" strip-domain = yes
	master-user = "%(master)s" master-password-file = "%(secret)s"
}
""" % {"d": certificates, "url": plain(server), "master": MASTER[0],
       "secret": secret})
    return bridge, user


def test_a_certificate_logs_in_by_external(external, certificates):
    bridge, user = external
    identity = certificate(
        certificates, "device", "/CN=ignored",
        "subjectAltName=email:%s@example.org" % user.name)
    for command in ("AUTH EXTERNAL =", "AUTH EXTERNAL"):
        client = TlsPop3(bridge.ports[0],
                         context(certificates, identity=identity))
        client.greeting()
        assert b"SASL PLAIN EXTERNAL\r\n" in client.multi("CAPA")
        reply = client.cmd(command)
        if reply.startswith(b"+ "):
            reply = client.cmd(b"")
        assert reply.startswith(b"+OK"), reply
        assert client.multi("RETR 1") == MESSAGE
        client.quit()
        client.close()
    until(lambda: "user=%s@example.org" % user.name in bridge.log(),
          "the log line")


def test_external_is_for_whom_the_certificate_names(external, certificates):
    bridge, user = external
    identity = certificate(certificates, "other", "/CN=somebody")
    client = TlsPop3(bridge.ports[0],
                     context(certificates, identity=identity))
    client.greeting()
    other = base64.b64encode(user.name.encode())
    reply = client.cmd(b"AUTH EXTERNAL " + other)
    assert reply.startswith(b"-ERR [AUTH] "), reply
    # Dovecot knows nobody of this name.
    client.err("AUTH EXTERNAL =")
    client.close()


def test_without_a_certificate_there_is_no_external(external, certificates):
    bridge, user = external
    client = TlsPop3(bridge.ports[0], context(certificates))
    client.greeting()
    assert b"SASL PLAIN\r\n" in client.multi("CAPA")
    client.err("AUTH EXTERNAL =")
    client.close()


def test_a_certificate_of_another_ca_is_refused(
        external, certificates, tmp_path):
    bridge, user = external
    sandbox.make_certificates(str(tmp_path))
    identity = certificate(str(tmp_path), "forged", "/CN=" + user.name)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        client = TlsPop3(bridge.ports[0],
                         context(certificates, identity=identity))
        client.greeting()
    until(lambda: "no TLS with the client" in bridge.log(), "the log line")
    assert PASSWORD not in bridge.log()


def test_a_reload_changes_what_a_listener_allows(
        start, certificates, account, connect):
    text = """
listener "l" { url = "pop3+plain://127.0.0.1:0" %s }
"""
    bridge = start(text % "")
    inside = connect(bridge, "127.0.0.5")
    inside.login(account)
    with open(bridge.config_file) as f:
        before = f.read()
    bridge.configure(before.replace(
        '127.0.0.1:0"', '127.0.0.1:0" deny = {"127.0.0.5"}'))
    bridge.process.send_signal(1)
    until(lambda: "configuration reloaded" in bridge.log(), "the reload")
    assert connect(bridge, "127.0.0.5").rest() == b""
    assert inside.multi("RETR 1") == MESSAGE
    read_mail(connect(bridge, "127.0.0.6"), account)


def test_a_reload_with_other_listeners_changes_nothing(
        start, account, connect):
    bridge = start('listener "l" { url = "pop3+plain://127.0.0.1:0" }\n')
    with open(bridge.config_file) as f:
        before = f.read()
    bridge.configure(before +
                     'listener "m" { url = "pop3+plain://127.0.0.1:0" }\n')
    bridge.process.send_signal(1)
    until(lambda: "configuration not reloaded" in bridge.log(), "the reload")
    read_mail(connect(bridge), account)
