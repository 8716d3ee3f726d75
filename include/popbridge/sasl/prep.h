#ifndef PB_SASL_PREP_H
#define PB_SASL_PREP_H

#include "popbridge/base/secret.h"
#include "popbridge/base/slice.h"
#include "popbridge/base/status.h"

/*
 * A password as SCRAM wants it, by SASLprep (RFC 4013; RFC 5802, section
 * 2.2).
 *
 * PB_OK, PB_EINVAL (SASLprep refuses it, as it does what is not UTF-8, or
 * nothing is left of it; *prepared is empty), PB_ENOMEM (same).
 */
enum pb_status pb_sasl_prep(struct pb_slice password,
			    struct pb_secret *prepared) PB_MUST_CHECK;

#endif
