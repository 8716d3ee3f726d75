#include "command_counter.h"

/* A size that no literal has; more digits do not make it larger. */
#define SIZE_END (UINT64_MAX / 100)

static void
line_ends(struct command_counter *c)
{
	if (c->size > 0 && !c->in_size) {
		c->literal_left = c->size;
		c->state = COMMAND_LITERAL;
		c->continued = true;
	} else {
		c->state = COMMAND_LINE_START;
		c->continued = false;
	}
	c->size = 0;
	c->in_size = false;
}

/* "{12}" and "{12+}" at the end of a line announce a literal. */
static void
look_for_size(struct command_counter *c, char octet)
{
	if (octet == '{') {
		c->in_size = true;
		c->size = 0;
	} else if (c->in_size && octet >= '0' && octet <= '9') {
		if (c->size < SIZE_END)
			c->size = c->size * 10 + (uint64_t)(octet - '0');
	} else if (c->in_size && octet == '}') {
		c->in_size = false;
	} else if (octet != '+' && octet != '\r') {
		c->in_size = false;
		c->size = 0;
	}
}

static void
line_octet(struct command_counter *c, char octet)
{
	if (octet == '\n') {
		line_ends(c);
		return;
	}
	look_for_size(c, octet);
	if (octet == ' ' && c->state == COMMAND_TAG && !c->continued)
		c->commands++;
	if (octet == ' ')
		c->state = COMMAND_REST;
	else if (c->state == COMMAND_LINE_START)
		c->state = COMMAND_TAG;
}

void
command_counter_feed(struct command_counter *c, const char *octets,
    size_t len)
{
	while (len > 0) {
		if (c->state != COMMAND_LITERAL) {
			line_octet(c, *octets++);
			len--;
			continue;
		}
		if (c->literal_left > len) {
			c->literal_left -= len;
			return;
		}
		octets += c->literal_left;
		len -= (size_t)c->literal_left;
		c->state = COMMAND_LINE_START;
	}
}
