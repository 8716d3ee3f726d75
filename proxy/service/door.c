#include "popbridge/service/door.h"

#include "popbridge/service/network.h"

static bool
has(const struct pb_network_list *list, const uint8_t address[16])
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (pb_network_has(&list->network[i], address))
			return true;
	}
	return false;
}

bool
pb_door_is_open(const struct pb_listener_config *listener,
    const uint8_t address[16])
{
	if (has(&listener->deny, address))
		return false;
	return listener->allow.n == 0 || has(&listener->allow, address);
}

bool
pb_door_wants_header(const struct pb_listener_config *listener,
    const uint8_t address[16])
{
	return has(&listener->proxy_protocol, address);
}

bool
pb_door_takes_xclient(const struct pb_listener_config *listener,
    const uint8_t address[16])
{
	return has(&listener->xclient, address);
}
