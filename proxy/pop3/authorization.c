#include "session_priv.h"

#include <strings.h>

#include "popbridge/base/check.h"
#include "popbridge/base/mem.h"

/* CR and NUL would end up in a command or a C string of somebody else. */
static bool
is_login_text(struct pb_slice text)
{
	return pb_slice_find(text, '\r') == text.len &&
	    pb_slice_find(text, '\0') == text.len;
}

enum pb_status
pb_pop3_take_user(struct pb_pop3_session *s, struct pb_slice name,
    struct pb_buffer *out)
{
	s->user_len = 0;
	s->user_by_auth = false;
	if (!is_login_text(name))
		return pb_pop3_refuse(s, out, PB_REPLY_BAD_LOGIN_OCTETS);
	memcpy(s->user, name.data, name.len);
	s->user[name.len] = '\0';
	s->user_len = name.len;
	return pb_pop3_answer(s, out, PB_REPLY_USER);
}

enum pb_status
pb_pop3_take_pass(struct pb_pop3_session *s, struct pb_pop3_request *request,
    struct pb_buffer *out)
{
	struct pb_slice password = request->command.text;
	enum pb_status st;

	if (s->user_len == 0 || s->user_by_auth)
		return pb_pop3_refuse(s, out, PB_REPLY_USER_FIRST);
	if (!is_login_text(password))
		return pb_pop3_refuse(s, out, PB_REPLY_BAD_LOGIN_OCTETS);
	st = pb_secret_set(&request->password, password);
	return st == PB_OK ? PB_AGAIN : st;
}

enum pb_status
pb_pop3_take_apop(struct pb_pop3_session *s, struct pb_pop3_request *request,
    struct pb_buffer *out)
{
	struct pb_slice digest = request->command.digest;
	char lower[32];
	enum pb_status st;
	size_t i;

	pb_check(digest.len == sizeof(lower));
	if (pb_slice_has_control(request->command.text))
		return pb_pop3_refuse(s, out, PB_REPLY_BAD_LOGIN_OCTETS);
	for (i = 0; i < sizeof(lower); i++) {
		char c = digest.data[i];

		lower[i] = c >= 'A' && c <= 'F' ? (char)(c | 0x20) : c;
	}
	st = pb_secret_set(&request->password, pb_slice(lower, sizeof(lower)));
	pb_wipe(lower, sizeof(lower));
	/* The line will be wiped. */
	pb_pop3_session_name(s, request->command.text);
	request->command.text = pb_slice(s->user, s->user_len);
	request->command.digest = pb_slice("", 0);
	return st == PB_OK ? PB_AGAIN : st;
}

/* The name in s->mechanisms, where it lasts; empty when it is not there. */
static struct pb_slice
find_mechanism(const struct pb_pop3_session *s, struct pb_slice name)
{
	struct pb_slice names = pb_slice_str(s->mechanisms);

	while (names.len > 0) {
		struct pb_slice one = pb_slice_word(&names);

		if (one.len == name.len &&
		    strncasecmp(one.data, name.data, one.len) == 0)
			return one;
	}
	return names;
}

enum pb_status
pb_pop3_begin_auth(struct pb_pop3_session *s, struct pb_pop3_request *request,
    struct pb_buffer *out)
{
	struct pb_slice response = request->command.text;
	struct pb_slice name = pb_slice_word(&response);
	enum pb_status st;

	if (s->mechanisms == NULL)
		return pb_pop3_refuse(s, out, PB_REPLY_NO_MECHANISM);
	if (name.len == 0) {
		st = pb_pop3_answer(s, out, PB_REPLY_AUTH_LIST);
		return st == PB_OK ? pb_pop3_reply_sasl_lines(out,
		    s->mechanisms) : st;
	}
	if (pb_slice_find(response, ' ') < response.len)
		return pb_pop3_refuse(s, out, PB_REPLY_WRONG_ARGUMENTS);
	request->auth = PB_POP3_AUTH_BEGIN;
	request->mechanism = find_mechanism(s, name);
	if (request->mechanism.len == 0)
		return pb_pop3_refuse(s, out, PB_REPLY_NO_MECHANISM);
	request->has_response = response.len > 0;
	/* The line will be wiped. */
	request->command.text = pb_slice("", 0);
	/* "=" is an empty one (RFC 5034, section 4). */
	if (response.len == 1 && response.data[0] == '=')
		response.len = 0;
	st = pb_secret_set(&request->response, response);
	return st == PB_OK ? PB_AGAIN : st;
}

enum pb_status
pb_pop3_take_auth(struct pb_pop3_session *s, struct pb_buffer *out,
    struct pb_pop3_request *request)
{
	struct pb_slice line = pb_pop3_response_line(s);
	enum pb_status st;

	request->command.row = pb_pop3_verb_row(PB_POP3_AUTH);
	request->auth = PB_POP3_AUTH_ABORTED;
	if (s->skipped > 0) {
		st = pb_pop3_refuse(s, out, PB_REPLY_LINE_TOO_LONG);
	} else if (line.len == 1 && line.data[0] == '*') {
		st = pb_pop3_refuse(s, out, PB_REPLY_AUTH_CANCELLED);
	} else {
		request->auth = PB_POP3_AUTH_RESPONSE;
		request->has_response = true;
		st = pb_secret_set(&request->response, line);
	}
	s->in_auth = false;
	return st == PB_OK ? PB_AGAIN : st;
}
