#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "popbridge/base/check.h"
#include "popbridge/imap/message_line.h"
#include "popbridge/imap/gate.h"
#include "popbridge/imap/grammar.h"
#include "popbridge/imap/writer.h"

static unsigned long sum;

/* Read every octet that the result points to. */
static void
touch(struct pb_slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		sum += (unsigned char)s.data[i];
}

/* A name can be sent in a command, and one that cannot is not told. */
static void
check_mailbox(const struct pb_imap_mailbox_data *mailbox)
{
	struct pb_slice name = pb_slice(mailbox->name, mailbox->name_len);

	touch(name);
	pb_check(name.len == 0 || pb_imap_mailbox_can_be_sent(name));
}

static void
check_data(const struct pb_imap_data *data)
{
	size_t i;

	touch(data->body_text);
	touch(data->tag);
	if (data->type == PB_IMAP_DATA_MAILBOX)
		check_mailbox(data->mailbox);
	for (i = 0; i < data->n_ranges; i++) {
		const struct pb_imap_range *range = &data->ranges[i];

		pb_check(range->first > 0 && range->first <= range->last);
		pb_check(i == 0 || range->first - 1 > range[-1].last);
	}
	if (data->type == PB_IMAP_DATA_FETCH ||
	    data->type == PB_IMAP_DATA_EXPUNGE)
		pb_check(data->number > 0);
}

/* What the short cut took, the long way must have taken, and as the same. */
static void
must_agree(const struct pb_imap_data *quick, const struct pb_imap_data *data)
{
	pb_check(quick->type == data->type);
	pb_check(quick->number == data->number);
	pb_check(quick->uid == data->uid);
	pb_check(quick->has_size == data->has_size);
	pb_check(quick->size == data->size);
	pb_check(quick->body == data->body);
}

/*
 * One response through the gate and, when that lets it pass, the grammar; and
 * by the short cut, which must come to the same result where it comes to one.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t size)
{
	struct pb_slice response = pb_slice((const char *)octets, size);
	struct pb_imap_grammar *grammar;
	struct pb_imap_gated line;
	struct pb_imap_data data;
	struct pb_imap_data quick;
	bool is_quick = pb_imap_message_line(response, &quick);
	enum pb_status st = pb_imap_gate(response, &line);

	pb_check(!is_quick || (st == PB_OK && line.kind == PB_IMAP_DATA));
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
	pb_check(!is_quick || st == PB_OK);
	if (is_quick)
		must_agree(&quick, &data);
	pb_imap_grammar_free(&grammar);
	return 0;
}
