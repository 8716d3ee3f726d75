#include "script.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "popbridge/base/mem.h"
#include "support/support.h"

#define TEXT_MAX (16u * 1024 * 1024)

struct source {
	struct pbt_script *script;
	const char *file;
	unsigned line;
};

static _Noreturn void
broken(const struct source *src, const char *what)
{
	fprintf(stderr, "%s:%u: %s\n", src->file, src->line, what);
	exit(2);
}

static int
hex(const struct source *src, char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	if (at == NULL)
		broken(src, "\\x wants two hex digits, in lower case");
	return (int)(at - digits);
}

/* One escape behind its backslash; returns what follows it. */
static const char *
unescape(const struct source *src, const char *p, struct pb_buffer *out)
{
	static const char names[] = "rnt0\\";
	static const char octets[] = "\r\n\t\0\\";
	const char *at = *p != '\0' ? strchr(names, *p) : NULL;
	char c;

	if (at != NULL) {
		pbt_put(out, pb_slice(octets + (at - names), 1));
		return p + 1;
	}
	if (*p != 'x')
		broken(src, "unknown escape");
	c = (char)(hex(src, p[1]) * 16 + hex(src, p[2]));
	pbt_put(out, pb_slice(&c, 1));
	return p + 3;
}

static void unescape_all(const struct source *src, const char *p,
    const char *end, struct pb_buffer *out);

/* %{n:text}, behind the brace; returns what follows it. */
static const char *
repeat(const struct source *src, const char *p, struct pb_buffer *out)
{
	char *colon;
	unsigned long n = strtoul(p, &colon, 10);
	const char *end = strchr(p, '}');

	if (*colon != ':' || end == NULL)
		broken(src, "%{n:text} is meant, perhaps");
	while (n-- > 0)
		unescape_all(src, colon + 1, end, out);
	return end + 1;
}

static void
unescape_all(const struct source *src, const char *p, const char *end,
    struct pb_buffer *out)
{
	while (p < end) {
		if (p[0] == '\\')
			p = unescape(src, p + 1, out);
		else if (p[0] == '%' && p[1] == '{')
			p = repeat(src, p + 2, out);
		else
			pbt_put(out, pb_slice(p++, 1));
	}
}

static void
add(const struct source *src, enum pbt_step_kind kind, const char *text)
{
	struct pbt_script *s = src->script;
	size_t len = strlen(text);
	bool open = kind == PBT_EVENT;
	struct pbt_step *step;

	s->steps = pb_realloc(s->steps, (s->n + 1) * sizeof(*s->steps));
	if (s->steps == NULL)
		broken(src, "no memory");
	step = &s->steps[s->n++];
	*step = (struct pbt_step){ .kind = kind, .file = src->file,
		.line = src->line };
	pb_buffer_init(&step->text, TEXT_MAX);
	if (len >= 2 && strcmp(text + len - 2, "\\-") == 0) {
		open = true;
		len -= 2;
	}
	unescape_all(src, text, text + len, &step->text);
	if (!open)
		pbt_put(&step->text, pb_slice_str("\r\n"));
}

static void read_file(struct pbt_script *s, const char *path);

static void
include(const struct source *src, const char *name)
{
	char *copy = pb_xstrdup(src->file);
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.inc", dirname(copy), name);
	pb_free(copy);
	read_file(src->script, path);
}

static void
take_line(const struct source *src, const char *line)
{
	static const struct {
		const char *mark;
		enum pbt_step_kind kind;
	} kinds[] = {
		{ "C>", PBT_CLIENT_SAYS }, { "C<", PBT_CLIENT_HEARS },
		{ "U>", PBT_UPSTREAM_SAYS }, { "U<", PBT_UPSTREAM_HEARS },
		{ "!", PBT_EVENT },
	};
	size_t i;

	if (line[0] == '\0' || line[0] == '#')
		return;
	if (line[0] == '@') {
		include(src, line + 2);
		return;
	}
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len = strlen(kinds[i].mark);

		if (strncmp(line, kinds[i].mark, len) != 0)
			continue;
		line += len;
		if (line[0] == ' ')
			line++;
		else if (line[0] != '\0')
			break;
		add(src, kinds[i].kind, line);
		return;
	}
	broken(src, "a line begins with C>, C<, U>, U<, !, @ or #");
}

static void
read_file(struct pbt_script *s, const char *path)
{
	struct source src = { s, path, 0 };
	FILE *f = fopen(path, "r");
	char line[8192];

	if (f == NULL)
		broken(&src, "cannot be read");
	if (s->n_files == sizeof(s->files) / sizeof(s->files[0]))
		broken(&src, "too many files");
	s->files[s->n_files] = pb_xstrdup(path);
	src.file = s->files[s->n_files++];
	while (fgets(line, sizeof(line), f) != NULL) {
		src.line++;
		if (strchr(line, '\n') == NULL)
			broken(&src, "the line is too long, or has no end");
		line[strcspn(line, "\n")] = '\0';
		take_line(&src, line);
	}
	fclose(f);
}

void
pbt_script_read(struct pbt_script *s, const char *path)
{
	*s = (struct pbt_script){ .n = 0 };
	read_file(s, path);
}

void
pbt_script_fini(struct pbt_script *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		pb_buffer_fini(&s->steps[i].text);
	pb_free(s->steps);
	for (i = 0; i < s->n_files; i++)
		pb_free(s->files[i]);
}
