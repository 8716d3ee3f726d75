"""A private Dovecot for trying things out: IMAP and POP3 over one Maildir.

Everything lives in one temporary directory and goes with it.  The listening
sockets are bound here, on ports that the kernel chooses, and handed over the
way systemd does it, so that two sandboxes never fight for a port.  Works as
root (mail belongs to an unprivileged user) and as any other user.
"""

import base64
import grp
import hashlib
import imaplib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

STARTUP_SECONDS = 20

# What Debian 12's Dovecot announces to a logged-in user, word for word.
CAPABILITIES = (
    "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ "
    "SORT SORT=DISPLAY THREAD=REFERENCES THREAD=REFS THREAD=ORDEREDSUBJECT "
    "MULTIAPPEND URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS "
    "LIST-EXTENDED I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES "
    "WITHIN CONTEXT=SEARCH LIST-STATUS BINARY MOVE SNIPPET=FUZZY "
    "PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE")

CONFIG = """
protocols = imap
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
instance_name = popbridge-sandbox
listen = {address}
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
first_valid_uid = 1
first_valid_gid = 0
mail_uid = {mail_uid}
mail_gid = {mail_gid}
mail_location = maildir:~/Maildir
mail_fsync = never
mail_max_userip_connections = 0
disable_plaintext_auth = {disable_plaintext}
auth_mechanisms = plain
auth_username_chars =
auth_username_format = %u
auth_failure_delay = {failure_delay}
ssl = {ssl}
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = passwd-file
  args = username_format=%u {directory}/users/%Mu
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {directory}/users/%Mu
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  service_count = 0
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 4096
}}
"""

POP3_CONFIG = """
protocols = imap pop3
pop3_no_flag_updates = yes
pop3_client_workarounds = outlook-no-nuls
service pop3-login {{
  chroot =
  service_count = 0
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service pop3 {{
  process_limit = 4096
}}
"""

MASTER_CONFIG = """
passdb {{
  driver = passwd-file
  args = username_format=%u {directory}/masters
  master = yes
}}
"""

TLS_CONFIG = """
ssl_cert = <{directory}/server.pem
ssl_key = <{directory}/server.key
ssl_min_protocol = TLSv1.2
"""


def make_certificates(directory, names=("DNS:localhost", "IP:127.0.0.1")):
    """Writes ca.pem, ca.key, server.pem and server.key into directory."""
    def openssl(*args):
        done = subprocess.run(("openssl", "req", "-x509", "-newkey", "ec",
                               "-pkeyopt", "ec_paramgen_curve:prime256v1",
                               "-nodes", "-days", "30") + args,
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError("openssl: " + done.stderr)

    ca, ca_key = directory + "/ca.pem", directory + "/ca.key"
    openssl("-subj", "/CN=popbridge sandbox CA", "-keyout", ca_key,
            "-out", ca, "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("-subj", "/CN=popbridge sandbox", "-CA", ca, "-CAkey", ca_key,
            "-addext", "basicConstraints=critical,CA:false",
            "-addext", "subjectAltName=" + ",".join(names),
            "-keyout", directory + "/server.key",
            "-out", directory + "/server.pem")


def identity():
    """The user, group and login user that Dovecot's own processes run as."""
    if os.geteuid() == 0:
        return "dovecot", "dovecot", "dovenull"
    me = pwd.getpwuid(os.geteuid()).pw_name
    return me, grp.getgrgid(os.getegid()).gr_name, me


class User:
    def __init__(self, name, password, home):
        self.name = name
        self.password = password
        self.home = home
        self.maildir = home + "/Maildir"


class Dovecot:
    """One server.  Use it as a context manager, or call stop() at the end.

    without      words to take out of the announced capabilities, such as
                 UIDPLUS or SASL-IR
    cleartext    False: LOGINDISABLED and no AUTH=PLAIN before STARTTLS
    tls          False: no certificate, no STARTTLS, no imaps port
    pop3         False: IMAP only (and Debian's dovecot-pop3d is not needed)
    cert_names   subjectAltName of the server's certificate
    failure_delay  how long the answer to a wrong password is held back
    master       (name, password) of one who may log in as anybody
    settings     more of Dovecot's configuration; it wins
    """

    def __init__(self, without=(), cleartext=True, tls=True,
                 pop3=True, cert_names=("DNS:localhost", "IP:127.0.0.1"),
                 failure_delay="0", master=None, settings=""):
        self.process = None
        self.users = {}
        self.delivered = 0
        # Dovecot takes 127.0.0.1 to 127.0.0.1 for secure even in clear.
        self.address = "127.0.0.1" if cleartext else "127.0.0.2"
        self._find_identity()
        self.directory = tempfile.mkdtemp(prefix="popbridge-dovecot-")
        try:
            os.chmod(self.directory, 0o755)
            for name in ("run", "state", "users", "mail"):
                os.mkdir(self.directory + "/" + name, 0o755)
            if tls:
                make_certificates(self.directory, cert_names)
            self.ca = self.directory + "/ca.pem" if tls else None
            self.log = self.directory + "/dovecot.log"
            if master:
                with open(self.directory + "/masters", "w") as f:
                    f.write("%s:{PLAIN}%s\n" % master)
                os.chmod(self.directory + "/masters", 0o644)
            self._start(without, cleartext, tls, pop3, failure_delay, master,
                        settings)
        except BaseException:
            self.stop()
            raise

    def _find_identity(self):
        self.internal, self.internal_group, self.login = identity()
        if os.geteuid() != 0:
            self.uid, self.gid = os.geteuid(), os.getegid()
            return
        owner = pwd.getpwnam("nobody")
        self.uid, self.gid = owner.pw_uid, owner.pw_gid

    def _start(self, without, cleartext, tls, pop3, failure_delay, master,
               settings):
        listeners = []
        self.imap_port = self._listen(listeners)
        self.imaps_port = self._listen(listeners) if tls else 0
        self.pop3_port = self._listen(listeners) if pop3 else 0
        self.pop3s_port = self._listen(listeners) if pop3 and tls else 0
        text = CONFIG + (TLS_CONFIG if tls else "") + (
            POP3_CONFIG if pop3 else "") + (MASTER_CONFIG if master else "")
        text = text.format(
            directory=self.directory, address=self.address,
            internal=self.internal, internal_group=self.internal_group,
            login=self.login, mail_uid=self.uid, mail_gid=self.gid,
            disable_plaintext="no" if cleartext else "yes",
            ssl="yes" if tls else "no", failure_delay=failure_delay,
            imap=self.imap_port, imaps=self.imaps_port, pop3=self.pop3_port,
            pop3s=self.pop3s_port)
        if without:
            text += "imap_capability = " + " ".join(
                w for w in CAPABILITIES.split() if w not in without) + "\n"
        text += settings
        config = self.directory + "/dovecot.conf"
        with open(config, "w") as f:
            f.write(text)
        self._spawn(config, listeners)
        for s in listeners:
            s.close()
        self._wait_for_greeting(self.imap_port)
        if pop3:
            self._wait_for_greeting(self.pop3_port)

    def _listen(self, listeners):
        s = socket.socket()
        s.bind((self.address, 0))
        s.listen(512)
        listeners.append(s)
        return s.getsockname()[1]

    def _spawn(self, config, listeners):
        def pass_sockets():
            spare = [os.dup(s.fileno()) for s in listeners]
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate(spare)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i, inheritable=True)
                os.close(fd)

        program = shutil.which("dovecot", path=os.environ.get(
            "PATH", "") + ":/usr/sbin:/sbin")
        if program is None:
            raise RuntimeError("dovecot is not installed; "
                               "scripts/install-deps installs it")
        start = ("LISTEN_PID=$$ LISTEN_FDS=%d "
                 "exec setpriv --pdeathsig TERM -- \"$0\" -F -c \"$1\""
                 % len(listeners))
        self.process = subprocess.Popen(
            ["sh", "-c", start, program, config], close_fds=False,
            preexec_fn=pass_sockets, start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=open(self.directory + "/stdout", "wb"),
            stderr=subprocess.STDOUT)

    def _wait_for_greeting(self, port):
        deadline = time.monotonic() + STARTUP_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                with socket.create_connection((self.address, port), 1) as s:
                    s.settimeout(1)
                    if s.recv(1) in (b"*", b"+"):
                        return
            except OSError:
                pass
        raise RuntimeError("the sandbox Dovecot does not answer:\n" +
                           self.messages())

    def messages(self):
        """What Dovecot has written so far, to its log and to stderr."""
        text = ""
        for name in ("stdout", "dovecot.log"):
            try:
                with open(self.directory + "/" + name,
                          errors="replace") as f:
                    text += f.read()
            except FileNotFoundError:
                pass
        return text

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _write_user(self, user):
        # A file for each: Dovecot looks for a change once a second only.
        path = "%s/users/%s" % (
            self.directory, hashlib.md5(user.name.encode()).hexdigest())
        # A password may have octets that are no UTF-8, as surrogates.
        secret = base64.b64encode(
            user.password.encode(errors="surrogateescape")).decode()
        with open(path, "w") as f:
            f.write("%s:{PLAIN.b64}%s:%d:%d::%s::\n" % (
                user.name, secret, self.uid, self.gid, user.home))
        os.chmod(path, 0o644)

    def add_user(self, name, password):
        """A new account with an empty INBOX; names must not contain ':'."""
        if ":" in name or name in self.users:
            raise ValueError("cannot add user " + name)
        user = User(name, password,
                    "%s/mail/%d" % (self.directory, len(self.users) + 1))
        for path in (user.home, user.maildir, user.maildir + "/cur",
                     user.maildir + "/new", user.maildir + "/tmp"):
            os.mkdir(path, 0o700)
            if os.geteuid() == 0:
                os.chown(path, self.uid, self.gid)
        self.users[name] = user
        self._write_user(user)
        return user

    def add_alias(self, user, name):
        """Another name, with the same password, for the same mail."""
        alias = User(name, user.password, user.home)
        self._write_user(alias)
        return alias

    def deliver(self, user, message):
        """Puts these very bytes into INBOX, as a delivery agent would."""
        self.delivered += 1
        name = "%d.M%dP%d.sandbox" % (1700000000 + self.delivered,
                                      self.delivered, os.getpid())
        path = user.maildir + "/tmp/" + name
        with open(path, "wb") as f:
            f.write(message)
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)
        os.rename(path, user.maildir + "/new/" + name)

    def imap(self, user):
        """An imaplib client that is logged in to user's account."""
        client = imaplib.IMAP4(self.address, self.imap_port, timeout=30)
        client.authenticate("PLAIN", lambda _: "\0{}\0{}".format(
            user.name, user.password).encode())
        return client
