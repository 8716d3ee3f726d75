#include "config_priv.h"

#include <errno.h>
#include <stdio.h>

#include "popbridge/base/buffer.h"

enum pb_status
pb_config_read_text(const char *file, struct pb_buffer *text)
{
	FILE *f = fopen(file, "re");
	enum pb_status st = PB_OK;
	char chunk[4096];
	size_t n;
	int error;

	if (f == NULL)
		return PB_EIO;
	do {
		n = fread(chunk, 1, sizeof(chunk), f);
		st = pb_buffer_append(text, chunk, n);
	} while (n > 0 && st == PB_OK);
	error = errno;
	if (ferror(f))
		st = PB_EIO;
	fclose(f);
	errno = error;
	return st == PB_OK ? pb_buffer_append(text, "", 1) : st;
}

/* The end of the string that begins at *p, or its last octet. */
static char *
skip_string(char *p)
{
	char quote = *p;

	for (p++; *p != '\0' && *p != quote; p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
	}
	return *p != '\0' ? p : p - 1;
}

static char *
blank(char *p, char *end)
{
	for (; p < end; p++) {
		if (*p != '\n')
			*p = ' ';
	}
	return end - 1;
}

/* How deep in braces *p is, and where the outermost of them began. */
static void
count_brace(const char *p, unsigned *depth, const char **brace)
{
	if (*p == '{' && (*depth)++ == 0)
		*brace = p;
	if (*p == '}' && *depth > 0 && --(*depth) == 0)
		*brace = NULL;
}

char *
pb_config_blank_comments(char *text, const char **brace)
{
	bool token_begins = true;
	unsigned depth = 0;
	char *p;

	*brace = NULL;
	for (p = text; *p != '\0'; p++) {
		char *end = NULL;

		count_brace(p, &depth, brace);
		if (*p == '"' || *p == '\'')
			p = skip_string(p);
		else if (*p == '#')
			end = p + strcspn(p, "\n");
		else if (token_begins && p[0] == '/' && p[1] == '/')
			end = p + strcspn(p, "\n");
		else if (token_begins && p[0] == '/' && p[1] == '*')
			end = strstr(p + 2, "*/");
		if (end == NULL && token_begins && p[0] == '/' &&
		    p[1] == '*')
			return p;
		if (end != NULL && *end == '*')
			end += 2;
		if (end != NULL)
			p = blank(p, end);
		token_begins = strchr(" \t\r\n={}()+,\"'", *p) != NULL;
	}
	return NULL;
}

char *
pb_config_find_empty_list(char *text)
{
	static const char blanks[] = " \t\r\n";
	bool is_value = false;
	char *p;

	for (p = text; *p != '\0'; p++) {
		if (is_value && *p == '{' &&
		    p[1 + strspn(p + 1, blanks)] == '}')
			return p;
		if (*p == '"' || *p == '\'')
			p = skip_string(p);
		if (strchr(blanks, *p) == NULL)
			is_value = *p == '=';
	}
	return NULL;
}
