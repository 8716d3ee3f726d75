#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "popbridge/base/check.h"
#include "popbridge/imap/gate.h"
#include "popbridge/imap/grammar.h"

static unsigned long sum;

/* Read every octet that the result points to. */
static void
touch(struct pb_slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		sum += (unsigned char)s.data[i];
}

static void
check_data(const struct pb_imap_data *data)
{
	size_t i;

	touch(data->body_text);
	for (i = 0; i < data->n_uids; i++)
		pb_check(data->uids[i] > 0);
	if (data->type == PB_IMAP_DATA_FETCH ||
	    data->type == PB_IMAP_DATA_EXPUNGE)
		pb_check(data->number > 0);
}

/*
 * One response through the gate and, when that lets it pass, the grammar.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t size)
{
	struct pb_slice response = pb_slice((const char *)octets, size);
	struct pb_imap_grammar *grammar;
	struct pb_imap_gated line;
	struct pb_imap_data data;
	enum pb_status st = pb_imap_gate(response, &line);

	pb_check(st == PB_OK || st == PB_EINVAL || st == PB_EPROTO);
	if (st != PB_OK)
		return 0;
	touch(line.tag);
	touch(line.code);
	touch(line.text);
	if (line.kind != PB_IMAP_DATA)
		return 0;
	grammar = pb_imap_grammar_new();
	pb_check(grammar != NULL);
	st = pb_imap_grammar_parse(grammar, response, &data);
	pb_check(st == PB_OK || st == PB_EPROTO);
	if (st == PB_OK)
		check_data(&data);
	pb_imap_grammar_free(&grammar);
	return 0;
}
