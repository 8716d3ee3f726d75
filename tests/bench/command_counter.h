#ifndef BENCH_COMMAND_COUNTER_H
#define BENCH_COMMAND_COUNTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the delay relay counts of the octets that a client sends to IMAP. */

enum command_state {
	COMMAND_LINE_START,
	COMMAND_TAG,		/* the first word of a line */
	COMMAND_REST,
	COMMAND_LITERAL
};

struct command_counter {
	enum command_state state;
	bool continued;		/* the line goes on behind a literal */
	bool in_size;		/* behind an opening brace */
	uint64_t size;		/* of the literal that may follow */
	uint64_t literal_left;
	uint64_t commands;
};

/*
 * A command is a line with a tag and something behind it; what continues a
 * command (a literal, the line behind it, an answer to a challenge, DONE) is
 * none.
 */
void command_counter_feed(struct command_counter *c, const char *octets,
    size_t len);

#endif
