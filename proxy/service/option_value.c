#include "option_priv.h"

#include <stdio.h>

#include "config_priv.h"
#include "popbridge/base/check.h"
#include "popbridge/service/network.h"

/* Room for the words of an option, or the names of all presets, in a row. */
#define WORDS_SIZE 192

static enum pb_status
too_many(const struct pb_option *o, const char *what, char *why)
{
	return pb_option_refuse(why, "there are more than %u %s (%s)", o->max,
	    what, o->reason);
}

static enum pb_status
set_listen(const struct pb_option *o, struct pb_listen_list *list,
    struct pb_slice value, char *why)
{
	enum pb_status st;

	if (list->n == PB_CONFIG_LISTEN_MAX)
		return too_many(o, "listeners", why);
	st = pb_url_parse_listener(value, &list->url[list->n], why);
	if (st == PB_OK)
		list->n++;
	return st;
}

static enum pb_status
check_file(struct pb_slice value, char *why)
{
	if (value.len == 0)
		return pb_option_refuse(why, "it is empty: give the name of a "
		    "file, or leave the option out");
	if (value.len >= PB_CONFIG_PATH_SIZE)
		return pb_option_refuse(why, "a file name has at most %d "
		    "letters", PB_CONFIG_PATH_SIZE - 1);
	if (memchr(value.data, '\0', value.len) != NULL)
		return pb_option_refuse(why, "a file name has no NUL");
	return PB_OK;
}

static enum pb_status
set_text(struct pb_config *config, const char **field, struct pb_slice value)
{
	const char *text = NULL;

	if (value.len > 0) {
		text = pb_config_text(config, value);
		if (text == NULL)
			return PB_ENOMEM;
	}
	*field = text;
	return PB_OK;
}

static enum pb_status
add_text(const struct pb_option *o, struct pb_config *config,
    struct pb_text_list *list, struct pb_slice value, char *why)
{
	const char **text;

	if (list->n == o->max)
		return too_many(o, "of them", why);
	text = pb_config_room(config, list->text, list->n, sizeof(*text));
	if (text == NULL)
		return PB_ENOMEM;
	list->text = text;
	text[list->n] = pb_config_text(config, value);
	if (text[list->n] == NULL)
		return PB_ENOMEM;
	list->n++;
	return PB_OK;
}

static enum pb_status
add_network(const struct pb_option *o, struct pb_config *config,
    struct pb_network_list *list, struct pb_slice value, char *why)
{
	struct pb_network *network;
	struct pb_network parsed;
	char q[PB_OPTION_QUOTE_SIZE];

	if (list->n == o->max)
		return too_many(o, "of them", why);
	if (pb_network_parse(value, &parsed) != PB_OK)
		return pb_option_refuse(why, "it must be a network or an "
		    "address, as in 192.0.2.0/24 or 2001:db8::/32, not \"%s\"",
		    pb_option_quote(value, q));
	network = pb_config_room(config, list->network, list->n,
	    sizeof(*network));
	if (network == NULL)
		return PB_ENOMEM;
	list->network = network;
	network[list->n++] = parsed;
	return PB_OK;
}

static enum pb_status
set_number(const struct pb_option *o, unsigned *field, struct pb_slice value,
    char *why)
{
	char q[PB_OPTION_QUOTE_SIZE];
	uint64_t number = 0;

	if (pb_slice_number(value, o->max, &number) != PB_OK ||
	    number < o->min)
		return pb_option_refuse(why, "it must be a number from %u to "
		    "%u (%s), not \"%s\"", o->min, o->max, o->reason,
		    pb_option_quote(value, q));
	*field = (unsigned)number;
	return PB_OK;
}

static enum pb_status
set_flag(bool *field, struct pb_slice value, char *why)
{
	char q[PB_OPTION_QUOTE_SIZE];

	if (!pb_slice_is(value, "yes") && !pb_slice_is(value, "no"))
		return pb_option_refuse(why, "it must be yes or no, not "
		    "\"%s\"", pb_option_quote(value, q));
	*field = pb_slice_is(value, "yes");
	return PB_OK;
}

static enum pb_status
find_word(const char *const *words, struct pb_slice value, unsigned *found,
    char *why)
{
	char list[WORDS_SIZE] = "";
	char q[PB_OPTION_QUOTE_SIZE];
	size_t at = 0;
	unsigned i;

	for (i = 0; words[i] != NULL; i++) {
		if (pb_slice_is(value, words[i])) {
			*found = i;
			return PB_OK;
		}
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s",
		    i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ",
		    words[i]);
		pb_check(at < sizeof(list));
	}
	return pb_option_refuse(why, "it must be %s, not \"%s\"", list,
	    pb_option_quote(value, q));
}

/* One word, or several with a blank between, as a default is written. */
static enum pb_status
add_words(const struct pb_option *o, unsigned *field, struct pb_slice value,
    char *why)
{
	unsigned set = *field;
	unsigned word = 0;
	enum pb_status st;

	do {
		st = find_word(o->words, pb_slice_word(&value), &word, why);
		set |= 1u << word;
	} while (st == PB_OK && value.len > 0);
	if (st == PB_OK)
		*field = set;
	return st;
}

static enum pb_status
set_preset(const struct pb_preset **field, struct pb_slice value, char *why)
{
	char list[WORDS_SIZE] = "";
	char q[PB_OPTION_QUOTE_SIZE];
	const struct pb_preset *rows;
	const struct pb_preset *found = pb_preset_find(value);
	size_t at = 0;
	size_t n;
	size_t i;

	if (found != NULL) {
		*field = found;
		return PB_OK;
	}
	rows = pb_presets(&n);
	for (i = 0; i < n; i++) {
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s",
		    i == 0 ? "" : i + 1 == n ? " or " : ", ", rows[i].name);
		pb_check(at < sizeof(list));
	}
	return pb_option_refuse(why, "it must be %s, not \"%s\"", list,
	    pb_option_quote(value, q));
}

enum pb_status
pb_option_set(const struct pb_option *o, struct pb_config *config, void *part,
    struct pb_slice value, char why[PB_OPTION_REASON_SIZE])
{
	void *field = (char *)part + o->offset;
	enum pb_status st = PB_OK;
	unsigned word = 0;

	if (o->type == PB_OPTION_FILE || o->type == PB_OPTION_FILES)
		st = check_file(value, why);
	else if (o->check != NULL)
		st = o->check(value, why);
	if (st != PB_OK)
		return st;
	switch (o->type) {
	case PB_OPTION_LISTEN:
		return set_listen(o, field, value, why);
	case PB_OPTION_LISTENER:
		return pb_url_parse_listener(value, field, why);
	case PB_OPTION_UPSTREAM:
		return pb_url_parse_upstream(value, field, why);
	case PB_OPTION_FILE:
	case PB_OPTION_TEXT:
		return set_text(config, field, value);
	case PB_OPTION_NUMBER:
		return set_number(o, field, value, why);
	case PB_OPTION_FLAG:
		return set_flag(field, value, why);
	case PB_OPTION_WORD:
		st = find_word(o->words, value, &word, why);
		if (st == PB_OK)
			memcpy(field, &word, sizeof(word));
		return st;
	case PB_OPTION_WORDS:
		return add_words(o, field, value, why);
	case PB_OPTION_PRESET:
		return set_preset(field, value, why);
	case PB_OPTION_FILES:
	case PB_OPTION_TEXTS:
		return add_text(o, config, field, value, why);
	case PB_OPTION_NETWORKS:
		return add_network(o, config, field, value, why);
	}
	pb_unreachable("a type of option");
}

static size_t
size_of(enum pb_option_type type)
{
	switch (type) {
	case PB_OPTION_LISTEN:
		return sizeof(struct pb_listen_list);
	case PB_OPTION_LISTENER:
	case PB_OPTION_UPSTREAM:
		return sizeof(struct pb_url);
	case PB_OPTION_FILE:
	case PB_OPTION_TEXT:
		return sizeof(const char *);
	case PB_OPTION_NUMBER:
	case PB_OPTION_WORD:
	case PB_OPTION_WORDS:
		return sizeof(unsigned);
	case PB_OPTION_FLAG:
		return sizeof(bool);
	case PB_OPTION_PRESET:
		return sizeof(const struct pb_preset *);
	case PB_OPTION_FILES:
	case PB_OPTION_TEXTS:
		return sizeof(struct pb_text_list);
	case PB_OPTION_NETWORKS:
		return sizeof(struct pb_network_list);
	}
	pb_unreachable("a type of option");
}

void
pb_option_clear(const struct pb_option *o, void *part)
{
	pb_check(pb_option_is_list(o));
	memset((char *)part + o->offset, 0, size_of(o->type));
}

void
pb_option_copy(const struct pb_option *o, void *to, const void *from)
{
	memcpy((char *)to + o->offset, (const char *)from + o->offset,
	    size_of(o->type));
}
