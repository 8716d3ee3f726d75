"""Real mail clients against popbridge, each polling at least twice: what it
fetched once it does not fetch again, and what it fetched is what was
delivered."""

import glob
import os
import poplib
import re
import socketserver
import subprocess
import threading
import time

import pytest

TIMEOUT = 60


def message(number, body):
    return (b"From: Max Mustermann <max@example.org>\n"
            b"To: erika@example.org\n"
            b"Subject: number %d\n"
            b"Date: Mon, 6 Jan 2025 10:00:%02d +0000\n"
            b"Message-ID: <%d@example.org>\n"
            b"\n" % (number, number, number)) + body


BODIES = (
    b"Hello\n",
    b".\n..\n.dot\n\n.\n",
    b"",
    b"no line end at the end",
    "Grüße ☃\n".encode(),
    b"\n" * 20,
    b"a line of text that is not special\n" * 5000,
    b"l" * 990 + b"\n",
    b"From the start of a line\n>From too\n",
    b"+OK\n-ERR\nQUIT\n",
)
MESSAGES = [message(n, body) for n, body in enumerate(BODIES, 1)]


def crlf(data):
    """With CR LF at the end of each line, of the last one too."""
    data = re.sub(rb"\r?\n", b"\r\n", data)
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def in_order(messages):
    """As they were delivered: clients number what they fetch as they like."""
    return sorted((crlf(m) for m in messages),
                  key=lambda m: int(re.search(rb"Subject: number (\d+)",
                                              m).group(1)))


def sessions(bridge, count):
    """The values of the log lines of this many ended sessions."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        lines = [line for line in bridge.log().splitlines()
                 if "session ended" in line]
        if len(lines) >= count:
            assert len(lines) == count, "more sessions than polls"
            return [dict(re.findall(r"(\w+)=(\S+)", line)) for line in lines]
        assert time.monotonic() < deadline, "session not ended:\n" + \
            bridge.log()
        time.sleep(0.005)


def fetched(session):
    return int(session["retr"]) + int(session["top"])


class Home:
    """A directory of its own, and what is run in it."""

    def __init__(self, path):
        self.path = path

    def write(self, name, text):
        path = self.path + "/" + name
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path

    def run(self, *command, good=(0,)):
        """What the command wrote, after it ended with a good status."""
        done = subprocess.run(
            command, cwd=self.path, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
            env={"HOME": self.path, "FETCHMAILHOME": self.path,
                 "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
        text = done.stdout.decode(errors="replace")
        print("$ %s\n%s" % (" ".join(command), text))
        assert done.returncode in good, text
        return done.stdout


class Lmtp(socketserver.TCPServer):
    """Takes mail and keeps it, one client at a time."""

    class Handler(socketserver.StreamRequestHandler):
        def say(self, text):
            self.wfile.write(text.encode() + b"\r\n")

        def handle(self):
            self.say("220 sink")
            for line in self.rfile:
                verb = line[:4].upper().strip()
                if verb == b"DATA":
                    self.say("354 go on")
                    self.server.mail.append(self.data())
                self.say("221 bye" if verb == b"QUIT" else "250 ok")

        def data(self):
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                assert line.endswith(b"\r\n")
                lines.append(line[1:] if line.startswith(b".") else line)
            return b"".join(lines)

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.mail = []


class Client:
    """A client that remembers what it has seen, with one account.  settings
    take the place of the defaults in its configuration; options are those of
    its command line."""

    extra = ""
    options = ()

    def __init__(self, home, bridge, account, lmtp, delete=False, **settings):
        self.home = home
        self.lmtp = lmtp
        self.maildir = home.path + "/mail"
        for folder in ("cur", "new", "tmp"):
            os.makedirs(self.maildir + "/" + folder)
        self.rc = home.write("rc", self.config.format(
            port=bridge.port, user=account.name, password=account.password,
            home=home.path, maildir=self.maildir, extra=self.extra,
            keep=self.keep[not delete], lmtp=lmtp.server_address[1],
            **dict(self.defaults, **settings)))

    def mail(self):
        """What it has stored so far."""
        found = []
        for path in glob.glob(self.maildir + "/new/*"):
            with open(path, "rb") as f:
                found.append(f.read())
        return found


class Fetchmail(Client):
    keep = ("no keep", "keep")
    defaults = {"protocol": "pop3", "tls": "sslproto ''"}
    nothing_new = b"%d messages (%d seen) for"
    config = """
        set no bouncemail
        poll 127.0.0.1 service {port} protocol {protocol} uidl no dns
            timeout 30
            user "{user}" password "{password}"
            {keep} no fetchall no rewrite {tls} {extra}
            mda "sh -c 'cat >{maildir}/new/$$'"
        """

    def poll(self, new):
        # 1: there was nothing to fetch.
        return self.home.run(
            "fetchmail", "-f", self.rc, "--nosyslog", "--invisible",
            "--pidfile", self.home.path + "/pid", *self.options,
            good=(0 if new else 1,))


class FetchmailFastUidl(Fetchmail):
    """Looks for the first new message by UIDL n, by halves."""
    extra = "fastuidl 2"
    nothing_new = b""


class Mpop(Client):
    keep = ("off", "on")
    defaults = {"tls": "tls off", "auth": "user"}
    nothing_new = b"new: no messages, total: %d messages"
    config = """
        account default
        host 127.0.0.1
        port {port}
        {tls}
        auth {auth}
        user {user}
        password {password}
        keep {keep}
        received_header off
        uidls_file {home}/uidls
        delivery maildir {maildir}
        {extra}
        """

    def poll(self, new):
        return self.home.run("mpop", "-C", self.rc, *self.options)


class MpopWithoutPipelining(Mpop):
    extra = "pipelining off"


class Getmail(Client):
    """It delivers by LMTP: for a Maildir or a command it makes a child, which
    it misses when that ends early, and then it waits for its time-out."""

    keep = ("true", "false")
    defaults = {"retriever": "SimplePOP3Retriever", "more": ""}
    nothing_new = b"0 messages (0 bytes) retrieved, %d skipped"
    config = """
[retriever]
type = {retriever}
server = 127.0.0.1
port = {port}
username = {user}
password = {password}
timeout = 30
{more}
[destination]
type = MDA_lmtp
host = 127.0.0.1
port = {lmtp}
override = {user}@example.org
[options]
read_all = false
delete = {keep}
received = false
delivered_to = false
verbose = 2
"""

    def poll(self, new):
        return self.home.run("getmail", "--getmaildir", self.home.path,
                             "--rcfile", self.rc)

    def mail(self):
        # It protects lines that would begin a new message in a mailbox file.
        return [m.replace(b"\n>From the", b"\nFrom the")
                for m in self.lmtp.mail]


PROGRAMS = [Fetchmail, FetchmailFastUidl, Mpop, MpopWithoutPipelining,
            Getmail]


@pytest.fixture(params=PROGRAMS, ids=lambda p: p.__name__)
def program(request):
    return request.param


@pytest.fixture
def home(tmp_path):
    return Home(str(tmp_path))


@pytest.fixture
def lmtp():
    with Lmtp() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def mailbox(dovecot, account):
    """An account that has every message."""
    for m in MESSAGES:
        dovecot.deliver(account, m)
    return account


def left(dovecot, account):
    """How many messages the IMAP server has for it."""
    client = dovecot.imap(account)
    status, data = client.select()
    client.logout()
    assert status == "OK"
    return int(data[0])


def test_what_is_left_on_the_server_is_fetched_once(
        program, mailbox, dovecot, bridge, home, lmtp):
    client = program(home, bridge, mailbox, lmtp)
    client.poll(new=True)
    assert in_order(client.mail()) == in_order(MESSAGES)
    (first,) = sessions(bridge, 1)
    assert fetched(first) == len(MESSAGES)
    said = client.poll(new=False)
    assert client.nothing_new.replace(b"%d", b"%d" % len(MESSAGES)) in said
    second = sessions(bridge, 2)[1]
    assert (second["retr"], second["top"]) == ("0", "0")
    assert len(client.mail()) == len(MESSAGES)
    assert left(dovecot, mailbox) == len(MESSAGES)


def test_only_what_came_since_the_last_time_is_fetched(
        program, mailbox, dovecot, bridge, home, lmtp):
    client = program(home, bridge, mailbox, lmtp)
    client.poll(new=True)
    new = [message(n, b"new\n") for n in (100, 101, 102)]
    for m in new:
        dovecot.deliver(mailbox, m)
    client.poll(new=True)
    second = sessions(bridge, 2)[1]
    assert fetched(second) == len(new)
    assert in_order(client.mail()) == in_order(MESSAGES + new)
    client.poll(new=False)
    assert fetched(sessions(bridge, 3)[2]) == 0


def test_what_is_deleted_after_fetching_is_gone(
        program, mailbox, dovecot, bridge, home, lmtp):
    client = program(home, bridge, mailbox, lmtp, delete=True)
    client.poll(new=True)
    assert in_order(client.mail()) == in_order(MESSAGES)
    (first,) = sessions(bridge, 1)
    assert first["dele"] == first["removed"] == str(len(MESSAGES))
    assert left(dovecot, mailbox) == 0
    client.poll(new=False)
    assert fetched(sessions(bridge, 2)[1]) == 0
    assert len(client.mail()) == len(MESSAGES)


@pytest.fixture
def curl(home, bridge, mailbox):
    """Runs curl on a path below the account's URL; what it wrote."""
    def run(path, *options):
        return home.run("curl", "--silent", "--show-error", *options,
                        "--user", "%s:%s" % (mailbox.name, mailbox.password),
                        "pop3://%s:%d/%s" % (bridge.host, bridge.port, path))
    return run


def test_curl_lists_the_same_messages_each_time(curl, bridge):
    expected = b"".join(b"%d %d\r\n" % (n, len(crlf(m)))
                        for n, m in enumerate(MESSAGES, 1))
    # The one whose last line has no end: servers count it as it is.
    expected = expected.replace(b"4 %d" % len(crlf(MESSAGES[3])),
                                b"4 %d" % (len(crlf(MESSAGES[3])) - 2))
    assert curl("") == curl("") == expected
    for n in range(1, len(MESSAGES) + 1):
        curl(str(n), "--list-only")
    assert {s["reason"] for s in sessions(bridge, 2 + len(MESSAGES))} == {
        "quit"}


def test_curl_sees_the_same_unique_ids_each_time(curl):
    first = curl("", "-X", "UIDL")
    assert re.fullmatch(rb"(\d+ [0-9a-f]{16}\r\n){%d}" % len(MESSAGES), first)
    assert len(set(first.split()[1::2])) == len(MESSAGES)
    assert curl("", "-X", "UIDL") == first


def test_curl_fetches_each_message(curl, bridge):
    for n, m in enumerate(MESSAGES, 1):
        assert curl(str(n)) == crlf(m)
    assert [fetched(s) for s in sessions(bridge, len(MESSAGES))] == [
        1] * len(MESSAGES)


def test_curl_fetches_all_messages_in_one_session(curl, home, bridge):
    curl("[1-%d]" % len(MESSAGES), "--output", "message-#1")
    for n, m in enumerate(MESSAGES, 1):
        with open("%s/message-%d" % (home.path, n), "rb") as f:
            assert f.read() == crlf(m)
    assert fetched(sessions(bridge, 1)[0]) == len(MESSAGES)


def test_curl_looks_at_the_top_of_each_message(curl):
    for n, m in enumerate(MESSAGES, 1):
        head, body = crlf(m).split(b"\r\n\r\n", 1)
        lines = body.split(b"\r\n")[:-1]
        for k in (0, 1, 3):
            assert curl("", "-X", "TOP %d %d" % (n, k)) == b"".join(
                [head, b"\r\n\r\n"] + [x + b"\r\n" for x in lines[:k]])


def test_curl_deletes_a_message(curl, dovecot, mailbox):
    before = curl("", "-X", "UIDL").split()[1::2]
    assert curl("", "-X", "DELE 2", "--head") == b""
    assert left(dovecot, mailbox) == len(MESSAGES) - 1
    assert curl("", "-X", "UIDL").split()[1::2] == before[:1] + before[2:]


def test_curl_is_told_of_a_wrong_password(curl, home, bridge, mailbox):
    # 67: the server has refused user or password.
    said = home.run("curl", "--silent", "--show-error", "--user",
                    mailbox.name + ":wrong", "pop3://%s:%d/" % (
                        bridge.host, bridge.port), good=(67,))
    assert b"curl: (67)" in said


@pytest.fixture
def pop3(bridge, mailbox):
    """Opens sessions of python's own client, logged in."""
    opened = []

    def login():
        client = poplib.POP3(bridge.host, bridge.port, timeout=TIMEOUT)
        opened.append(client)
        client.user(mailbox.name)
        client.pass_(mailbox.password)
        return client

    yield login
    for client in opened:
        client.close()


def joined(reply):
    """The text of poplib's (reply, lines, octets)."""
    return b"".join(line + b"\r\n" for line in reply[1])


def test_poplib_fetches_everything(pop3):
    client = pop3()
    count, octets = client.stat()
    assert count == len(MESSAGES)
    assert octets == sum(len(crlf(m)) for m in MESSAGES) - 2
    listing = [line.split() for line in client.list()[1]]
    assert sum(int(size) for _, size in listing) == octets
    unique = client.uidl()[1]
    for n, m in enumerate(MESSAGES, 1):
        assert joined(client.retr(n)) == crlf(m)
        assert client.uidl(n) == b"+OK " + unique[n - 1]
        assert client.list(n) == b"+OK %d %s" % (n, listing[n - 1][1])
        assert joined(client.top(n, 99999999)) == crlf(m)
    assert client.noop().startswith(b"+OK")
    assert client.quit().startswith(b"+OK")
    again = pop3()
    assert again.uidl()[1] == unique
    assert again.quit().startswith(b"+OK")


def test_poplib_takes_back_its_deletions(pop3, dovecot, mailbox):
    client = pop3()
    for n in range(1, len(MESSAGES) + 1):
        assert client.dele(n).startswith(b"+OK")
    assert client.stat() == (0, 0)
    assert client.list()[1] == client.uidl()[1] == []
    assert client.rset().startswith(b"+OK")
    assert client.stat()[0] == len(MESSAGES)
    assert client.quit().startswith(b"+OK")
    assert left(dovecot, mailbox) == len(MESSAGES)


def test_poplib_deletes_just_what_it_named(pop3, dovecot, mailbox):
    client = pop3()
    unique = [line.split()[1] for line in client.uidl()[1]]
    client.dele(3)
    client.dele(5)
    with pytest.raises(poplib.error_proto):
        client.retr(3)
    assert client.quit().startswith(b"+OK")
    assert left(dovecot, mailbox) == len(MESSAGES) - 2
    kept = [line.split()[1] for line in pop3().uidl()[1]]
    assert kept == [u for n, u in enumerate(unique, 1) if n not in (3, 5)]


def test_poplib_learns_what_the_server_can_do(pop3, bridge):
    words = pop3().capa()
    for word in ("TOP", "UIDL", "USER", "RESP-CODES", "PIPELINING"):
        assert word in words
    assert "SASL" not in words
    # No time stamp in the greeting: APOP is not offered.
    client = poplib.POP3(bridge.host, bridge.port, timeout=TIMEOUT)
    assert b"<" not in client.getwelcome()
    client.quit()
    client.close()
