#ifndef PB_BASE_STATUS_H
#define PB_BASE_STATUS_H

/*
 * Expected outcomes.  Zero is success, positive is "not a failure, but not
 * done either", negative is failure.  A function's header lists the ones it
 * can return; the result is never ignored.
 */

#define PB_MUST_CHECK __attribute__((warn_unused_result))
#define PB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum pb_status {
	PB_OK = 0,
	PB_AGAIN = 1,		/* nothing more without more input */
	PB_EOF = 2,		/* the end, in an orderly way */
	PB_EPROTO = -1,		/* the peer broke the protocol */
	PB_ETOOBIG = -2,	/* a limit was reached */
	PB_ENOMEM = -3,		/* no memory */
	PB_EINVAL = -4,		/* the value is not acceptable */
	PB_EIO = -5,		/* the operating system said no */
};

#endif
