"""Programs in front of popbridge: HAProxy, nginx and Dovecot as POP3 proxies.

Each takes its configuration from a temporary directory of its own, runs in the
foreground, works as root and as any other user, and ends by its own pid.  The
listening sockets are bound here, on ports that the kernel chooses, and handed
over, so a client may connect as soon as the constructor returns: it waits in
the queue until the program takes it.
"""

import os
import shutil
import socket
import subprocess
import tempfile

import sandbox

STOP_SECONDS = 20


def listening(address):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.bind((address, 0))
    s.listen(512)
    # nginx takes it for granted.
    s.setblocking(False)
    return s


def program(name):
    path = shutil.which(name, path=os.environ.get("PATH", "")
                        + ":/usr/sbin:/sbin")
    assert path, name + " is not installed; scripts/install-deps installs it"
    return path


class Front:
    """One running program.  addresses lists where it listens; log() is what
    it has written; stop() ends it and removes every trace."""

    def __init__(self, name, addresses, where):
        """Starts `name` with listeners at these addresses, in front of the
        (host, port) `where`."""
        self.directory = tempfile.mkdtemp(prefix="popbridge-%s-" % name)
        os.chmod(self.directory, 0o755)
        self.process = None
        sockets = [listening(address) for address in addresses]
        self.addresses = [s.getsockname()[:2] for s in sockets]
        try:
            with open(self.path("conf"), "w") as f:
                f.write(self.configure(where))
            self.start(self.command(program(name)), sockets)
        except BaseException:
            self.stop()
            raise
        finally:
            for s in sockets:
                s.close()

    def path(self, name):
        return os.path.join(self.directory, name)

    def start(self, command, sockets):
        """The sockets are descriptors 3, 4 ... of the program."""
        def hand_over():
            spare = [os.dup(s.fileno()) for s in sockets]
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate(spare)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i, inheritable=True)
                os.close(fd)

        with open(self.path("log"), "wb") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=%d exec setpriv "
                 "--pdeathsig TERM -- \"$@\"" % len(sockets), "sh", *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                close_fds=False, preexec_fn=hand_over, start_new_session=True,
                env=dict(os.environ, **self.environment(len(sockets))))

    def environment(self, n):
        return {}

    def log(self):
        with open(self.path("log"), errors="replace") as f:
            return f.read()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


HAPROXY = """
global
    log stdout format raw local0
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode tcp
    log global
    timeout connect 20s
    timeout client 120s
    timeout server 120s
"""

HAPROXY_LISTENER = """
listen door{n}
    bind fd@{fd}{bind}
    server popbridge {host}:{port} {send}{check}
"""


class Haproxy(Front):
    """listeners: pairs of an address and how the header is sent, such as
    ("127.0.0.1", "send-proxy-v2"); what is sent with "-ssl" is reached by
    TLS, with `certificate` (a directory that sandbox.make_certificates has
    filled).  check: health checks, which HAProxy sends as itself."""

    def __init__(self, where, listeners, certificate=None, check=False):
        self.listeners = listeners
        self.certificate = certificate
        self.check = check
        super().__init__("haproxy", [a for a, _ in listeners], where)

    def configure(self, where):
        text = HAPROXY
        if self.certificate:
            with open(self.path("server"), "w") as f:
                for name in ("server.pem", "server.key"):
                    with open(os.path.join(self.certificate, name)) as part:
                        f.write(part.read())
        for n, (_, send) in enumerate(self.listeners):
            tls = " ssl crt " + self.path("server") + " alpn pop3"
            text += HAPROXY_LISTENER.format(
                n=n, fd=3 + n, bind=tls if "-ssl" in send else "",
                host=where[0], port=where[1], send=send,
                check=" check inter 1s" if self.check else "")
        return text

    def command(self, path):
        return [path, "-db", "-f", self.path("conf")]


NGINX = """
load_module {modules}/ngx_stream_module.so;
daemon off;
worker_processes 1;
pid {directory}/pid;
error_log stderr info;
events {{
}}
stream {{
    server {{
        listen {listen};
        proxy_pass {host}:{port};
        proxy_protocol on;
        proxy_connect_timeout 20s;
    }}
}}
"""

NGINX_MODULES = "/usr/lib/nginx/modules"


class Nginx(Front):
    """The stream module, which sends version 1."""

    def __init__(self, where, address="127.0.0.1"):
        super().__init__("nginx", [address], where)

    def configure(self, where):
        host, port = self.addresses[0]
        return NGINX.format(
            modules=NGINX_MODULES, directory=self.directory,
            listen="[%s]:%d" % (host, port) if ":" in host
            else "%s:%d" % (host, port), host=where[0], port=where[1])

    def environment(self, n):
        # How nginx hands its sockets to a new version of itself.
        return {"NGINX": "".join("%d;" % (3 + i) for i in range(n))}

    def command(self, path):
        return [path, "-p", self.directory, "-e", "stderr",
                "-c", self.path("conf")]


DOVECOT = """
protocols = pop3
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
instance_name = popbridge-front
listen = {address}
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
disable_plaintext_auth = no
auth_mechanisms = plain
auth_verbose = yes
ssl = no
passdb {{
  driver = static
  args = nopassword=y proxy=y host={host} port={port}
}}
userdb {{
  driver = static
  args = uid=1 gid=1 home=/nonexistent
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
service pop3-login {{
  chroot =
  service_count = 0
  inet_listener pop3 {{
    port = {listen}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
"""


class DovecotProxy(Front):
    """Dovecot's POP3 proxy: it asks the client for a name and a password and
    logs in with them, telling whose they are by XCLIENT where that is offered
    in the greeting."""

    def __init__(self, where, address="127.0.0.1"):
        super().__init__("dovecot", [address], where)

    def configure(self, where):
        for name in ("run", "state"):
            os.mkdir(self.path(name), 0o755)
        host, port = self.addresses[0]
        internal, group, login = sandbox.identity()
        return DOVECOT.format(
            directory=self.directory, address=host, listen=port,
            internal=internal, internal_group=group, login=login,
            host=where[0], port=where[1])

    def command(self, path):
        return [path, "-F", "-c", self.path("conf")]

    def log(self):
        text = super().log()
        if os.path.exists(self.path("dovecot.log")):
            with open(self.path("dovecot.log"), errors="replace") as f:
                text += f.read()
        return text
