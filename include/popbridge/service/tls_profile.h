#ifndef PB_SERVICE_TLS_PROFILE_H
#define PB_SERVICE_TLS_PROFILE_H

/* Which versions of TLS and which ciphers are good enough. */
enum pb_tls_profile {
	PB_TLS_PROFILE_DEFAULT,	/* TLS 1.2 and up, as BCP 195 wants it */
	PB_TLS_PROFILE_MODERN,	/* TLS 1.3 only */
	/* TLS 1.0 and up, for devices that can not be changed (RFC 8996). */
	PB_TLS_PROFILE_LEGACY,
};

#endif
