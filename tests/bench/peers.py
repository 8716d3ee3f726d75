"""Who is compared with whom: each peer as a program with a port."""

import json
import os
import shutil
import signal
import subprocess
import tempfile

import fronts
import processes
import proxy
import sandbox

OPTIONS = ("--max-connections", "1000000",
           "--max-connections-per-address", "1000000",
           "--max-unauthenticated", "1000000",
           "--login-timeout", "3600", "--idle-timeout", "86400")


class Peer:
    """ports: {"plain": (host, port), "tls": (host, port)}."""

    def __init__(self, ports, process):
        self.ports = ports
        self.session = processes.Session(process.pid)

    def log(self):
        return ""


class Relay(Peer):
    """A link to the upstream that is this many milliseconds long."""

    def __init__(self, binary, where, ms):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", binary,
             "--to", "%s:%d" % where, "--ms", str(ms)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            start_new_session=True)
        port = json.loads(self.process.stdout.readline())["port"]
        super().__init__({"plain": ("127.0.0.1", port)}, self.process)

    def counts(self):
        """What has passed since the last question."""
        self.process.send_signal(signal.SIGUSR1)
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.terminate()
        self.process.communicate()


def native(upstream):
    """Dovecot's own POP3 on the upstream's Maildir."""
    return Peer({"plain": (upstream.address, upstream.pop3_port),
                 "tls": (upstream.address, upstream.pop3s_port)},
                upstream.process)


class Popbridge(Peer):
    def __init__(self, binary, upstream, where=None, tls=False, options=()):
        """where: a (host, port) instead of the upstream's own."""
        self.state = tempfile.mkdtemp(prefix="popbridge-bench-state-")
        host, port = where or (upstream.address, upstream.imaps_port
                               if tls else upstream.imap_port)
        url = "%s://%s:%d" % ("imaps" if tls else "imap+plain",
                              "localhost" if tls else host, port)
        more = ["--upstream-ca", upstream.ca] if tls else []
        if "--state-directory" in subprocess.run(
                [binary, "serve", "--help"], capture_output=True,
                text=True).stdout:
            more += ["--state-directory", self.state]
        self.program = proxy.Popbridge(
            binary, url, *OPTIONS, *more, *options,
            "--tls-cert", upstream.directory + "/server.pem",
            "--tls-key", upstream.directory + "/server.key",
            listen=("pop3+plain://127.0.0.1:0", "pop3s://127.0.0.1:0"))
        super().__init__(dict(zip(("plain", "tls"), self.program.ports)),
                         self.program.process)

    def log(self):
        return self.program.log()

    def stop(self):
        self.program.stop()
        self.program.close()
        shutil.rmtree(self.state, ignore_errors=True)


IMAPC = """
protocols = pop3
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
instance_name = popbridge-bench
listen = 127.0.0.1
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
default_client_limit = 20000
default_process_limit = 4096
default_vsz_limit = 2G
first_valid_uid = 1
first_valid_gid = 0
mail_uid = {uid}
mail_gid = {gid}
mail_home = {directory}/homes/%u
mail_location = imapc:~/imapc
mail_fsync = never
mail_max_userip_connections = 0
imapc_host = {host}
imapc_port = {port}
imapc_user = %u
imapc_features = rfc822.size fetch-headers search fetch-bodystructure \
no-msn-updates
{imapc_tls}
pop3_no_flag_updates = yes
disable_plaintext_auth = no
auth_mechanisms = plain
auth_username_chars =
auth_username_format = %u
auth_failure_delay = 0
ssl = yes
ssl_cert = <{certificate}/server.pem
ssl_key = <{certificate}/server.key
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = imap
  args = host={host} port={port} {passdb_tls}
  default_fields = userdb_imapc_password=%w userdb_uid={uid} \
userdb_gid={gid} userdb_home={directory}/homes/%u
}}
userdb {{
  driver = prefetch
}}
service anvil {{
  chroot =
  client_limit = 30000
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service auth {{
  client_limit = 30000
}}
service pop3-login {{
  chroot =
  service_count = 0
  client_limit = 4000
  process_min_avail = 2
  inet_listener pop3 {{
    port = {plain}
  }}
  inet_listener pop3s {{
    port = {tls}
    ssl = yes
  }}
}}
service pop3 {{
  service_count = 0
  process_min_avail = 8
  process_limit = 4096
}}
"""


class Program(fronts.Front, Peer):
    """A peer with a listener in clear and one with TLS."""

    def __init__(self, name, upstream, where, listeners=2):
        self.upstream = upstream
        fronts.Front.__init__(self, name, ["127.0.0.1"] * listeners, where)
        Peer.__init__(self, dict(zip(("plain", "tls"), self.addresses)),
                      self.process)


class Imapc(Program):
    """Dovecot's POP3 with imapc storage.  What its manual has for speed: the
    features that save questions, an index on disk, processes that are used
    again, no flags stored."""

    def __init__(self, upstream, where=None, tls=False):
        self.tls = tls
        super().__init__("dovecot", upstream, where or (
            upstream.address,
            upstream.imaps_port if tls else upstream.imap_port))

    def configure(self, where):
        for name in ("run", "state", "homes"):
            os.mkdir(self.path(name), 0o755)
        if os.geteuid() == 0:
            os.chown(self.path("homes"), self.upstream.uid, self.upstream.gid)
        internal, group, login = sandbox.identity()
        return IMAPC.format(
            directory=self.directory, internal=internal,
            internal_group=group, login=login, uid=self.upstream.uid,
            gid=self.upstream.gid, certificate=self.upstream.directory,
            host="localhost" if self.tls else where[0], port=where[1],
            plain=self.addresses[0][1], tls=self.addresses[1][1],
            imapc_tls="imapc_ssl = imaps\nssl_client_ca_file = %s"
            % self.upstream.ca if self.tls else "",
            passdb_tls="ssl=imaps ssl_ca_file=" + self.upstream.ca
            if self.tls else "")

    def command(self, path):
        return [path, "-F", "-c", self.path("conf")]

    def log(self):
        with open(self.path("dovecot.log"), errors="replace") as f:
            return super().log() + f.read()


NGINX = """
load_module {modules}/ngx_mail_module.so;
daemon off;
worker_processes auto;
worker_rlimit_nofile 20000;
pid {directory}/pid;
error_log stderr error;
events {{
    worker_connections 9000;
}}
http {{
    access_log off;
    client_body_temp_path {directory}/t1;
    proxy_temp_path {directory}/t2;
    fastcgi_temp_path {directory}/t3;
    uwsgi_temp_path {directory}/t4;
    scgi_temp_path {directory}/t5;
    server {{
        listen 127.0.0.1:{http};
        location = /auth {{
            add_header Auth-Status OK;
            add_header Auth-Server {host};
            add_header Auth-Port {port};
            return 204;
        }}
    }}
}}
mail {{
    auth_http 127.0.0.1:{http}/auth;
    proxy_buffer 64k;
    timeout 1h;
    ssl_certificate {certificate}/server.pem;
    ssl_certificate_key {certificate}/server.key;
    server {{
        listen 127.0.0.1:{plain};
        protocol pop3;
    }}
    server {{
        listen 127.0.0.1:{tls} ssl;
        protocol pop3;
    }}
}}
"""


class NginxMail(Program):
    """nginx as a POP3 proxy that passes octets through, in clear upstream;
    it tells itself where every user is."""

    def __init__(self, upstream):
        super().__init__("nginx", upstream,
                         (upstream.address, upstream.pop3_port), 3)

    def configure(self, where):
        plain, tls, http = (port for _, port in self.addresses)
        return NGINX.format(
            modules=fronts.NGINX_MODULES, directory=self.directory,
            certificate=self.upstream.directory, host=where[0],
            port=where[1], plain=plain, tls=tls, http=http)

    environment = fronts.Nginx.environment
    command = fronts.Nginx.command


HAPROXY = """
global
    maxconn 9000
defaults
    mode tcp
    timeout connect 20s
    timeout client 1h
    timeout server 1h
listen tls
    bind fd@4 ssl crt {directory}/server
    server pop3s {host}:{port} ssl verify required ca-file {ca} \
verifyhost localhost
"""


class HaproxyTls(Program):
    """HAProxy between two TLS connections; it knows nothing of POP3."""

    def __init__(self, upstream):
        super().__init__("haproxy", upstream,
                         (upstream.address, upstream.pop3s_port))

    def configure(self, where):
        with open(self.path("server"), "w") as f:
            for name in ("server.pem", "server.key"):
                with open(self.upstream.directory + "/" + name) as part:
                    f.write(part.read())
        return HAPROXY.format(directory=self.directory, host=where[0],
                              port=where[1], ca=self.upstream.ca)

    def command(self, path):
        return [path, "-db", "-f", self.path("conf")]
