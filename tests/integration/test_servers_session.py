"""What test_session and test_resume say of a maildrop, in front of the other
IMAP servers."""

import sys

import pytest

import servers
from test_resume import (  # noqa: F401
    downloads_while_cut,
    start_cutter,
    test_messages_are_removed_after_it,
    test_the_connection_of_another_session_is_taken,
    test_without_the_option_it_stays_away,
)
from test_session import (  # noqa: F401
    test_a_client_lost_in_the_middle_of_quit_deletes_nothing,
    test_a_deleted_message_is_out_of_sight,
    test_a_half_closed_client_is_answered_and_its_quit_commits,
    test_a_lost_client_deletes_nothing,
    test_a_takeover_ends_the_older_session,
    test_an_exclusive_lock_refuses_the_second_session,
    test_last_is_the_highest_message_retrieved,
    test_many_scattered_deletions,
    test_new_mail_waits_for_the_next_session,
    test_numbers_that_name_no_message,
    test_quit_without_deletions_changes_nothing,
    test_reset_takes_all_marks_back,
    test_seen_is_not_set_unless_asked_for,
    test_seen_is_set_at_quit_on_what_was_retrieved,
    test_terminating_while_a_client_is_idle,
    test_the_summary_of_a_session,
    test_two_sessions_share_a_maildrop_by_default,
)

DOWNLOADS = 60


@pytest.fixture(scope="module", params=("courier", "cyrus", "mailutils"))
def dovecot(request):
    instance = servers.KINDS[request.param]()
    instance.kind = request.param
    yield instance
    sys.stderr.write("--- the server wrote:\n" + instance.messages())
    instance.stop()


def test_downloads_that_are_cut_are_whole_or_end_without_a_dot(
        dovecot, downloads_while_cut):
    downloads_while_cut(dovecot, DOWNLOADS, "64")
