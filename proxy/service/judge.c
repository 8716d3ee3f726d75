#include "judge_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A problem, with room for two URLs and a name. */
#define TEXT_SIZE 512

static void say(struct pb_judgement *j, enum pb_config_severity severity,
    struct pb_config_place place, const char *option, const char *fmt,
    va_list ap) __attribute__((format(printf, 5, 0)));

static void
say(struct pb_judgement *j, enum pb_config_severity severity,
    struct pb_config_place place, const char *option, const char *fmt,
    va_list ap)
{
	char text[TEXT_SIZE];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (severity == PB_CONFIG_ERROR)
		j->result = PB_EINVAL;
	pb_config_complain(j->sink, severity, place, "%s: %s", option, text);
}

void
pb_judge_say(struct pb_judgement *j, enum pb_config_severity severity,
    const char *option, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(j, severity, pb_config_place(j->config, option), option, fmt, ap);
	va_end(ap);
}

void
pb_judge_say_listener(struct pb_judgement *j,
    enum pb_config_severity severity, const struct pb_listener_config *l,
    const char *option, const char *fmt, ...)
{
	struct pb_config_place place = pb_config_listener_place(j->config, l,
	    option);
	char what[128];
	va_list ap;

	if (l->line == 0)
		snprintf(what, sizeof(what), "%s",
		    strcmp(option, "url") == 0 ? "listen" : option);
	else
		snprintf(what, sizeof(what), "listener \"%s\": %s", l->name,
		    option);
	va_start(ap, fmt);
	say(j, severity, place, what, fmt, ap);
	va_end(ap);
}

void
pb_judge_say_route(struct pb_judgement *j, enum pb_config_severity severity,
    const struct pb_route_config *route, const char *option, const char *fmt,
    ...)
{
	struct pb_config_place place = pb_config_route_place(j->config, route,
	    option);
	char what[128];
	va_list ap;

	if (route->line == 0)
		snprintf(what, sizeof(what), "%s", option);
	else
		snprintf(what, sizeof(what), "route \"%s\": %s", route->name,
		    option);
	va_start(ap, fmt);
	say(j, severity, place, what, fmt, ap);
	va_end(ap);
}

bool
pb_judge_reaches(const struct pb_listener_config *listener,
    const struct pb_route_config *route)
{
	size_t i;

	for (i = 0; i < route->listeners.n; i++) {
		if (strcmp(route->listeners.text[i], listener->name) == 0)
			return true;
	}
	return route->listeners.n == 0;
}

static void
judge_accounts(struct pb_judgement *j)
{
	if (j->config->accounts_key != NULL && j->config->accounts == NULL)
		pb_judge_say(j, PB_CONFIG_ERROR, "accounts-key", "a key for "
		    "accounts is of no use without them: give accounts, too");
}

static void
judge_journal(struct pb_judgement *j)
{
	if (j->config->journal == PB_JOURNAL_REQUIRED &&
	    j->config->state_directory == NULL)
		pb_judge_say(j, PB_CONFIG_ERROR, "journal", "it is required, "
		    "and has no place: give state-directory, too");
}

static void
judge_user(struct pb_judgement *j)
{
	if (j->config->group != NULL && j->config->user == NULL)
		pb_judge_say(j, PB_CONFIG_ERROR, "group", "a group without a "
		    "user leaves everything to root: give user, too");
}

static void
judge_memory(struct pb_judgement *j)
{
	if (j->config->memory_hard > 0 &&
	    j->config->memory_soft > j->config->memory_hard)
		pb_judge_say(j, PB_CONFIG_ERROR, "memory-soft", "sessions "
		    "would be ended (memory-hard) before new ones are "
		    "refused: give less than memory-hard");
}

static void
judge_timeouts(struct pb_judgement *j)
{
	if (j->config->idle_timeout < 600)
		pb_judge_say(j, PB_CONFIG_WARNING, "idle-timeout", "RFC 1939 "
		    "asks for at least 10 minutes (600); clients may lose "
		    "their session while their user reads");
}

enum pb_status
pb_config_judge(const struct pb_config *config,
    const struct pb_config_sink *sink)
{
	struct pb_judgement j = { config, sink, PB_OK };

	pb_judge_routes(&j);
	pb_judge_listeners(&j);
	judge_accounts(&j);
	judge_journal(&j);
	judge_user(&j);
	judge_memory(&j);
	judge_timeouts(&j);
	return j.result;
}
