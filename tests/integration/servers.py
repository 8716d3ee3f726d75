"""Other IMAP servers than Dovecot, each a private instance without a port.

A relay stands in front of each, on a port that the kernel chooses.  It opens
a connection to the server for each one that it accepts, notes every command,
and can cut all connections at once.  Everything lives in one temporary
directory and goes with it.  Works as root (mail belongs to an unprivileged
user) and as any other user.
"""

import contextlib
import imaplib
import os
import pwd
import re
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import sandbox

HERE = os.path.dirname(os.path.abspath(__file__))
# Where scripts/install-deps unpacks them.
PACKAGES = "/usr/local/lib/popbridge-test-servers"
STARTUP_SECONDS = 60
SETTLE_SECONDS = 60
COMMAND = re.compile(rb"(?m)^\S+ ((?:UID )?[A-Za-z]+)(?: (.*?))?\r$")


class Relay:
    """commands() are (name, arguments) of all that clients have sent; what
    is longer than a line is not in there."""

    def __init__(self, dial):
        self.dial = dial
        self.sent = []
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            sent = []
            self.sent.append(sent)
            threading.Thread(target=self._serve, args=(client, sent),
                             daemon=True).start()

    def _serve(self, client, sent):
        try:
            server = self.dial()
        except OSError:
            client.close()
            return
        pair = client, server
        self.pairs.append(pair)
        try:
            while self._pump(client, server, sent):
                pass
        except OSError:
            pass
        self.pairs.remove(pair)
        client.close()
        server.close()

    def _pump(self, client, server, sent):
        for source in select.select((client, server), (), ())[0]:
            data = source.recv(65536)
            if not data:
                return False
            if source is client:
                sent.append(data)
            (server if source is client else client).sendall(data)
        return True

    def connections(self):
        return len(self.sent)

    def commands(self):
        return [(name.decode().upper(), args) for sent in list(self.sent)
                for name, args in COMMAND.findall(b"".join(sent))]

    def forget(self):
        """What has been sent so far is not spoken of any more."""
        for sent in self.sent:
            sent.clear()

    def cut(self):
        for pair in list(self.pairs):
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()


class Client(imaplib.IMAP4):
    """An imaplib client on a connection that is there already."""

    def __init__(self, connected):
        self.connected = connected
        super().__init__()

    def _create_socket(self, timeout):
        self.connected.settimeout(60)
        return self.connected


class Server:
    """What all have in common: users, a relay, a directory."""

    domain = ""

    def __init__(self):
        self.users = 0
        self.children = []
        self.address = "127.0.0.1"
        self.directory = tempfile.mkdtemp(prefix="popbridge-imap-")
        os.chmod(self.directory, 0o755)
        self.relay = None
        if os.geteuid() == 0:
            owner = pwd.getpwnam("nobody")
            self.uid, self.gid = owner.pw_uid, owner.pw_gid
        else:
            self.uid, self.gid = os.geteuid(), os.getegid()
        try:
            self.start()
            self.relay = Relay(self.dial)
            self.imap_port = self.relay.port
        except BaseException:
            self.stop()
            raise

    def start(self):
        """What must run or be there before anybody dials."""

    def stop(self):
        if self.relay:
            self.relay.stop()
        for child in self.children:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def settle(self):
        """All that it was told is in the mailboxes; that may cut connections.
        """

    def messages(self):
        """What it has written so far."""
        try:
            with open(self.path("log"), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def path(self, *names):
        return "/".join((self.directory,) + names)

    def give(self, path):
        """To the user whose mail it is."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)

    def make(self, *names):
        path = self.path(*names)
        os.mkdir(path, 0o755)
        self.give(path)
        return path

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as f:
            f.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def spawn(self, command, **environment):
        """One end of a connection; a process has the other for its standard
        input and output."""
        ours, theirs = socket.socketpair()
        with theirs, open(self.path("log"), "ab") as log:
            self.children.append(subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdin=theirs, stdout=theirs, stderr=log,
                start_new_session=True, env=dict(os.environ, **environment)))
        return ours

    def add_user(self, name, password):
        self.users += 1
        user = sandbox.User(name + self.domain, password,
                            self.path("mail", name))
        self.add(user)
        return user

    def imap(self, user):
        client = Client(self.dial())
        client.login(user.name, user.password)
        return client

    def deliver(self, user, message):
        client = self.imap(user)
        answer, data = client.append("INBOX", None, None, message)
        client.logout()
        if answer != "OK":
            raise ValueError(data)


class MaildirServer(Server):
    """A user's mail is in user.maildir, with the line ends of a file."""

    def start(self):
        self.delivered = 0
        self.make("mail")

    def make_maildir(self, user):
        for path in (user.home, user.maildir, user.maildir + "/cur",
                     user.maildir + "/new", user.maildir + "/tmp"):
            os.mkdir(path, 0o700)
            self.give(path)

    def deliver(self, user, message):
        self.delivered += 1
        name = "%d.M%dP%d.sandbox" % (1700000000 + self.delivered,
                                      self.delivered, os.getpid())
        path = user.maildir + "/tmp/" + name
        with open(path, "wb") as f:
            f.write(message.replace(b"\r\n", b"\n"))
        self.give(path)
        os.rename(path, user.maildir + "/new/" + name)


class Dovecot(sandbox.Dovecot):
    """The sandbox's, behind a relay."""

    def __init__(self, **options):
        self.relay = None
        super().__init__(**options)
        self.direct = self.imap_port
        self.relay = Relay(lambda: socket.create_connection(
            ("127.0.0.1", self.direct)))
        self.imap_port = self.relay.port

    def settle(self):
        """It is there as soon as it is said."""

    def stop(self):
        if self.relay:
            self.relay.stop()
        super().stop()


class Cyrus(Server):
    CONFIG = """
configdirectory: {directory}/conf
proc_path: {directory}/proc
mboxname_lockpath: {directory}/lock
defaultpartition: default
partition-default: {directory}/mail
cyrus_user: {owner}
admins: admin
servername: localhost
allowplaintext: yes
failedloginpause: 0
duplicatesuppression: no
sasl_mech_list: PLAIN
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {directory}/sasldb
"""
    PROGRAMS = """
START {{
  recover cmd="{bin}/ctl_cyrusdb -C {directory}/imapd.conf -r"
}}
SERVICES {{
  imap cmd="{bin}/imapd -C {directory}/imapd.conf" """ \
        """listen="{directory}/socket" prefork=1
}}
EVENTS {{
}}
"""
    ADMIN_PASSWORD = "sandbox"

    def start(self):
        self.process = None
        self.delivering = None, None
        for name in ("conf", "conf/socket", "proc", "lock", "mail"):
            self.make(name)
        values = {"directory": self.directory,
                  "owner": pwd.getpwuid(self.uid).pw_name,
                  "bin": PACKAGES + "/usr/lib/cyrus/bin"}
        config = self.write("imapd.conf", self.CONFIG.format(**values))
        programs = self.write("cyrus.conf", self.PROGRAMS.format(**values))
        self.environment = dict(
            os.environ,
            LD_LIBRARY_PATH=PACKAGES + "/usr/lib/x86_64-linux-gnu")
        self.set_password("admin", self.ADMIN_PASSWORD)
        with open(self.path("log"), "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--",
                 values["bin"] + "/master", "-C", config, "-M", programs,
                 "-p", self.path("pid"), "-D"],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True)
        self.wait_for_greeting()

    def wait_for_greeting(self):
        deadline = time.monotonic() + STARTUP_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with self.dial() as s:
                    s.settimeout(5)
                    if s.recv(1) == b"*":
                        return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("Cyrus does not answer:\n" + self.messages())

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self.delivering = None, None
        super().stop()

    def set_password(self, name, password):
        subprocess.run([PACKAGES + "/usr/sbin/saslpasswd2", "-p", "-c",
                        "-f", self.path("sasldb"), "-u", "localhost", name],
                       input=password.encode(), env=self.environment,
                       check=True)
        self.give(self.path("sasldb"))

    def dial(self):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(self.path("socket"))
        except BaseException:
            s.close()
            raise
        return s

    def deliver(self, user, message):
        """Over one connection, as long as it is the same user."""
        to, client = self.delivering
        if to is not user:
            client = self.imap(user)
            self.delivering = user, client
        answer, data = client.append("INBOX", None, None, message)
        if answer != "OK":
            raise ValueError(data)

    def add(self, user):
        self.set_password(user.name, user.password)
        admin = Client(self.dial())
        admin.login("admin", self.ADMIN_PASSWORD)
        answer, data = admin.create("user/" + user.name)
        admin.logout()
        assert answer == "OK", data


class Courier(MaildirServer):
    # As in the package's own configuration.
    SETTINGS = {
        "IMAP_CAPABILITY": "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE "
        "THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE",
        "IMAP_KEYWORDS": "1", "IMAP_IDLE_TIMEOUT": "60",
        "IMAP_MAILBOX_SANITY_CHECK": "1", "IMAP_USELOCKS": "1",
        "IMAP_OBSOLETE_CLIENT": "0", "IMAP_EMPTYTRASH": "Trash:7",
        "IMAP_TRASHFOLDERNAME": "Trash", "IMAP_MOVE_EXPUNGE_TO_TRASH": "0",
        "TCPREMOTEIP": "127.0.0.1", "TCPREMOTEPORT": "1024",
        "TCPLOCALIP": "127.0.0.1", "TCPLOCALPORT": "143"}

    def start(self):
        super().start()
        self.known = {}
        subprocess.run(["cc", "-shared", "-fPIC", "-o",
                        self.path("authdaemon.so"), HERE + "/authdaemon.c"],
                       check=True)
        self.authdaemon = socket.socket(socket.AF_UNIX)
        self.authdaemon.bind(self.path("authdaemon"))
        os.chmod(self.path("authdaemon"), 0o777)
        self.authdaemon.listen(64)
        threading.Thread(target=self._authenticate, daemon=True).start()

    def stop(self):
        self.authdaemon.shutdown(socket.SHUT_RDWR)
        self.authdaemon.close()
        super().stop()

    def _authenticate(self):
        while True:
            try:
                connection = self.authdaemon.accept()[0]
            except OSError:
                return
            try:
                with connection, connection.makefile("rb") as lines:
                    connection.sendall(self._judge(lines))
            except (OSError, ValueError, IndexError) as error:
                with open(self.path("log"), "a") as log:
                    log.write("authdaemon: %r\n" % error)

    def _judge(self, lines):
        """AUTH, the length of the rest, and there the service, "login", name
        and password, a line each."""
        line = lines.readline()
        while line and not line.startswith(b"AUTH "):
            line = lines.readline()
        if not line:
            return b""
        words = lines.read(int(line.split()[1])).decode().split("\n")
        user = self.known.get(words[2]) if len(words) > 3 else None
        if user is None or user.password != words[3]:
            return b"FAIL\n"
        return ("UID=%d\nGID=%d\nHOME=%s\nADDRESS=%s\nMAILDIR=%s\n.\n" % (
            self.uid, self.gid, user.home, user.name,
            user.maildir)).encode()

    def dial(self):
        return self.spawn(
            [PACKAGES + "/usr/lib/courier/courier/imaplogin",
             PACKAGES + "/usr/bin/imapd", "Maildir"],
            LD_LIBRARY_PATH=PACKAGES + "/usr/lib",
            LD_PRELOAD=self.path("authdaemon.so"),
            AUTHDAEMON=self.path("authdaemon"), **self.SETTINGS)

    def add(self, user):
        self.make_maildir(user)
        self.known[user.name] = user


class Mailutils(MaildirServer):
    CONFIG = """
virtdomain {{ passwd-dir {directory}/users; }};
auth {{
  authentication virtdomain:generic;
  authorization virtdomain;
}};
mailbox {{
  mailbox-pattern "maildir:{directory}/mail/${{user}}";
  mailbox-type maildir;
}};
logging {{ syslog no; }};
"""
    domain = "@sandbox"

    def start(self):
        super().start()
        self.make("users")
        self.config = self.write(
            "imap4d.conf", self.CONFIG.format(directory=self.directory))

    def dial(self):
        return self.spawn([PACKAGES + "/usr/sbin/imap4d",
                           "--config-file=" + self.config, "--inetd"])

    def settle(self):
        """Each process writes at its end what it holds for the flags of all
        messages, whatever others have written meanwhile.  What is cut may be
        brought back, once."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.children:
            self.relay.cut()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.children[0].wait(0.2)
                del self.children[0]
            assert time.monotonic() < deadline, "imap4d does not end"

    def add(self, user):
        user.maildir = user.home + "/INBOX"
        self.make_maildir(user)
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"], text=True, check=True,
            input=user.password + "\n", capture_output=True).stdout.strip()
        with open(self.path("users", self.domain[1:]), "a") as f:
            f.write("%s:%s:%d:%d::%s:/bin/false\n" % (
                user.name.split("@")[0], hashed, self.uid, self.gid,
                user.home))


KINDS = {"dovecot": Dovecot, "cyrus": Cyrus, "courier": Courier,
         "mailutils": Mailutils}
