#include "session_priv.h"

#include "popbridge/base/log.h"
#include "popbridge/bridge/weight.h"

size_t
pb_session_weight(const struct pb_session *s)
{
	size_t weight = pb_bridge_weight(&s->bridge);

	if (weight == 0 || s->state == PB_SESSION_CLOSING)
		return 0;
	weight += pb_stream_memory(&s->client);
	if (s->upstream_open)
		weight += pb_stream_memory(pb_upstream_stream(s->upstream));
	return weight;
}

void
pb_session_shed(struct pb_session *s)
{
	size_t weight = pb_session_weight(s);

	if (weight == 0)
		return;
	pb_log(PB_LOG_WARN, "session ended for the memory that it holds",
	    PB_LOG_STR("id", s->id_text),
	    PB_LOG_SLICE("user", pb_bridge_user(&s->bridge)),
	    PB_LOG_STR("client", s->peer), PB_LOG_NUM("octets", weight));
	pb_session_abort(s, "memory over memory-hard");
}
