#include "popbridge/service/option.h"

#include "option_priv.h"
#include "popbridge/base/check.h"

const struct pb_option *
pb_option_find(const char *name)
{
	const struct pb_option *rows;
	size_t n;
	size_t i;

	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return NULL;
}

bool
pb_option_is_list(const struct pb_option *option)
{
	switch (option->type) {
	case PB_OPTION_LISTEN:
	case PB_OPTION_WORDS:
	case PB_OPTION_FILES:
	case PB_OPTION_TEXTS:
	case PB_OPTION_NETWORKS:
		return true;
	case PB_OPTION_LISTENER:
	case PB_OPTION_UPSTREAM:
	case PB_OPTION_FILE:
	case PB_OPTION_TEXT:
	case PB_OPTION_NUMBER:
	case PB_OPTION_FLAG:
	case PB_OPTION_WORD:
	case PB_OPTION_PRESET:
		return false;
	}
	return false;
}

const char *
pb_option_home(const struct pb_option *option)
{
	if (option->scopes & PB_OPTION_IN_LISTENER)
		return "a listener";
	return option->scopes & PB_OPTION_IN_ROUTE ? "a route" : "no section";
}

/* Longest word that a slip is looked for in; longer ones are no slip. */
#define WORD_MAX 32

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Letters to add, drop or change to make a into b (Levenshtein). */
static unsigned
distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 1];
	size_t len = strlen(b);
	size_t i;
	size_t j;

	pb_check(len <= WORD_MAX);
	for (j = 0; j <= len; j++)
		row[j] = (unsigned)j;
	for (i = 0; a[i] != '\0'; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i + 1;
		for (j = 1; j <= len; j++) {
			unsigned change = diagonal + (a[i] != b[j - 1]);

			diagonal = row[j];
			row[j] = least(change,
			    least(row[j], row[j - 1]) + 1);
		}
	}
	return row[len];
}

const char *
pb_option_nearest(const char *word, const char *const *words, size_t n)
{
	const char *best = NULL;
	unsigned best_distance = 3;
	size_t len = strlen(word);
	size_t i;

	for (i = 0; i < n && len <= WORD_MAX; i++) {
		unsigned d = strlen(words[i]) <= WORD_MAX
		    ? distance(word, words[i]) : best_distance;

		/* Half of a short word is another word. */
		if (d < best_distance && d * 2 < strlen(words[i])) {
			best = words[i];
			best_distance = d;
		}
	}
	return best;
}

const char *
pb_option_nearest_name(const char *word, enum pb_option_scope scope)
{
	const char *names[PB_CONFIG_OPTIONS_MAX + 2];
	const struct pb_option *rows;
	size_t used = 0;
	size_t n;
	size_t i;

	rows = pb_options(&n);
	for (i = 0; i < n; i++) {
		if (rows[i].scopes & scope)
			names[used++] = rows[i].name;
	}
	return pb_option_nearest(word, names, used);
}
