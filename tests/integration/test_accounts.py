"""Accounts of popbridge's own: a device's password that the IMAP server never
sees, and the server's that the device never sees."""

import base64
import hashlib
import hmac
import os
import re
import secrets
import statistics
import subprocess
import time

import pytest

from conftest import PASSWORD

DEVICE_PASSWORD = "device-" + secrets.token_hex(8)
MESSAGE = b"Subject: for a device\r\n\r\nhello\r\n"


def url(server):
    return "imap+plain://%s:%d" % (server.address, server.imap_port)


class Accounts:
    """The command `popbridge account` on one table of accounts."""

    def __init__(self, binary, directory):
        self.binary = binary
        self.file = directory + "/accounts.db"
        self.key = directory + "/accounts.key"
        with open(self.key, "w") as f:
            f.write(secrets.token_hex(32) + "\n")
        os.chmod(self.key, 0o600)

    def options(self):
        return 'accounts = "%s"\naccounts-key = "%s"\n' % (self.file, self.key)

    def run(self, command, *words, **passwords):
        """passwords: password=..., upstream_password=..., by descriptors."""
        fds = []
        for option, secret in passwords.items():
            read, write = os.pipe()
            os.write(write, secret.encode() + b"\n")
            os.close(write)
            fds.append(read)
            words += ("--%s-fd" % option.replace("_", "-"), str(read))
        done = subprocess.run(
            [self.binary, "account", command, "--accounts", self.file,
             "--key-file", self.key, *words], pass_fds=fds,
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        for fd in fds:
            os.close(fd)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def accounts(binary, tmp_path):
    return Accounts(binary, str(tmp_path))


@pytest.fixture
def account(dovecot, new_account):
    return new_account(dovecot, messages=[MESSAGE])


@pytest.fixture
def device(accounts, account):
    """A device's account, with the mailbox's password behind it."""
    accounts.run("add", "scanner", "--label", "in the hall",
                 "--recoverable", "--upstream-user", account.name,
                 password=DEVICE_PASSWORD, upstream_password=PASSWORD)
    return "scanner"


def listener(extra=""):
    return ('listener "hall" { url = "pop3+plain://127.0.0.1:0" '
            'mechanisms = {"PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5"} '
            'apop = yes %s }\n' % extra)


@pytest.fixture
def bridge(start_bridge, accounts, device, dovecot):
    return start_bridge(None, config=listener() + accounts.options() + """
route "devices" { identity = accounts upstream = "%s" }
""" % url(dovecot))


def coded(data):
    return base64.b64encode(data)


def by_pass(client, name, password):
    client.greeting()
    client.ok("USER " + name)
    return client.cmd("PASS " + password)


def by_plain(client, name, password):
    client.greeting()
    return client.cmd(b"AUTH PLAIN " + coded(
        b"\0%s\0%s" % (name.encode(), password.encode())))


def by_apop(client, name, password):
    stamp = re.search(rb"<[^>]+>", client.greeting()).group()
    digest = hashlib.md5(stamp + password.encode()).hexdigest()
    return client.cmd("APOP %s %s" % (name, digest))


def by_cram(client, name, password):
    client.greeting()
    challenge = client.cmd("AUTH CRAM-MD5")
    assert challenge.startswith(b"+ "), challenge
    digest = hmac.new(password.encode(), base64.b64decode(challenge[2:]),
                      "md5").hexdigest()
    return client.cmd(coded(b"%s %s" % (name.encode(), digest.encode())))


def by_scram(client, name, password):
    client.greeting()
    first = b"n=%s,r=%s" % (name.encode(), secrets.token_hex(12).encode())
    reply = client.cmd(b"AUTH SCRAM-SHA-256 " + coded(b"n,," + first))
    assert reply.startswith(b"+ "), reply
    server_first = base64.b64decode(reply[2:])
    fields = dict(f.split(b"=", 1) for f in server_first.split(b","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(),
                                 base64.b64decode(fields[b"s"]),
                                 int(fields[b"i"]))

    def mac(key, text):
        return hmac.new(key, text, "sha256").digest()

    final = b"c=biws,r=" + fields[b"r"]
    whole = first + b"," + server_first + b"," + final
    client_key = mac(salted, b"Client Key")
    signature = mac(hashlib.sha256(client_key).digest(), whole)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    reply = client.cmd(coded(final + b",p=" + coded(proof)))
    if not reply.startswith(b"+ "):
        return reply
    verifier = mac(mac(salted, b"Server Key"), whole)
    assert base64.b64decode(reply[2:]) == b"v=" + coded(verifier)
    return client.cmd(b"")


WAYS = [by_pass, by_plain, by_apop, by_cram, by_scram]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def way(request):
    return request.param


def test_each_way_reads_mail(way, bridge, device, connect):
    client = connect(bridge)
    assert way(client, device, DEVICE_PASSWORD).startswith(b"+OK")
    assert client.multi("RETR 1") == MESSAGE
    client.quit()


@pytest.mark.parametrize("name", ["scanner", "nobody", "'--", "%n", "../x"])
def test_a_wrong_password_and_an_unknown_user_look_the_same(
        way, bridge, connect, name):
    client = connect(bridge)
    reply = way(client, name, "wrong")
    assert reply == (b"-ERR [AUTH] the mail server did not accept this "
                     b"user name and password")
    assert "LOGIN" not in bridge.log()


def test_the_password_of_the_mailbox_is_no_password_here(
        way, bridge, device, account, connect):
    for name in (device, account.name):
        client = connect(bridge)
        reply = way(client, name, PASSWORD)
        assert reply.startswith(b"-ERR [AUTH] ")


def test_accounts_change_while_popbridge_serves(
        bridge, accounts, device, account, connect):
    def answer(password=DEVICE_PASSWORD, name=device):
        return by_pass(connect(bridge), name, password)

    running = connect(bridge)
    assert by_pass(running, device, DEVICE_PASSWORD).startswith(b"+OK")
    accounts.run("disable", device)
    assert answer().startswith(b"-ERR [AUTH] ")
    # Who is in stays in.
    assert running.multi("RETR 1") == MESSAGE
    accounts.run("enable", device)
    assert answer().startswith(b"+OK")
    accounts.run("passwd", device, password="another-" + DEVICE_PASSWORD)
    assert answer().startswith(b"-ERR [AUTH] ")
    assert answer("another-" + DEVICE_PASSWORD).startswith(b"+OK")
    accounts.run("add", "printer", "--upstream-user", account.name,
                 password="printer-" + DEVICE_PASSWORD,
                 upstream_password=PASSWORD)
    assert answer("printer-" + DEVICE_PASSWORD, "printer").startswith(b"+OK")
    accounts.run("rotate-key")
    accounts.run("remove", device)
    assert answer("another-" + DEVICE_PASSWORD).startswith(b"-ERR [AUTH] ")


def test_an_account_is_for_its_networks_and_listeners(
        start_bridge, accounts, account, dovecot, connect):
    for name, options in (("here", ("--network", "127.0.0.2")),
                          ("hall", ("--listener", "hall")),
                          ("cellar", ("--listener", "cellar"))):
        accounts.run("add", name, "--upstream-user", account.name, *options,
                     password=DEVICE_PASSWORD, upstream_password=PASSWORD)
    bridge = start_bridge(None, config=listener() + accounts.options() + """
route "devices" { identity = accounts upstream = "%s" }
""" % url(dovecot))

    def answer(name, source=None):
        return by_pass(connect(bridge, source), name, DEVICE_PASSWORD)

    assert answer("here", "127.0.0.2").startswith(b"+OK")
    assert answer("here", "127.0.0.3").startswith(b"-ERR [AUTH] ")
    assert answer("hall").startswith(b"+OK")
    assert answer("cellar").startswith(b"-ERR [AUTH] ")


MASTER = ("chief", "geheim123-of-the-chief")


def test_a_master_user_reads_for_an_account(
        dovecot_with, new_account, start_bridge, accounts, connect, tmp_path):
    server = dovecot_with(master=MASTER)
    user = new_account(server, messages=[MESSAGE])
    secret = tmp_path / "master"
    secret.write_text(MASTER[1] + "\n")
    secret.chmod(0o600)
    accounts.run("add", user.name, password=DEVICE_PASSWORD)
    bridge = start_bridge(None, config=listener() + accounts.options() + """
route "devices" { identity = accounts upstream = "%s"
	master-user = "%s" master-password-file = "%s" }
""" % (url(server), MASTER[0], secret))
    client = connect(bridge)
    assert by_pass(client, user.name, DEVICE_PASSWORD).startswith(b"+OK")
    assert client.multi("RETR 1") == MESSAGE
    client.quit()
    assert MASTER[1] not in bridge.log()


def test_an_account_in_other_letters_is_changed_by_its_route_all_the_same(
        start_bridge, accounts, dovecot, connect):
    name, domain = "copier" + secrets.token_hex(4), "hall.example"
    dovecot.add_user(name + "@" + domain, PASSWORD)
    accounts.run("add", name, password=DEVICE_PASSWORD,
                 upstream_password=PASSWORD)
    bridge = start_bridge(None, config=listener() + accounts.options() + """
route "devices" { identity = accounts upstream = "%s" add-domain = "%s" }
""" % (url(dovecot), domain))
    for spelled in (name, name.upper()):
        reply = by_pass(connect(bridge), spelled, DEVICE_PASSWORD)
        assert reply.startswith(b"+OK"), (spelled, reply)


def test_a_stored_password_that_is_wrong_is_not_the_devices_fault(
        start_bridge, accounts, account, dovecot, connect):
    accounts.run("add", "fax", "--upstream-user", account.name,
                 password=DEVICE_PASSWORD, upstream_password="outdated")
    bridge = start_bridge(None, config=listener() + accounts.options() + """
route "devices" { identity = accounts upstream = "%s" }
""" % url(dovecot))
    for _ in range(2):
        client = connect(bridge)
        reply = by_pass(client, "fax", DEVICE_PASSWORD)
        assert reply.startswith(b"-ERR [SYS/PERM] "), reply
    # The second time it was known: the server has not been asked again.
    assert "a moment ago" in bridge.log()


def test_an_account_acts_for_nobody_else(bridge, device, account, connect):
    client = connect(bridge)
    client.greeting()
    reply = client.cmd(b"AUTH PLAIN " + coded(b"%s\0%s\0%s" % (
        account.name.encode(), device.encode(), DEVICE_PASSWORD.encode())))
    assert reply.startswith(b"-ERR [AUTH] ")


def test_names_of_devices_are_no_names_of_mailboxes(
        bridge, account, connect):
    client = connect(bridge)
    reply = by_pass(client, account.name, DEVICE_PASSWORD)
    assert reply.startswith(b"-ERR [AUTH] ")


def test_no_secret_is_anywhere_in_the_clear(
        bridge, accounts, device, connect):
    for way in WAYS:
        client = connect(bridge)
        assert way(client, device, DEVICE_PASSWORD).startswith(b"+OK")
        client.quit()
        client = connect(bridge)
        way(client, device, DEVICE_PASSWORD + "x")
    seen = [bridge.log().encode()]
    directory = os.path.dirname(accounts.file)
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), "rb") as f:
            seen.append(f.read())
    for name in ("cmdline", "environ"):
        with open("/proc/%d/%s" % (bridge.process.pid, name), "rb") as f:
            seen.append(f.read())
    for secret in (DEVICE_PASSWORD, PASSWORD):
        for form in (secret.encode(), base64.b64encode(secret.encode()),
                     secret.encode().hex().encode()):
            assert not any(form in text for text in seen)


def test_an_unknown_user_takes_as_long_as_a_wrong_password(
        start_bridge, accounts, dovecot, connect):
    """Compared as distributions.  Each try is another name's first from
    another address, so that none is held back."""
    tries = 15
    for n in range(tries):
        accounts.run("add", "known%d" % n, password=DEVICE_PASSWORD,
                     upstream_password=PASSWORD)
    bridge = start_bridge(None, config=listener() + accounts.options() + """
route "devices" { identity = accounts upstream = "%s" }
""" % url(dovecot))

    def seconds(name, source):
        client = connect(bridge, source)
        client.greeting()
        client.ok("USER " + name)
        begin = time.monotonic()
        client.err("PASS wrong", "AUTH")
        return time.monotonic() - begin

    known, unknown = [], []
    for n in range(tries):
        known.append(seconds("known%d" % n, "127.0.1.%d" % (n + 1)))
        unknown.append(seconds("other%d" % n, "127.0.2.%d" % (n + 1)))
    print("known", sorted(known), "unknown", sorted(unknown))
    # Not by a wide margin: a machine has other work.  Without the work that
    # an unknown name costs for nothing, it would be a hundred times faster.
    ratio = statistics.median(known) / statistics.median(unknown)
    assert 0.5 < ratio < 2
    assert min(known) < max(unknown) and min(unknown) < max(known)
