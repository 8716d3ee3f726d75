#include "option_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include "popbridge/base/text.h"
#include "popbridge/service/route.h"
#include "popbridge/service/url.h"

/* Longest mailbox name: no server makes longer ones. */
#define MAILBOX_MAX 255

/* Longest name of a section: it stands in lines of the log. */
#define SECTION_MAX 64

/* A login has few kinds of separators. */
#define SEPARATORS_MAX 8

enum pb_status
pb_option_refuse(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, PB_OPTION_REASON_SIZE, fmt, ap);
	va_end(ap);
	return PB_EINVAL;
}

const char *
pb_option_quote(struct pb_slice s, char out[PB_OPTION_QUOTE_SIZE])
{
	pb_text_clean(s, out, PB_OPTION_QUOTE_SIZE);
	return out;
}

static bool
is_printable(struct pb_slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.data[i] < ' ' || s.data[i] > '~')
			return false;
	}
	return true;
}

enum pb_status
pb_option_check_mailbox(struct pb_slice value, char *why)
{
	char q[PB_OPTION_QUOTE_SIZE];

	if (value.len == 0)
		return pb_option_refuse(why, "it is empty: the usual one is "
		    "INBOX");
	if (value.len > MAILBOX_MAX)
		return pb_option_refuse(why, "the name of a mailbox has at "
		    "most %d letters here", MAILBOX_MAX);
	if (!is_printable(value))
		return pb_option_refuse(why, "\"%s\" has letters that are not "
		    "ASCII: write it as the server does (modified UTF-7, RFC "
		    "3501), as in Entw&APw-rfe", pb_option_quote(value, q));
	return PB_OK;
}

enum pb_status
pb_option_check_domain(struct pb_slice value, char *why)
{
	char q[PB_OPTION_QUOTE_SIZE];

	if (value.len == 0 || pb_url_is_name(value))
		return PB_OK;
	return pb_option_refuse(why, "it must be a domain without the @, as "
	    "in example.org, not \"%s\"", pb_option_quote(value, q));
}

enum pb_status
pb_option_check_separators(struct pb_slice value, char *why)
{
	char q[PB_OPTION_QUOTE_SIZE];
	size_t i;

	if (value.len > SEPARATORS_MAX)
		return pb_option_refuse(why, "there are more than %d",
		    SEPARATORS_MAX);
	for (i = 0; i < value.len; i++) {
		char c = value.data[i];

		if (c > ' ' && c <= '~' && c != '@' && c != '.' &&
		    !(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' &&
		    (c | 0x20) <= 'z'))
			continue;
		return pb_option_refuse(why, "each must be a sign, as in "
		    "\"%%#\", and none a letter, a digit, a dot or the @; this "
		    "has \"%s\"",
		    pb_option_quote(pb_slice_sub(value, i, i + 1), q));
	}
	return PB_OK;
}

enum pb_status
pb_option_check_login(struct pb_slice value, char *why)
{
	if (value.len == 0)
		return pb_option_refuse(why, "it is empty: give the login of "
		    "the master user, or leave the option out");
	if (value.len > PB_ROUTE_LOGIN_MAX || pb_slice_has_control(value))
		return pb_option_refuse(why, "a login has at most %d letters, "
		    "and no control characters", PB_ROUTE_LOGIN_MAX);
	return PB_OK;
}

enum pb_status
pb_option_check_pattern(struct pb_slice value, char *why)
{
	if (value.len == 0)
		return pb_option_refuse(why, "a pattern is empty: no login "
		    "is; \"*\" is every login");
	if (value.len > PB_ROUTE_LOGIN_MAX || pb_slice_has_control(value))
		return pb_option_refuse(why, "a pattern has at most %d "
		    "letters, and no control characters", PB_ROUTE_LOGIN_MAX);
	return PB_OK;
}

enum pb_status
pb_option_check_section(struct pb_slice value, char *why)
{
	char q[PB_OPTION_QUOTE_SIZE];

	if (value.len == 0)
		return pb_option_refuse(why, "a name is empty");
	if (value.len > SECTION_MAX || !is_printable(value))
		return pb_option_refuse(why, "a name has at most %d letters, "
		    "all of them printable ASCII, not \"%s\"", SECTION_MAX,
		    pb_option_quote(value, q));
	return PB_OK;
}
