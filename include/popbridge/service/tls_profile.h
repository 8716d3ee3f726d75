#ifndef PB_SERVICE_TLS_PROFILE_H
#define PB_SERVICE_TLS_PROFILE_H

/*
 * How old a peer may be.  What versions and ciphers that means, net/tls knows;
 * what it is called, service/option knows.
 */
enum pb_tls_profile {
	PB_TLS_PROFILE_DEFAULT,
	PB_TLS_PROFILE_MODERN,
	PB_TLS_PROFILE_LEGACY,	/* devices that nobody updates any more */
};

#endif
