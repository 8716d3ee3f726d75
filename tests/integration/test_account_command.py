"""popbridge account, as a person and as a program use it."""

import base64
import contextlib
import errno
import hashlib
import hmac
import json
import os
import pty
import re
import secrets
import sqlite3
import subprocess
import termios
import warnings

import pytest

from conftest import SANITIZER_WORDS, until

with warnings.catch_warnings():
    # It goes with Python 3.13; libcrypt stays.
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt

USAGE, DATAERR, NOINPUT, IOERR, TEMPFAIL, CONFIG = 64, 65, 66, 74, 75, 78


class Command:
    """popbridge account with files of the test's own."""

    def __init__(self, binary, folder):
        self.binary = binary
        self.file = folder / "accounts.db"
        self.key_file = folder / "accounts.key"
        self.folder = folder

    def words(self, action, *words):
        return [self.binary, "account", action, *words,
                "--accounts", str(self.file), "--key-file",
                str(self.key_file)]

    def run(self, action, *words, lines=b"", status=0):
        """Runs it; {fd} in a word is a descriptor with these lines."""
        reader, writer = os.pipe()
        os.write(writer, lines)
        os.close(writer)
        try:
            done = subprocess.run(
                self.words(action, *(w.format(fd=reader) for w in words)),
                pass_fds=[reader], stdin=subprocess.DEVNULL,
                capture_output=True, start_new_session=True, check=False)
        finally:
            os.close(reader)
        errors = done.stderr.decode()
        assert done.returncode == status, errors
        assert not [word for word in SANITIZER_WORDS if word in errors]
        return done.stdout.decode(), errors

    def add(self, name, password=b"geheim", *options, **keywords):
        return self.run("add", name, "--password-fd", "{fd}", *options,
                        lines=password + b"\n", **keywords)

    def show(self, name):
        return json.loads(self.run("show", name, "--json")[0])

    def row(self, name, columns):
        with contextlib.closing(sqlite3.connect(self.file)) as db:
            return db.execute("SELECT %s FROM account WHERE name = ?"
                              % columns, [name]).fetchone()

    def fits(self, name, password):
        """Whether the stored verifier is one of this password."""
        verifier, = self.row(name, "verifier")
        return crypt.crypt(password, verifier) == verifier

    def octets(self):
        return b"".join(path.read_bytes() for path in self.folder.iterdir())


@pytest.fixture
def command(binary, tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    return Command(binary, folder)


@pytest.fixture
def sealed(command):
    """The same, with a key."""
    command.run("rotate-key")
    return command


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execv(words[0], words)
            finally:
                os._exit(127)
        self.seen = b""
        os.set_blocking(self.fd, False)

    def read(self):
        try:
            self.seen += os.read(self.fd, 4096)
        except BlockingIOError:
            pass
        except OSError as error:
            # What a terminal says whose other side is gone.
            assert error.errno == errno.EIO
        return self.seen

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def answer(self, question, text):
        """Types when it is asked for, and only when nobody can look."""
        until(lambda: self.read().count(question), "the question")
        until(lambda: not self.echoes(), "no echo")
        os.write(self.fd, text)

    def status(self):
        def ended():
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (os.waitstatus_to_exitcode(status),) if pid else None

        code, = until(ended, "the end of the command")
        self.read()
        os.close(self.fd)
        return code


def test_an_account_is_added_shown_and_listed(sealed):
    sealed.run("add", "Scanner", "--label", "in the Küche",
               "--network", "192.0.2.77/24", "--network", "2001:db8::/32",
               "--listener", "hall", "--upstream-user", "Office@example.com",
               "--password-fd", "{fd}", "--upstream-password-fd", "{fd}",
               "--recoverable", lines=b"one\ntwo\n")
    sealed.add("anna")
    assert sealed.show("SCANNER") == {
        "name": "scanner", "label": "in the Küche", "enabled": True,
        "networks": ["192.0.2.0/24", "2001:db8::/32"],
        "listeners": ["hall"], "password": True, "scram": True,
        "recoverable": True, "upstream_user": "Office@example.com",
        "upstream_password": True}
    out, _ = sealed.run("list")
    assert out == ("anna\tenabled\tanna\t-\t-\t-\n"
                   "scanner\tenabled\tOffice@example.com\t"
                   "192.0.2.0/24,2001:db8::/32\thall\tin the Küche\n")
    assert [a["name"] for a in json.loads(sealed.run("list", "--json")[0])] \
        == ["anna", "scanner"]
    out, _ = sealed.run("show", "anna")
    assert "upstream user      anna\n" in out
    assert "networks           all\n" in out
    assert sealed.fits("scanner", "one") and sealed.fits("anna", "geheim")


def test_scram_keys_are_those_of_the_password(command):
    command.add("max", b"pencil")
    iterations, salt, stored, server = command.row(
        "max", "iterations, salt, stored_key, server_key")
    assert iterations >= 4096 and len(salt) == 16
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", salt, iterations)
    key = hmac.digest(salted, b"Client Key", "sha256")
    assert stored == hashlib.sha256(key).digest()
    assert server == hmac.digest(salted, b"Server Key", "sha256")


def test_a_password_without_scram_is_told(command):
    _, errors = command.add("max", b"K\xfcche")
    assert "SCRAM-SHA-256 cannot be used" in errors
    assert not command.show("max")["scram"]


def test_the_terminal_is_asked_twice_and_shows_nothing(command):
    password = secrets.token_hex(8).encode()
    terminal = Terminal(command.words("add", "max"))
    terminal.answer(b"the password of max: ", password + b"\n")
    terminal.answer(b"The same again: ", password + b"\n")
    assert terminal.status() == 0
    assert password not in terminal.seen
    assert command.fits("max", password.decode())


def test_two_passwords_that_differ_add_nobody(command):
    terminal = Terminal(command.words("add", "max"))
    terminal.answer(b"the password of max: ", b"one\n")
    terminal.answer(b"The same again: ", b"two\n")
    assert terminal.status() == DATAERR
    assert b"not the same twice" in terminal.seen
    command.run("show", "max", status=DATAERR)


def test_an_interrupted_prompt_gives_the_echo_back(command):
    terminal = Terminal(command.words("add", "max"))
    echo = os.dup(terminal.fd)
    terminal.answer(b"the password of max: ", b"on\x03")
    assert terminal.status() == TEMPFAIL
    assert termios.tcgetattr(echo)[3] & termios.ECHO
    os.close(echo)
    command.run("show", "max", status=DATAERR)


def test_the_upstream_password_is_asked_for_too(sealed):
    terminal = Terminal(sealed.words("add", "max", "--generate",
                                     "--upstream-password"))
    terminal.answer(b"the password at the IMAP server of max: ", b"geheim\n")
    terminal.answer(b"The same again: ", b"geheim\n")
    assert terminal.status() == 0
    assert sealed.show("max")["upstream_password"]


def test_without_a_terminal_it_says_what_to_do(command):
    _, errors = command.run("add", "max", status=USAGE)
    assert "by a file descriptor" in errors


def test_no_password_is_an_argument_of_the_process(sealed):
    """While it waits for the password, and so before it could hide it."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        sealed.words("add", "max", "--password-fd", str(reader),
                     "--upstream-password-fd", str(reader)),
        pass_fds=[reader])
    os.close(reader)
    password = secrets.token_hex(8).encode()
    with open("/proc/%d/cmdline" % process.pid, "rb") as f:
        before = f.read()
    os.write(writer, password + b"\n")
    with open("/proc/%d/cmdline" % process.pid, "rb") as f:
        after = f.read()
    with open("/proc/%d/environ" % process.pid, "rb") as f:
        environment = f.read()
    os.write(writer, password + b"2\n")
    os.close(writer)
    assert process.wait() == 0
    assert password not in before + after + environment
    assert sealed.fits("max", password.decode())


def test_no_secret_is_in_any_file_in_the_clear(sealed):
    one, two = (secrets.token_hex(12).encode() for _ in range(2))
    # Somebody else has the file open, so that the log stays.
    with contextlib.closing(sqlite3.connect(sealed.file)) as db:
        db.execute("SELECT * FROM account").fetchall()
        sealed.run("add", "visible", "--recoverable", "--password-fd",
                   "{fd}", "--upstream-password-fd", "{fd}",
                   lines=one + b"\n" + two + b"\n")
        assert (sealed.folder / "accounts.db-wal").exists()
        for coded in (bytes, base64.b64encode, base64.b16encode,
                      lambda octets: octets.hex().encode()):
            assert coded(one) not in sealed.octets()
            assert coded(two) not in sealed.octets()
        assert b"visible" in sealed.octets()
    for path in (sealed.file, sealed.key_file):
        assert path.stat().st_mode & 0o7777 == 0o600
    for words in (["list"], ["list", "--json"], ["show", "visible"],
                  ["show", "visible", "--json"]):
        out = "".join(sealed.run(*words))
        assert one.decode() not in out and two.decode() not in out
        assert "$y$" not in out


def test_a_generated_password_is_printed_once_and_fits(command):
    out, errors = command.run("add", "max", "--generate")
    assert re.fullmatch(r"[a-km-np-z2-9]{16}\n", out) and errors == ""
    assert command.fits("max", out.strip())
    again, _ = command.run("passwd", "max", "--generate")
    assert again != out
    assert command.fits("max", again.strip())


def test_a_generated_password_that_nobody_saw_is_told(command):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(command.words("add", "max", "--generate"),
                              stdout=full, stderr=subprocess.PIPE,
                              check=False)
    assert done.returncode == IOERR
    assert b"could not be printed" in done.stderr


def test_an_account_for_a_certificate_has_no_password(command):
    command.run("add", "card", "--no-password")
    assert not command.show("card")["password"]
    assert command.row("card", "verifier, stored_key") == (None, None)


def test_passwd_sets_what_is_given_and_no_more(sealed):
    sealed.add("max", b"one")
    before = sealed.row("max", "verifier, stored_key")
    sealed.run("passwd", "max", "--upstream-password-fd", "{fd}",
               lines=b"upstream\n")
    assert sealed.show("max")["upstream_password"]
    assert sealed.row("max", "verifier, stored_key") == before
    sealed.run("passwd", "max", "--password-fd", "{fd}", lines=b"two\n")
    assert sealed.fits("max", "two") and not sealed.fits("max", "one")
    assert sealed.show("max")["upstream_password"]


def test_accounts_are_disabled_enabled_and_removed(command):
    command.add("max")
    command.run("disable", "MAX")
    assert not command.show("max")["enabled"]
    assert "max\tdisabled\t" in command.run("list")[0]
    command.run("enable", "max")
    assert command.show("max")["enabled"]
    command.run("remove", "max")
    for words in (["show"], ["disable"], ["enable"], ["remove"],
                  ["passwd", "--generate"]):
        _, errors = command.run(words[0], "max", *words[1:], status=DATAERR)
        assert "max: there is no such account" in errors
    assert command.run("list")[0] == ""
    assert json.loads(command.run("list", "--json")[0]) == []


def test_a_name_is_there_once(command):
    command.add("max", b"one")
    _, errors = command.add("MAX", b"two", status=DATAERR)
    assert "already" in errors
    assert command.fits("max", "one")


@pytest.mark.parametrize("name", [
    "'--", "x'; DROP TABLE account; --", "%n%s", "../x", "max@example.com",
    "Küche", '"', "a b"])
def test_names_are_names_and_nothing_else(command, name):
    command.add("other")
    command.add(name)
    assert command.show(name)["upstream_user"] == name
    command.run("remove", name)
    assert [a["name"] for a in json.loads(command.run("list", "--json")[0])] \
        == ["other"]


def test_a_key_is_replaced_and_what_it_sealed_is_sealed_again(sealed):
    sealed.run("add", "max", "--generate", "--recoverable",
               "--upstream-password-fd", "{fd}", lines=b"geheim\n")
    key = sealed.key_file.read_text()
    columns = "upstream_password, recoverable"
    before = sealed.row("max", columns)
    out, _ = sealed.run("rotate-key")
    assert out.endswith(": a new key, and 2 secrets sealed with it\n")
    after = sealed.row("max", columns)
    assert re.fullmatch(r"[0-9a-f]{64}\n", sealed.key_file.read_text())
    assert sealed.key_file.read_text() != key
    # Version and the name of the key, which is another one.
    assert after[0][1:9] == after[1][1:9] != before[0][1:9]
    sealed.run("rotate-key")
    # With the old key it does not go on, and leaves both as they are.
    after = sealed.row("max", columns)
    sealed.key_file.write_text(key)
    _, errors = sealed.run("rotate-key", status=DATAERR)
    assert "of max is sealed with a key that is not in" in errors
    assert sealed.row("max", columns) == after
    assert sealed.key_file.read_text() == key
    assert sorted(path.name for path in sealed.folder.iterdir()
                  if path.name.startswith("accounts.key")) == ["accounts.key"]


def test_without_a_key_nothing_is_sealed_and_it_says_what_to_do(command):
    _, errors = command.run("add", "max", "--generate", "--recoverable",
                            status=DATAERR)
    assert "make one by popbridge account rotate-key" in errors
    _, errors = command.run("add", "max", "--generate",
                            "--upstream-password-fd", "{fd}",
                            lines=b"geheim\n", status=DATAERR)
    assert "make one by popbridge account rotate-key" in errors
    command.run("add", "max", "--generate")
    assert not command.key_file.exists()


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o660])
def test_keys_that_others_can_read_are_refused(sealed, mode):
    sealed.key_file.chmod(mode)
    _, errors = sealed.run("add", "max", "--generate", status=CONFIG)
    assert "others can get at it (its mode is %o): chmod 600" % mode in errors


def test_a_file_that_is_none_is_refused(command):
    command.file.write_text("no database, but long enough to be one\n" * 30)
    _, errors = command.run("list", status=CONFIG)
    assert "file is not a database" in errors


def test_only_add_makes_the_file(command):
    for words in (["list"], ["show", "max"], ["enable", "max"],
                  ["disable", "max"], ["remove", "max"],
                  ["passwd", "max", "--generate"]):
        _, errors = command.run(*words, status=NOINPUT)
        assert "there is no such file" in errors
    assert not list(command.folder.iterdir())


def test_a_line_from_a_descriptor_has_limits(command):
    command.add("max", b"x" * 511)
    assert "511" in command.add("anna", b"x" * 512, status=DATAERR)[1]
    assert "511" in command.add("anna", b"x" * 5000, status=DATAERR)[1]
    assert "empty" in command.add("anna", b"", status=DATAERR)[1]
    _, errors = command.run("add", "anna", "--password-fd", "987",
                            status=IOERR)
    assert "Bad file descriptor" in errors


@pytest.mark.parametrize("words, says", [
    ([], "no action"),
    (["ad"], 'no action "ad", did you mean "add"?'),
    (["frobnicate"], "see popbridge account --help"),
    (["add"], "which account?"),
    (["list", "max"], "that is no option"),
    (["add", "a", "b"], "there is one name only"),
    (["add", "a", "--lable", "x"], "did you mean --label?"),
    (["add", "a", "--label"], "it needs a value"),
    (["add", "a", "--label", "x" * 81], "it is too long"),
    (["add", "x" * 256], "it is too long"),
    (["add", b"K\xfcche"], "it must be UTF-8"),
    (["add", "a", "--network", "192.0.2.0/33"], "it must be an address or"),
    (["add", "a", "--password-fd", "-1"], "it takes the number of a file"),
    (["add", "a", "--password-fd", "3x"], "it takes the number of a file"),
    (["add", "a", "--password", "geheim"],
     "a password is never an argument"),
    (["add", "a", "--upstream-password=geheim"], "it takes no value"),
    (["add", "a", "--pasword=geheim"], "there is no such option"),
    (["add", "a", "geheim"], "a password is never an argument"),
    (["add", "a", "--generate", "--no-password"], "give one of them"),
    (["add", "a", "--no-password", "--recoverable"], "there is no password"),
    (["list", "--generate"], "there is no such option"),
])
def test_wrong_usage_says_what_would_be_right(binary, words, says):
    done = subprocess.run([binary, "account", *words], capture_output=True,
                          check=False, stdin=subprocess.DEVNULL)
    errors = done.stderr.decode()
    assert done.returncode == USAGE, errors
    assert says in errors
    assert "geheim" not in errors


@pytest.mark.parametrize("options", [
    ["--label", "\033[2J"], ["--label", "a\nb"], ["--listener", ""],
    ["--upstream-user", "a\rb"]])
def test_control_characters_are_refused(command, options):
    command.run("rotate-key")
    command.run("add", "max", "--generate", *options, status=DATAERR)
    assert command.run("list")[0] == ""


def test_help_tells_of_actions_and_options(binary):
    def ask(*words):
        return subprocess.run([binary, "account", *words], check=True,
                              capture_output=True, text=True).stdout

    for action in ("add", "list", "show", "passwd", "enable", "disable",
                   "remove", "rotate-key"):
        assert "popbridge account %s " % action in ask("--help")
        assert "--accounts FILE" in ask(action, "--help")
    assert "--generate" in ask("add", "-h")
    assert "--generate" not in ask("list", "-h")


@pytest.mark.parametrize("option", ["-c", "--config"])
def test_the_configuration_says_where_the_files_are(command, option):
    command.add("scanner")
    config = command.folder / "popbridge.conf"
    config.write_text('accounts = "%s"\naccounts-key = "%s"\n' % (
        command.file, command.key_file))
    done = subprocess.run(
        [command.binary, "account", "list", option, str(config)],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("scanner\t")
    config.write_text("accounts = nonsense = 1\n")
    done = subprocess.run(
        [command.binary, "account", "list", option, str(config)],
        capture_output=True, text=True, check=False)
    assert done.returncode == CONFIG
    assert "popbridge.conf:1: error" in done.stderr
