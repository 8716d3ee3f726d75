#ifndef PB_SERVICE_JUDGE_PRIV_H
#define PB_SERVICE_JUDGE_PRIV_H

#include "popbridge/base/status.h"
#include "popbridge/service/config.h"

/* What the parts of a judgement share. */
struct pb_judgement {
	const struct pb_config *config;		/* borrowed */
	const struct pb_config_sink *sink;	/* borrowed */
	enum pb_status result;
};

/* About an option outside of sections. */
void pb_judge_say(struct pb_judgement *j, enum pb_config_severity severity,
		  const char *option, const char *fmt, ...) PB_PRINTF(4, 5);
/* About an option of one listener, or of one route. */
void pb_judge_say_listener(struct pb_judgement *j,
			   enum pb_config_severity severity,
			   const struct pb_listener_config *listener,
			   const char *option, const char *fmt, ...)
    PB_PRINTF(5, 6);
void pb_judge_say_route(struct pb_judgement *j,
			enum pb_config_severity severity,
			const struct pb_route_config *route,
			const char *option, const char *fmt, ...)
    PB_PRINTF(5, 6);

/* Whether clients of the listener may come to the route. */
bool pb_judge_reaches(const struct pb_listener_config *listener,
		      const struct pb_route_config *route);

void pb_judge_listeners(struct pb_judgement *j);
void pb_judge_routes(struct pb_judgement *j);

#endif
