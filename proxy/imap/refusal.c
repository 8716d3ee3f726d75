#include "client_priv.h"

/* What response codes mean (RFC 3501, 5530) in the words of RFC 3206. */
static const struct row {
	const char *code;
	enum pb_error_kind kind;
	bool throttled;
} codes[] = {
	{ "AUTHENTICATIONFAILED", PB_ERROR_AUTH, false },
	{ "AUTHORIZATIONFAILED", PB_ERROR_AUTH, false },
	{ "EXPIRED", PB_ERROR_AUTH, false },
	{ "PRIVACYREQUIRED", PB_ERROR_PERMANENT, false },
	{ "CONTACTADMIN", PB_ERROR_PERMANENT, false },
	{ "NOPERM", PB_ERROR_PERMANENT, false },
	{ "CANNOT", PB_ERROR_PERMANENT, false },
	{ "NONEXISTENT", PB_ERROR_PERMANENT, false },
	{ "EXPUNGEISSUED", PB_ERROR_GONE, false },
	{ "UNAVAILABLE", PB_ERROR_TEMPORARY, false },
	{ "INUSE", PB_ERROR_TEMPORARY, false },
	{ "SERVERBUG", PB_ERROR_TEMPORARY, false },
	{ "CLIENTBUG", PB_ERROR_TEMPORARY, false },
	{ "LIMIT", PB_ERROR_TEMPORARY, true },
	/* Where nothing is stored it can only be about what is fetched. */
	{ "OVERQUOTA", PB_ERROR_TEMPORARY, true },
	{ "THROTTLED", PB_ERROR_TEMPORARY, true },
};

/*
 * How servers ask for less that have no code for it, or use another one:
 * Gmail ("[ALERT] Too many simultaneous connections"), Exchange ("Request is
 * throttled", "User is authenticated but not connected", "Connection closed.
 * 14", "Server Unavailable. 15"), Dovecot ("[UNAVAILABLE] Maximum number of connections ... exceeded").
 */
static const char *const phrases[] = {
	"too many",
	"throttl",
	"rate limit",
	"bandwidth limit",
	"maximum number of connections",
	"authenticated but not connected",
	"connection closed. 14",
	"server unavailable",
};

static const struct row *
find_code(struct pb_slice name)
{
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (pb_slice_is(name, codes[i].code))
			return &codes[i];
	}
	return NULL;
}

bool
pb_imap_says(struct pb_slice text, const char *phrase)
{
	for (; text.len > 0; pb_slice_skip(&text, 1)) {
		if (pb_slice_starts(text, phrase))
			return true;
	}
	return false;
}

static bool
asks_for_less(struct pb_slice text)
{
	size_t i;

	for (i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
		if (pb_imap_says(text, phrases[i]))
			return true;
	}
	return false;
}

void
pb_imap_error_of(const struct pb_imap_gated *line,
    enum pb_error_kind otherwise, enum pb_error_scope scope,
    const char *doing, struct pb_error *err)
{
	struct pb_slice rest = line->code;
	const struct row *row = find_code(pb_slice_word(&rest));
	enum pb_error_kind kind = row != NULL ? row->kind : otherwise;
	bool throttled = row != NULL && row->throttled;

	/* Where a code says what else it is, the text does not count. */
	if ((row == NULL || kind == PB_ERROR_TEMPORARY) &&
	    asks_for_less(line->text)) {
		kind = PB_ERROR_TEMPORARY;
		throttled = true;
	}
	if (line->code.len > 0)
		pb_error_set(err, kind, scope, "%s: [%.*s] %.*s", doing,
		    (int)line->code.len, line->code.data,
		    (int)line->text.len, line->text.data);
	else
		pb_error_set(err, kind, scope, "%s: %.*s", doing,
		    (int)line->text.len, line->text.data);
	err->throttled = throttled;
}
