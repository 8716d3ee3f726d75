#include "session_priv.h"

static void
impossible(struct pb_session *s, enum pb_error_kind kind, const char *why)
{
	struct pb_error err;

	pb_error_set(&err, kind, PB_SCOPE_MAILDROP, "%s", why);
	pb_bridge_promised(&s->bridge, 0, &err, pb_session_now(s));
}

struct pb_slice
pb_session_login(const struct pb_session *s, struct pb_route_choice *choice)
{
	struct pb_slice login = pb_bridge_authzid(&s->bridge);

	if (login.len == 0)
		login = pb_bridge_user(&s->bridge);
	if (pb_route_choose(s->snapshot->config, s->listener->config->name,
	    login, choice) == PB_OK)
		login = pb_slice(choice->login, choice->login_len);
	return login;
}

void
pb_session_promise(struct pb_session *s)
{
	struct pb_route_choice choice;
	const struct pb_journal_source source = {
		.maildrop = pb_session_maildrop_key(s),
		.login = pb_session_login(s, &choice),
		.session = s->id_text, .client = s->peer };
	struct pb_journal *journal = pb_worker_journal(s->worker);

	if (journal == NULL) {
		impossible(s, PB_ERROR_PERMANENT, "state-directory counts "
		    "from the next start of popbridge on");
		return;
	}
	s->promising = pb_journal_work_promise(
	    pb_worker_loop(s->worker)->uv, journal, &source,
	    pb_bridge_promise(&s->bridge), pb_session_ready, s);
	if (s->promising == NULL)
		impossible(s, PB_ERROR_INTERNAL, "no memory");
}

bool
pb_session_hear_promise(struct pb_session *s)
{
	struct pb_error err;
	int64_t number;

	if (s->promising == NULL || s->bridge.state != PB_BRIDGE_PROMISING ||
	    !pb_journal_work_is_done(s->promising))
		return false;
	number = pb_journal_work_number(s->promising, &err);
	pb_journal_work_leave(&s->promising);
	pb_bridge_promised(&s->bridge, number, number != 0 ? NULL : &err,
	    pb_session_now(s));
	return true;
}

/* Who has ended has done without it; who is cut off may have begun by it. */
void
pb_session_leave_promise(struct pb_session *s)
{
	if (s->bridge.state == PB_BRIDGE_ENDED)
		pb_journal_work_revoke(&s->promising);
	else
		pb_journal_work_leave(&s->promising);
}

void
pb_session_note_promises(struct pb_session *s)
{
	struct pb_promises *promises = pb_bridge_take_promises(&s->bridge);

	if (promises != NULL)
		pb_journal_work_note(pb_worker_loop(s->worker)->uv,
		    pb_worker_journal(s->worker), &promises);
}
