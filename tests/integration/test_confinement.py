"""What is left to a popbridge that somebody has taken over: its user, the
system calls and the files of its service; and that it serves nevertheless."""

import glob
import grp
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

import sandbox
from conftest import plain, until
from test_accounts import Accounts, listener, url

MESSAGE = b"Subject: a message\r\n\r\nhello\r\n"
ROOT = os.geteuid() == 0


def works(connect, bridge, user):
    client = connect(bridge)
    client.login(user)
    client.multi("RETR 1")
    client.quit()


@pytest.fixture
def account(dovecot, new_account):
    return new_account(dovecot, messages=[MESSAGE])


def statuses(bridge):
    """What the kernel says of each thread: {name: value}."""
    found = []
    for path in glob.glob("/proc/%d/task/*/status" % bridge.process.pid):
        with open(path) as f:
            found.append(dict(re.findall(r"^(\w+):\s+(.*)$", f.read(), re.M)))
    return found


def filters(more):
    """How many there are with so many more than in this container."""
    with open("/proc/self/status") as f:
        return str(int(re.search(r"^Seccomp_filters:\s+(\d+)$", f.read(),
                                 re.M).group(1)) + more)


def reload(bridge):
    before = bridge.log().count("eloaded")
    bridge.process.send_signal(signal.SIGHUP)
    until(lambda: bridge.log().count("eloaded") > before, "a reload")


def test_every_thread_is_confined(start_bridge, dovecot, account, connect):
    bridge = start_bridge("imap+plain://localhost:%d" % dovecot.imap_port)
    # The name has made the resolver's threads.
    works(connect, bridge, account)
    threads = statuses(bridge)
    assert len(threads) > 2
    assert {t["Seccomp_filters"] for t in threads} == {filters(1)}
    assert {t["NoNewPrivs"] for t in threads} == {"1"}
    assert bridge.log().count(" seccomp=yes ") == 1


def test_without_sandbox_there_is_none(start_bridge, dovecot, account,
                                       connect):
    bridge = start_bridge(plain(dovecot), "--sandbox", "no")
    works(connect, bridge, account)
    assert {t["Seccomp_filters"] for t in statuses(bridge)} == {filters(0)}
    assert {t["NoNewPrivs"] for t in statuses(bridge)} == {"1"}
    assert "confined" not in bridge.log()


def test_cores_are_off_unless_wanted(start_bridge, dovecot):
    for option, soft in (("no", "0"), ("yes", "unlimited")):
        bridge = start_bridge(plain(dovecot), "--core-dumps", option)
        with open("/proc/%d/limits" % bridge.process.pid) as f:
            now, most = re.search(r"Max core file size +(\w+) +(\w+)",
                                  f.read()).groups()
        assert now == ("0" if option == "no" else most)
        # Whom this belongs to says who may look into the process.
        if not ROOT:
            mem = os.stat("/proc/%d/mem" % bridge.process.pid)
            assert (mem.st_uid == os.geteuid()) == (option == "yes")


@pytest.fixture
def user():
    """Whom popbridge becomes: somebody else, if the tests can do that."""
    return "daemon" if ROOT else pwd.getpwuid(os.geteuid()).pw_name


def group_of(user):
    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


def give(user, *paths):
    for path in paths:
        if ROOT:
            shutil.chown(path, user, group_of(user))


@pytest.fixture
def folder(user):
    """A folder of the user's, which it can get to."""
    with tempfile.TemporaryDirectory(prefix="popbridge-user-") as path:
        give(user, path)
        yield path


@pytest.fixture
def start_as(user, folder, start_bridge, certificates):
    """popbridge as that user, with certificate, accounts and state."""
    def start(config, **keywords):
        state = folder + "/state"
        os.mkdir(state, 0o700)
        give(user, state)
        return start_bridge(None, config="""
user = "%s"
group = "%s"
state-directory = "%s"
tls-cert = "%s/server.pem"
tls-key = "%s/server.key"
%s""" % (user, group_of(user), state, certificates, certificates, config),
            owner=user if ROOT else None, **keywords)
    return start


@pytest.fixture
def certificates(folder, user):
    path = folder + "/certificates"
    os.mkdir(path, 0o755)
    sandbox.make_certificates(path)
    give(user, path + "/server.key")
    return path


SESSION = """
listener "l" { url = "pop3+plain://127.0.0.1:0" }
upstream = "%s"
"""


def test_root_is_given_up_for_good(start_as, user, dovecot, account, connect):
    bridge = start_as(SESSION % plain(dovecot))
    works(connect, bridge, account)
    entry = pwd.getpwnam(user)
    for thread in statuses(bridge):
        assert set(thread["Uid"].split()) == {str(entry.pw_uid)}
        assert set(thread["Gid"].split()) == {str(entry.pw_gid)}
        if ROOT:
            assert "0" not in thread["Groups"].split()
        assert {thread[c].strip("0") for c in ("CapInh", "CapPrm", "CapEff",
                                               "CapAmb")} == {""}
    assert "cannot be read by the user" not in bridge.log()


def test_reload_reads_everything_again_as_the_user(
        start_as, user, certificates, dovecot, account, connect):
    bridge = start_as(SESSION % plain(dovecot))
    # Certificates are renewed by others, and by renaming.
    new = certificates + "/new"
    os.mkdir(new)
    sandbox.make_certificates(new)
    give(user, new + "/server.key")
    for name in ("server.pem", "server.key"):
        os.rename(new + "/" + name, certificates + "/" + name)
    reload(bridge)
    assert "configuration reloaded" in bridge.log()
    works(connect, bridge, account)


def test_a_file_in_a_new_folder_needs_a_restart_and_the_log_says_so(
        start_as, binary, certificates, dovecot, account, connect):
    bridge = start_as(SESSION % plain(dovecot))
    closed = 'landlock="version' in bridge.log()
    with tempfile.TemporaryDirectory() as new:
        os.chmod(new, 0o755)
        for name in ("server.pem", "server.key"):
            shutil.copy(certificates + "/" + name, new)
            os.chmod(new + "/" + name, 0o644)
        with open(bridge.config_file) as f:
            bridge.configure(f.read().replace(certificates + "/server",
                                              new + "/server"))
        reload(bridge)
    # The sanitizers' builds may read everything.
    with open(binary, "rb") as f:
        sanitized = re.search(b"__[at]san_init", f.read())
    refused = "if its folder was not named at the start, it can be read " \
        "after a restart" in bridge.log()
    assert refused == (closed and sanitized is None)
    works(connect, bridge, account)


def test_what_a_reload_will_miss_is_said_at_the_start(
        start_as, certificates, dovecot, account, connect):
    key = certificates + "/server.key"
    if ROOT:
        os.chown(key, 0, 0)
        os.chmod(key, 0o600)
    bridge = start_as(SESSION % plain(dovecot))
    said = "a file cannot be read by the user that popbridge runs as: a " \
        "reload will fail\" file=%s" % key
    assert (said.replace('"', "") in bridge.log().replace('"', "")) == ROOT
    reload(bridge)
    assert ("configuration reloaded" in bridge.log()) == (not ROOT)
    # The old one stays.
    works(connect, bridge, account)


def test_accounts_and_state_are_written_as_the_user(
        start_as, user, folder, binary, dovecot, account, connect):
    accounts = Accounts(binary, folder)
    accounts.run("add", "scanner", "--recoverable", "--upstream-user",
                 account.name, password="x" * 12,
                 upstream_password=account.password)
    give(user, accounts.file, accounts.key,
         *glob.glob(accounts.file + "-*"))
    bridge = start_as(accounts.options() + listener() +
                      'identity = accounts\nupstream = "%s"\n' % url(dovecot))
    client = connect(bridge)
    client.greeting()
    client.ok("USER scanner")
    client.ok("PASS " + "x" * 12)
    client.multi("RETR 1")
    client.quit()
    uid = pwd.getpwnam(user).pw_uid
    written = until(lambda: os.listdir(folder + "/state"), "listings")
    for name in written:
        assert os.stat(folder + "/state/" + name).st_uid == uid
    for name in glob.glob(accounts.file + "*"):
        assert os.stat(name).st_uid == uid
    # An account of now counts, and a reload opens the file again.
    accounts.run("disable", "scanner")
    reload(bridge)
    client = connect(bridge)
    client.greeting()
    client.ok("USER scanner")
    client.err("PASS " + "x" * 12)


def test_rights_change_only_with_a_restart(start_as, user, dovecot, account,
                                           connect):
    bridge = start_as(SESSION % plain(dovecot))
    with open(bridge.config_file) as f:
        text = f.read()
    bridge.configure(text.replace('user = "%s"' % user, 'user = "bin"'))
    reload(bridge)
    assert "user, group, sandbox and core-dumps change only with a restart" \
        in bridge.log()
    works(connect, bridge, account)


@pytest.mark.parametrize("entries, told", [
    ('user = "no such"\n', "user = no such: this machine has no such user"),
    ('user = "daemon"\ngroup = "no such"\n',
     "group = no such: this machine has no such group"),
    ('user = "root"\n', "user = root: it may do everything"),
    ('group = "daemon"\n', "group: a group without a user leaves everything "
     "to root: give user, too"),
])
def test_a_user_that_cannot_be_is_told_by_check_and_at_the_start(
        entries, told, binary, tmp_path):
    file = str(tmp_path / "popbridge.conf")
    with open(file, "w") as f:
        f.write(entries + 'upstream = "imaps://localhost"\n'
                'listen = {"pop3+plain://127.0.0.1:0"}\n')
    for command in ("check", "serve"):
        done = subprocess.run([binary, command, "-c", file], timeout=60,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True)
        assert done.returncode == 78
        assert told in done.stderr
