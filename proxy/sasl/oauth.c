#include "mechanism.h"

/*
 * Both mechanisms say the same in different frames: pairs of key and value,
 * each ended by 0x01, and one more 0x01 behind them.
 */
#define SEPARATOR '\x01'

/* Where they stand in the message; without data: not there. */
struct pairs {
	struct pb_slice user;
	struct pb_slice auth;
};

/* Keys that we do not know are none of our business (RFC 7628, 3.1). */
static enum pb_status
take_pair(struct pb_slice pair, struct pairs *pairs)
{
	struct pb_slice key = pb_slice_sub(pair, 0, pb_slice_find(pair, '='));
	struct pb_slice *value;

	if (key.len == 0 || key.len == pair.len)
		return PB_EPROTO;
	pb_slice_skip(&pair, key.len + 1);
	if (pb_slice_is(key, "user"))
		value = &pairs->user;
	else if (pb_slice_is(key, "auth"))
		value = &pairs->auth;
	else
		return PB_OK;
	/* Two of them: which one would be meant? */
	if (value->data != NULL)
		return PB_EPROTO;
	*value = pair;
	return PB_OK;
}

static enum pb_status
take_pairs(struct pb_slice in, struct pairs *pairs)
{
	while (in.len > 1) {
		size_t end = pb_slice_find(in, SEPARATOR);
		enum pb_status st;

		if (end == in.len)
			return PB_EPROTO;
		st = take_pair(pb_slice_sub(in, 0, end), pairs);
		if (st != PB_OK)
			return st;
		pb_slice_skip(&in, end + 1);
	}
	return in.len == 1 && in.data[0] == SEPARATOR ? PB_OK : PB_EPROTO;
}

/*
 * RFC 6750 has fewer characters for a token; Microsoft's have others, too.
 */
static enum pb_status
keep_token(struct pb_sasl_server *s, struct pb_slice auth)
{
	size_t i;

	if (!pb_slice_starts(auth, "Bearer "))
		return PB_EPROTO;
	pb_slice_skip(&auth, strlen("Bearer "));
	if (pb_slice_has_control(auth))
		return PB_EINVAL;
	for (i = 0; i < auth.len; i++) {
		if (auth.data[i] <= ' ' || auth.data[i] > '~')
			return PB_EPROTO;
	}
	return auth.len > 0 ? pb_secret_set(&s->password, auth) : PB_EPROTO;
}

enum pb_status
pb_sasl_take_xoauth2(struct pb_sasl_server *s, struct pb_slice message)
{
	struct pairs pairs = { .user = { NULL, 0 } };
	enum pb_status st = take_pairs(message, &pairs);

	s->step = PB_SASL_DONE;
	if (st == PB_OK)
		st = pb_sasl_keep_name(&s->user, pairs.user);
	return st == PB_OK ? keep_token(s, pairs.auth) : st;
}

/*
 * The name is optional there, because a token may name its owner.  Nobody here
 * can ask the token, so it is required.
 */
enum pb_status
pb_sasl_take_oauthbearer(struct pb_sasl_server *s, struct pb_slice message)
{
	struct pairs pairs = { .user = { NULL, 0 } };
	enum pb_status st;

	s->step = PB_SASL_DONE;
	st = pb_sasl_take_gs2(&message, &s->user);
	if (st != PB_OK)
		return st;
	if (pb_secret_reveal(&s->user).len == 0 || message.len == 0 ||
	    message.data[0] != SEPARATOR)
		return PB_EPROTO;
	pb_slice_skip(&message, 1);
	st = take_pairs(message, &pairs);
	return st == PB_OK ? keep_token(s, pairs.auth) : st;
}
