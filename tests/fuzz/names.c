#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "popbridge/base/check.h"
#include "popbridge/base/text.h"
#include "popbridge/imap/uid_set.h"
#include "popbridge/pop3/xclient.h"
#include "popbridge/service/network.h"
#include "popbridge/service/url.h"

/*
 * The small parsers; the first octet chooses one:
 *
 *	l, u	the URL of a listener, of a server
 *	n	a network
 *	x	what follows XCLIENT
 *	s	SEARCH or ESEARCH with its UIDs
 *	t	anything that is to be shown
 *
 * What is taken is in order, and written again it is the same.
 */

static void
check_reason(const char *why, size_t size)
{
	size_t len = strnlen(why, size);

	pb_check(len > 0 && len < size);
	while (len-- > 0)
		pb_check(why[len] >= ' ' && why[len] <= '~');
}

static void
try_url(struct pb_slice text, bool listener)
{
	char why[PB_URL_REASON_SIZE] = "";
	char form[PB_URL_TEXT_SIZE];
	struct pb_url url, again;
	enum pb_status st = listener ? pb_url_parse_listener(text, &url, why)
	    : pb_url_parse_upstream(text, &url, why);

	pb_check(st == PB_OK || st == PB_EINVAL);
	if (st != PB_OK) {
		check_reason(why, sizeof(why));
		return;
	}
	pb_check(url.service == (listener ? PB_URL_POP3 : PB_URL_IMAP));
	pb_check(url.host[0] != '\0' && (listener || url.port > 0));
	pb_check(url.kind != PB_URL_NAME ||
	    pb_url_is_name(pb_slice_str(url.host)));
	pb_url_format(&url, form);
	st = listener ? pb_url_parse_listener(pb_slice_str(form), &again, why)
	    : pb_url_parse_upstream(pb_slice_str(form), &again, why);
	pb_check(st == PB_OK && pb_url_equal(&url, &again));
}

static void
try_network(struct pb_slice text)
{
	struct pb_network network, again;
	char form[PB_NETWORK_TEXT_SIZE];
	enum pb_status st = pb_network_parse(text, &network);

	pb_check(st == PB_OK || st == PB_EINVAL);
	if (st != PB_OK)
		return;
	pb_check(network.bits <= 128 &&
	    pb_network_has(&network, network.address));
	pb_network_format(&network, form);
	pb_check(pb_network_parse(pb_slice_str(form), &again) == PB_OK &&
	    again.bits == network.bits && memcmp(again.address,
		network.address, sizeof(again.address)) == 0);
}

static void
try_xclient(struct pb_slice text)
{
	char address[PB_POP3_ADDRESS_SIZE];
	struct pb_network network;
	unsigned port;
	enum pb_status st = pb_pop3_xclient_parse(text, address, &port);

	pb_check(st == PB_OK || st == PB_EINVAL);
	if (st != PB_OK)
		return;
	pb_check(port <= UINT16_MAX);
	pb_check(address[0] == '\0' || pb_network_parse(pb_slice_str(address),
	    &network) == PB_OK);
}

static void
try_uids(struct pb_slice text)
{
	struct pb_imap_uid_set set = { .n = 0 };
	struct pb_imap_names names;
	size_t i;

	if (!pb_imap_names_parse(text, &names))
		return;
	if (pb_imap_uid_set_read(&set, names.set, names.separator) == PB_OK) {
		for (i = 0; i < set.n; i++) {
			pb_check(set.ranges[i].first > 0 &&
			    set.ranges[i].first <= set.ranges[i].last);
			pb_check(i == 0 || set.ranges[i].first - 1 >
			    set.ranges[i - 1].last);
		}
	}
	pb_imap_uid_set_clear(&set);
}

static void
try_text(struct pb_slice text)
{
	char out[100];
	size_t i;

	pb_text_clean(text, out, text.len < 8 ? 8 : sizeof(out));
	for (i = 0; out[i] != '\0'; i++)
		pb_check(out[i] >= ' ' && out[i] <= '~');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact;
	struct pb_slice in;

	if (size < 1)
		return 0;
	exact = pbt_exact(pb_slice((const char *)data + 1, size - 1));
	in = pb_slice(exact, size - 1);
	if (data[0] == 'l' || data[0] == 'u')
		try_url(in, data[0] == 'l');
	else if (data[0] == 'n')
		try_network(in);
	else if (data[0] == 'x')
		try_xclient(in);
	else if (data[0] == 's')
		try_uids(in);
	else if (data[0] == 't')
		try_text(in);
	free(exact);
	return 0;
}
