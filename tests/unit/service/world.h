#ifndef PBT_SERVICE_WORLD_H
#define PBT_SERVICE_WORLD_H

/* What the tests of the configuration share: files, and what is said of them. */

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "popbridge/service/config.h"

/* What one load or judgement has said, one problem a line. */
struct world {
	char directory[64];
	char file[80];
	char map[80];	/* a match-file */
	struct pb_buffer said;
	struct pb_config *config;
};

static inline int
start(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -1;
	strcpy(w->directory, "/tmp/popbridge-config-XXXXXX");
	if (mkdtemp(w->directory) == NULL)
		return -1;
	snprintf(w->file, sizeof(w->file), "%s/F", w->directory);
	snprintf(w->map, sizeof(w->map), "%s/M", w->directory);
	pb_buffer_init(&w->said, 1024 * 1024);
	*state = w;
	return 0;
}

static inline int
stop(void **state)
{
	struct world *w = *state;

	pb_config_unref(&w->config);
	pb_buffer_fini(&w->said);
	unlink(w->file);
	unlink(w->map);
	if (rmdir(w->directory) != 0)
		return -1;
	free(w);
	return 0;
}

static inline void
note(void *ctx, const struct pb_config_problem *problem)
{
	struct world *w = ctx;
	const struct pb_config_place *place = &problem->place;
	const char *p;

	for (p = problem->text; *p != '\0'; p++)
		assert_in_range(*p, ' ', '~');
	if (place->command_line)
		pbt_say(&w->said, "--");
	if (place->file != NULL && strcmp(place->file, w->map) == 0) {
		pbt_say(&w->said, "M:");
	} else if (place->file != NULL) {
		assert_string_equal(place->file, w->file);
		pbt_say(&w->said, "F:");
	}
	if (place->line != 0)
		pbt_say(&w->said, "%u:", place->line);
	pbt_say(&w->said, " %s: %s\n", problem->severity == PB_CONFIG_ERROR
	    ? "error" : "warning", problem->text);
}

static inline void
write_to(const char *name, struct pb_slice text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text.data, 1, text.len, f), text.len);
	assert_int_equal(fclose(f), 0);
}

static inline void
write_file(struct world *w, struct pb_slice text)
{
	write_to(w->file, text);
}

static inline void
write_map(struct world *w, const char *text)
{
	write_to(w->map, pb_slice_str(text));
}

static inline enum pb_status
load(struct world *w, const char *file,
    const struct pb_config_setting *settings, size_t n)
{
	const struct pb_config_sink sink = { note, w };
	const struct pb_config_source source = { .file = file,
		.settings = settings, .n_settings = n };

	pb_config_unref(&w->config);
	pb_buffer_clear(&w->said);
	return pb_config_load(&source, &sink, &w->config);
}

static inline enum pb_status
load_octets(struct world *w, struct pb_slice text)
{
	write_file(w, text);
	return load(w, w->file, NULL, 0);
}

static inline void
assert_said(struct world *w, const char *want)
{
	ASSERT_OCTETS(pb_buffer_slice(&w->said), pb_slice_str(want));
}

static inline void
assert_says(struct world *w, const char *piece)
{
	pbt_put(&w->said, OCTETS("\0"));
	if (strstr(pb_buffer_slice(&w->said).data, piece) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", piece,
		    pb_buffer_slice(&w->said).data);
}

static inline void
assert_loads(struct world *w, const char *text)
{
	enum pb_status st = load_octets(w, pb_slice_str(text));

	assert_said(w, "");
	assert_int_equal(st, PB_OK);
	assert_non_null(w->config);
}

static inline void
assert_place(const struct world *w, const char *name, unsigned line)
{
	struct pb_config_place place = pb_config_place(w->config, name);

	assert_false(place.command_line);
	assert_string_equal(place.file, w->file);
	assert_int_equal(place.line, line);
}

static inline void
assert_url(const struct pb_url *url, const char *want)
{
	char text[PB_URL_TEXT_SIZE];

	pb_url_format(url, text);
	assert_string_equal(text, want);
}

/* The texts of a list, with blanks between. */
static inline void
assert_texts(const struct pb_text_list *list, const char *want)
{
	struct pb_buffer b;
	size_t i;

	pb_buffer_init(&b, 4096);
	for (i = 0; i < list->n; i++)
		pbt_say(&b, "%s%s", i > 0 ? " " : "", list->text[i]);
	ASSERT_OCTETS(pb_buffer_slice(&b), pb_slice_str(want));
	pb_buffer_fini(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

#endif
