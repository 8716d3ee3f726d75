"""Real clients by transport and login mechanism: each cell of TABLE polls
twice, gets what was delivered, and the second time nothing.

What none of Debian 12's clients can do, and so is not here:

- curl 7.88.1 is built without libgsasl: no SCRAM.  It says USER and PASS only
  where the server offers no PLAIN, LOGIN, CRAM-MD5 or APOP, and XOAUTH2 only
  where there is no OAUTHBEARER, whatever --login-options say: these cells have
  listeners of their own.
- fetchmail 6.4 has USER and PASS, CRAM-MD5 and APOP for POP3, and the last
  without STLS; EXTERNAL for IMAP alone, and no PLAIN, LOGIN or OAuth.
- getmail 6.18 has OAuth for IMAP alone, and no STLS; poplib has neither SASL
  nor client certificates without an SSLContext of one's own: USER and PASS,
  and APOP.
- openssl s_client has no mode without TLS; with -starttls it keeps the
  greeting to itself, and APOP needs its time stamp.
- No client binds SCRAM to the TLS channel here (SCRAM-SHA-256-PLUS), and
  EXTERNAL is nothing without TLS.
"""

import base64
import collections
import os
import poplib
import ssl
import subprocess

import pytest

from conftest import bridges, plain
from pop3client import Pop3
from test_accounts import (DEVICE_PASSWORD, Accounts, by_apop, by_cram,
                           by_pass, by_plain, by_scram)
from test_auth import MASTER, login_dialogue
from test_clients import (MESSAGES, TIMEOUT, Fetchmail, Getmail, Mpop, crlf,
                          fetched, home, in_order, joined, lmtp, sessions)
from test_devices import TlsPop3, certificate, context
from test_tokens import TOKEN, USER, Server, oauthbearer, upstream, xoauth2

__all__ = ["home", "lmtp"]  # fixtures

MAIL = [MESSAGES[n] for n in (0, 1, 4, 7)]
LISTENERS = {"tls": "pop3s", "stls": "pop3", "plain": "pop3+plain"}

User = collections.namedtuple("User", "name password")


class Cell:
    """A listener, who logs in there and how, and the log from here on."""

    def __init__(self, site, transport, mechanism, listener):
        self.bridge = site.bridge
        self.host, self.port = site.bridge.ports[site.names.index(listener)]
        self.transport = transport
        self.mechanism = mechanism
        self.user = site.users[mechanism]
        self.name, self.password = self.user
        self.ca = site.directory + "/ca.pem"
        self.identity = site.identity if mechanism == "EXTERNAL" else None
        self.before = len(self.bridge.log())

    def log(self):
        return self.bridge.log()[self.before:]


class Script:
    """A client of a few lines around a program or library: it remembers the
    unique ids that it has seen."""

    trace = None

    def __init__(self, cell, home, lmtp):
        self.cell = cell
        self.home = home
        self.seen = set()
        self.stored = []
        self.sessions = 0

    def new(self, lines):
        """The numbers in UIDL's lines that were not there before."""
        pairs = [line.split() for line in lines]
        numbers = [int(n) for n, uid in pairs if uid not in self.seen]
        self.seen.update(uid for _, uid in pairs)
        return numbers

    def mail(self):
        return self.stored


class Openssl(Script):
    def poll(self, new):
        self.sessions += 1
        with SClient(self.cell) as client:
            reply = SCRIPTS[self.cell.mechanism](client, *self.cell.user)
            assert reply.startswith(b"+OK"), reply
            for n in self.new(client.multi("UIDL").splitlines()):
                self.stored.append(client.multi("RETR %d" % n).replace(
                    b"\r\n..", b"\r\n."))
            assert client.quit().startswith(b"+OK")


class SClient(Pop3):
    """openssl s_client as connection."""

    def __init__(self, cell):
        command = ["timeout", str(TIMEOUT), "openssl", "s_client", "-quiet",
                   "-verify_quiet", "-verify_return_error", "-verify_ip",
                   cell.host, "-CAfile", cell.ca, "-connect",
                   "%s:%d" % (cell.host, cell.port)]
        self.greets = cell.transport == "tls"
        if not self.greets:
            command += ["-starttls", "pop3"]
        if cell.identity:
            command += ["-cert", cell.identity[0], "-key", cell.identity[1]]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.stream = self.process.stdout

    def greeting(self):
        if self.greets:
            return super().greeting()
        return b""

    def send(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        self.stream.close()
        self.process.wait()


def by_login(client, name, password):
    client.greeting()
    return login_dialogue(client, name, password)


def by_xoauth2(client, name, password):
    client.greeting()
    return client.cmd(b"AUTH XOAUTH2 " + xoauth2(password, name))


def by_oauthbearer(client, name, password):
    client.greeting()
    return client.cmd(b"AUTH OAUTHBEARER " + oauthbearer(password, name))


def by_external(client, name, password):
    client.greeting()
    return client.cmd(b"AUTH EXTERNAL " + base64.b64encode(name.encode()))


SCRIPTS = {"PASS": by_pass, "PLAIN": by_plain, "LOGIN": by_login,
           "CRAM-MD5": by_cram, "SCRAM-SHA-256": by_scram, "APOP": by_apop,
           "XOAUTH2": by_xoauth2, "OAUTHBEARER": by_oauthbearer,
           "EXTERNAL": by_external}


class Poplib(Script):
    def open(self):
        where = (self.cell.host, self.cell.port)
        tls = ssl.create_default_context(cafile=self.cell.ca)
        if self.cell.transport == "tls":
            return poplib.POP3_SSL(*where, context=tls, timeout=TIMEOUT)
        client = poplib.POP3(*where, timeout=TIMEOUT)
        if self.cell.transport == "stls":
            client.stls(context=tls)
        return client

    def poll(self, new):
        self.sessions += 1
        client = self.open()
        if self.cell.mechanism == "APOP":
            client.apop(*self.cell.user)
        else:
            client.user(self.cell.name)
            client.pass_(self.cell.password)
        for n in self.new(client.uidl()[1]):
            self.stored.append(joined(client.retr(n)))
        assert client.quit().startswith(b"+OK")
        client.close()


class Curl(Script):
    trace = b"> AUTH %s", b"> APOP ", b"> PASS "

    def run(self, path, *options):
        """What the server sent; what curl said is in the trace."""
        cell = self.cell
        options += ("--verbose", "--stderr", "trace", "--cacert", cell.ca)
        if cell.transport == "stls":
            options += ("--ssl-reqd",)
        if cell.identity:
            options += ("--cert", cell.identity[0], "--key", cell.identity[1])
        if cell.mechanism == "APOP":
            options += ("--login-options", "AUTH=+APOP")
        elif cell.mechanism != "PASS":
            options += ("--login-options", "AUTH=" + cell.mechanism)
        if cell.mechanism in ("XOAUTH2", "OAUTHBEARER"):
            options += ("--oauth2-bearer", cell.password,
                        "--user", cell.name)
        else:
            options += ("--user", "%s:%s" % cell.user)
        self.sessions += 1
        scheme = "pop3s" if cell.transport == "tls" else "pop3"
        data = self.home.run("curl", "--silent", *options, "%s://%s:%d/%s" % (
            scheme, cell.host, cell.port, path))
        with open(self.home.path + "/trace", "rb") as f:
            self.said = f.read()
        return data

    def poll(self, new):
        numbers = self.new(self.run("", "-X", "UIDL").splitlines())
        if numbers:
            self.run("{%s}" % ",".join(map(str, numbers)), "-o", "got-#1")
        for n in numbers:
            with open("%s/got-%d" % (self.home.path, n), "rb") as f:
                self.stored.append(f.read())
        return self.said


class Program:
    """A program that remembers by itself."""

    trace = None

    def __init__(self, cell, home, lmtp):
        self.client = self.kind(home, cell, cell.user, lmtp,
                                **self.settings(cell))
        self.client.options = self.options
        self.sessions = 0

    def poll(self, new):
        self.sessions += 1
        said = self.client.poll(new)
        if not new:
            assert self.client.nothing_new.replace(
                b"%d", b"%d" % len(MAIL)) in said
        return said

    def mail(self):
        return self.client.mail()


class FetchmailCell(Program):
    kind = Fetchmail
    options = ("-v", "-v")
    trace = b"POP3> AUTH %s", b"POP3> APOP ", b"POP3> PASS "
    tls = {"tls": "ssl", "stls": "sslproto 'TLS1.2+'",
           "plain": "sslproto ''"}

    protocols = {"PASS": "pop3 auth password", "APOP": "apop",
                 "CRAM-MD5": "pop3 auth cram-md5"}

    def settings(self, cell):
        text = self.tls[cell.transport]
        if cell.transport != "plain":
            text += " sslcertck sslcertfile '%s' sslcommonname localhost" % (
                cell.ca)
        return {"tls": text, "protocol": self.protocols[cell.mechanism]}


class MpopCell(Program):
    kind = Mpop
    options = ("--debug",)
    trace = b"--> AUTH %s", b"--> APOP ", b"--> PASS "
    tls = {"tls": "tls on\ntls_starttls off\n",
           "stls": "tls on\ntls_starttls on\n", "plain": "tls off\n"}

    def settings(self, cell):
        text = self.tls[cell.transport]
        if cell.transport != "plain":
            text += "tls_trust_file %s\n" % cell.ca
        if cell.identity:
            text += "tls_cert_file %s\ntls_key_file %s\n" % cell.identity
        auth = "user" if cell.mechanism == "PASS" else cell.mechanism.lower()
        return {"tls": text, "auth": auth}


class GetmailCell(Program):
    kind = Getmail
    options = ()

    def settings(self, cell):
        found = {"more": "use_apop = %s\n" % (cell.mechanism == "APOP")}
        if cell.transport == "tls":
            found["retriever"] = "SimplePOP3SSLRetriever"
            found["more"] += "ca_certs = %s\n" % cell.ca
        return found


TLS = ("tls", "stls")
ANY = ("tls", "stls", "plain")
OLD = ("PASS", "APOP")
TOKENS = ("XOAUTH2", "OAUTHBEARER")
SASL = ("PLAIN", "LOGIN", "CRAM-MD5") + TOKENS
TABLE = (
    (Openssl, TLS, ("PASS", "SCRAM-SHA-256", "EXTERNAL") + SASL),
    (Openssl, ("tls",), ("APOP",)),
    (Curl, ANY, OLD + SASL),
    (Curl, TLS, ("EXTERNAL",)),
    (MpopCell, ANY, OLD + SASL + ("SCRAM-SHA-256",)),
    (MpopCell, TLS, ("EXTERNAL",)),
    (FetchmailCell, ANY, ("PASS", "CRAM-MD5")),
    (FetchmailCell, ("tls", "plain"), ("APOP",)),
    (Poplib, ANY, OLD),
    (GetmailCell, ("tls", "plain"), OLD),
)
CELLS = [pytest.param(client, transport, mechanism, id="%s-%s-%s" % (
    client.__name__.replace("Cell", "").lower(), transport, mechanism))
    for client, transports, mechanisms in TABLE
    for transport in transports for mechanism in mechanisms]

MECHANISMS = ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-256",
              "CRAM-MD5")
GLOBAL = """
tls-cert = "{d}/server.pem"
tls-key = "{d}/server.key"
upstream = "{dovecot}"
"""
LISTENER = """
listener "{name}" {{
	url = "{scheme}://127.0.0.1:0" mechanisms = {{{mechanisms}}} {more}
}}
"""
ROUTES = """
route "devices" {{
	match = "scanner" identity = accounts upstream = "{dovecot}"
}}
route "tokens" {{
	match = "*@example.com" upstream = "imap+plain://127.0.0.1:{tokens}"
}}
route "certificates" {{
	match = "*@certificates.example" listeners = {{"tls", "stls"}}
	upstream = "{dovecot}" strip-domain = yes
	master-user = "{master}" master-password-file = "{d}/master"
}}
"""


def listener(name, scheme, mechanisms, more=""):
    return LISTENER.format(
        name=name, scheme=scheme, more=more,
        mechanisms=", ".join('"%s"' % m for m in mechanisms))


class Site:
    """One popbridge with every listener and route, and who logs in there."""

    def __init__(self, start, accounts, directory, server, mailbox, tokens):
        self.directory = directory
        device = User("scanner", DEVICE_PASSWORD)
        certified = User(mailbox.name + "@certificates.example", "")
        self.users = dict.fromkeys(("PASS", "PLAIN", "LOGIN"),
                                   User(mailbox.name, mailbox.password))
        self.users.update(dict.fromkeys(
            ("APOP", "CRAM-MD5", "SCRAM-SHA-256"), device))
        self.users.update(dict.fromkeys(TOKENS, User(USER, TOKEN)))
        self.users["EXTERNAL"] = certified
        self.identity = tuple(certificate(
            directory, "client", "/CN=client",
            "subjectAltName=email:" + certified.name))
        with open(directory + "/master", "w") as f:
            f.write(MASTER[1] + "\n")
        os.chmod(f.name, 0o600)
        accounts.run("add", device.name, "--recoverable", "--upstream-user",
                     mailbox.name, password=device.password,
                     upstream_password=mailbox.password)
        values = {"d": directory, "dovecot": plain(server),
                  "tokens": tokens.port, "master": MASTER[0]}
        self.names, text = self.listeners()
        self.bridge = start(None, config="".join((
            GLOBAL.format(**values), accounts.options(), text,
            ROUTES.format(**values))))

    def listeners(self):
        ca = 'client-ca = "%s/ca.pem"' % self.directory
        names, texts = [], []
        for name, scheme in LISTENERS.items():
            external = ("EXTERNAL",) if name in TLS else ()
            names += [name, name + "-few"]
            texts.append(listener(name, scheme, MECHANISMS + external,
                                  "apop = yes " + (ca if external else "")))
            texts.append(listener(name + "-few", scheme,
                                  ("XOAUTH2", "EXTERNAL"), ca))
        names.append("scram")
        texts.append(listener("scram", "pop3s", ("SCRAM-SHA-256",)))
        return names, "".join(texts)


@pytest.fixture(scope="module")
def site(binary, dovecot_with, new_account, tmp_path_factory, certificates):
    server = dovecot_with(master=MASTER)
    mailbox = new_account(server, messages=MAIL)
    tokens = Server([(n, crlf(m)) for n, m in enumerate(MAIL, 1)],
                    capabilities=upstream(*TOKENS))
    accounts = Accounts(binary, str(tmp_path_factory.mktemp("accounts")))
    with bridges(binary) as start:
        yield Site(start, accounts, certificates, server, mailbox, tokens)
    tokens.stop()
    assert tokens.failures == []


def cell_for(site, client, transport, mechanism):
    """On the listener that has everything, but for what curl takes only
    where there is nothing better."""
    few = client is Curl and mechanism in ("PASS", "XOAUTH2")
    return Cell(site, transport, mechanism,
                transport + "-few" if few else transport)


def line_of(trace, mechanism):
    """What the client must have said, so that it used this mechanism."""
    sasl, apop, password = trace
    return {"APOP": apop, "PASS": password}.get(
        mechanism, sasl and sasl % mechanism.encode())


@pytest.mark.parametrize("client, transport, mechanism", CELLS)
def test_a_client_fetches_mail_once(
        site, home, lmtp, client, transport, mechanism):
    cell = cell_for(site, client, transport, mechanism)
    client = client(cell, home, lmtp)
    said = client.poll(new=True)
    assert in_order(client.mail()) == in_order(MAIL)
    if client.trace:
        assert line_of(client.trace, mechanism) in said
    first = sessions(cell, client.sessions)
    assert sum(fetched(s) for s in first) == len(MAIL)
    client.poll(new=False)
    assert len(client.mail()) == len(MAIL)
    all_sessions = sessions(cell, client.sessions)
    assert sum(fetched(s) for s in all_sessions) == len(MAIL)
    for s in all_sessions:
        assert s["reason"] == "quit"
        assert s["user"] == cell.name
        assert s["tls"].startswith("TLSv1.") == (transport != "plain")


def test_a_listener_with_scram_alone_is_not_talked_into_less(
        site, certificates):
    where = site.bridge.ports[site.names.index("scram")]
    name, password = site.users["SCRAM-SHA-256"]
    client = TlsPop3(where, context(certificates))
    assert b"<" not in client.greeting()
    assert b"\r\nSASL SCRAM-SHA-256\r\n" in b"\r\n" + client.multi("CAPA")
    for command in ("AUTH PLAIN", "AUTH LOGIN", "AUTH CRAM-MD5",
                    "AUTH SCRAM-SHA-1", "AUTH SCRAM-SHA-256-PLUS",
                    "AUTH XOAUTH2", "AUTH OAUTHBEARER", "AUTH EXTERNAL",
                    "AUTH ANONYMOUS", "APOP %s %s" % (name, "0" * 32)):
        client.err(command)
    client.close()
    client = TlsPop3(where, context(certificates))
    assert by_scram(client, name, password).startswith(b"+OK")
    assert client.quit().startswith(b"+OK")


@pytest.mark.parametrize("auth", ["plain", "login", "cram-md5"])
def test_mpop_with_a_weaker_mechanism_gets_nowhere_with_scram_alone(
        site, home, lmtp, auth):
    cell = Cell(site, "tls", "SCRAM-SHA-256", "scram")
    settings = MpopCell.settings(MpopCell, cell)
    client = Mpop(home, cell, cell.user, lmtp, **dict(settings, auth=auth))
    # 69: the server does not have it.
    home.run("mpop", "-C", client.rc, good=(69,))
    assert client.mail() == []


def test_mpop_chooses_scram_by_itself_in_clear_text(site, home, lmtp):
    cell = Cell(site, "plain", "SCRAM-SHA-256", "plain")
    settings = MpopCell.settings(MpopCell, cell)
    client = Mpop(home, cell, cell.user, lmtp, **dict(settings, auth="on"))
    client.options = ("--debug",)
    assert b"--> AUTH SCRAM-SHA-256" in client.poll(new=True)
    assert in_order(client.mail()) == in_order(MAIL)


class Meddled(TlsPop3):
    """A connection on which the client's word that it could bind the channel
    is not what it was."""

    def cmd(self, command):
        if isinstance(command, bytes):
            command = command.replace(b"AUTH SCRAM-SHA-256 biws",
                                      b"AUTH SCRAM-SHA-256 eSws")
        return super().cmd(command)


def test_scram_sees_a_changed_word_about_channel_binding(site, certificates):
    where = site.bridge.ports[site.names.index("scram")]
    client = Meddled(where, context(certificates))
    reply = by_scram(client, *site.users["SCRAM-SHA-256"])
    assert reply.startswith(b"-ERR"), reply
    client.close()
    client = TlsPop3(where, context(certificates))
    client.greeting()
    client.err(b"AUTH SCRAM-SHA-256 " + base64.b64encode(
        b"p=tls-exporter,,n=scanner,r=0123456789abcdef"))
    client.close()
