/*
 * Run while configuring: does the libetpan that is installed parse one
 * response without a stream, in the form that proxy/imap/etpan.h declares?
 */
#include "etpan.h"

#include <string.h>

int
main(void)
{
	static const char line[] = "* 7 FETCH (UID 42 RFC822.SIZE 120)\r\n";
	struct mailimap_response_data *data = NULL;
	struct mailimap_parser_context *ctx;
	MMAPString *text = mmap_string_new_len(line, strlen(line));
	mailimap *session = mailimap_new(0, NULL);
	size_t at = 0;

	if (text == NULL || session == NULL)
		return 1;
	ctx = mailimap_parser_context_new(session);
	if (ctx == NULL)
		return 1;
	if (mailimap_response_data_parse(NULL, text, ctx, &at, &data, 0,
	    NULL) != MAILIMAP_NO_ERROR)
		return 1;
	if (data->rsp_type != MAILIMAP_RESP_DATA_TYPE_MESSAGE_DATA ||
	    data->rsp_data.rsp_message_data->mdt_number != 7)
		return 1;
	mailimap_response_data_free(data);
	/* The senders must be there to link; nothing is sent. */
	return strlen(line) > 1000 &&
	    mailimap_uid_expunge_send(NULL, NULL) != MAILIMAP_NO_ERROR;
}
