"""Starts and ends one popbridge process, for the sandbox and the tests."""

import os
import re
import shutil
import subprocess
import tempfile
import time

STARTUP_SECONDS = 30
DRAIN_SECONDS = 45


class Popbridge:
    """popbridge serve, on a port that the kernel chooses.

    It is ready when the constructor returns; host and port say where its
    first listener is, ports lists all of them.  With config, the text of a
    configuration file, that file has the listeners.  owner: the user that it
    becomes, to whom its directory is given.  stop() ends it by SIGTERM and
    returns its exit status; log() is what it has written so far.
    """

    def __init__(self, binary, upstream, *options,
                 listen=("pop3+plain://127.0.0.1:0",), env=None,
                 config=None, owner=None):
        self.directory = tempfile.mkdtemp(prefix="popbridge-serve-")
        if owner is not None:
            shutil.chown(self.directory, owner)
        self.process = None
        self.ports_file = self.directory + "/ports"
        self.log_file = self.directory + "/log"
        self.config_file = self.directory + "/popbridge.conf"
        command = [binary, "serve"]
        if config is not None:
            self.configure(config)
            command += ["-c", self.config_file]
        else:
            for url in listen:
                command += ["--listen", url]
        if upstream:
            command += ["--upstream", upstream]
        command += ["--ports-file", self.ports_file, *options]
        try:
            with open(self.log_file, "wb") as log:
                self.process = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", "--", *command],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                    env=dict(os.environ, **(env or {})))
            self._wait_for_ports()
        except BaseException:
            self.close()
            raise

    def _wait_for_ports(self):
        deadline = time.monotonic() + STARTUP_SECONDS
        while not os.path.exists(self.ports_file):
            if self.process.poll() is not None:
                raise RuntimeError("popbridge ended with status %d:\n%s" % (
                    self.process.returncode, self.log()))
            if time.monotonic() > deadline:
                raise RuntimeError("popbridge does not write its ports "
                                   "file:\n" + self.log())
            time.sleep(0.005)
        with open(self.ports_file) as f:
            self.urls = f.read().split()
        found = [re.fullmatch(r"[a-z0-9+]+://(.+):(\d+)", url)
                 for url in self.urls]
        self.ports = [(m.group(1).strip("[]"), int(m.group(2)))
                      for m in found]
        self.host, self.port = self.ports[0]

    def configure(self, text):
        """Writes the configuration file; it counts at the next SIGHUP."""
        with open(self.config_file, "w") as f:
            f.write(text)

    def log(self):
        with open(self.log_file, errors="replace") as f:
            return f.read()

    def stop(self):
        """Ends it by SIGTERM; its exit status, or None when it had to be
        killed."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    def close(self):
        """Removes every trace, the log too."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
