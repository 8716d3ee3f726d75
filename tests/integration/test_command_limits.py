"""What is too long, or too much, for the commands of an administrator."""

import subprocess

from test_account_command import CONFIG, USAGE, Command, command, sealed

__all__ = ["command", "sealed"]


def test_an_account_has_only_so_many_networks_and_listeners(command):
    def many(option, value, n):
        return [word for i in range(n) for word in (option, value % i)]

    command.add("max", b"geheim", *many("--network", "192.0.2.%d", 32),
                *many("--listener", "l%d", 16))
    assert len(command.show("max")["networks"]) == 32
    for option, value, n in (("--network", "192.0.2.%d", 33),
                             ("--listener", "l%d", 17)):
        _, errors = command.run("add", "anna", "--no-password",
                                *many(option, value, n), status=USAGE)
        assert option in errors and "there are too many" in errors


def test_a_label_is_a_line_of_a_terminal(command):
    command.add("max", b"geheim", "--label", "x" * 80)
    _, errors = command.run("add", "anna", "--no-password", "--label",
                            "x" * 81, status=USAGE)
    assert "it is too long" in errors


def test_a_descriptor_is_no_larger_than_there_can_be(command):
    _, errors = command.run("add", "max", "--password-fd", "1048576",
                            status=USAGE)
    assert "it takes the number of a file descriptor" in errors


def test_a_file_of_keys_has_an_end(sealed):
    sealed.key_file.write_bytes(b"\n" * 100000)
    _, errors = sealed.add("max", status=CONFIG)
    assert "it is too large for a file of keys" in errors


def test_the_journal_is_told_only_so_many_numbers_at_a_time(binary, tmp_path):
    config = tmp_path / "popbridge.conf"
    config.write_text('state-directory = "%s"\n' % tmp_path)
    done = subprocess.run(
        [binary, "journal", "drop", "-c", str(config),
         *map(str, range(1, 66))], capture_output=True, check=False)
    assert done.returncode == USAGE
    assert b"there are too many at once" in done.stderr
