#ifndef PB_BASE_CHECK_H
#define PB_BASE_CHECK_H

/*
 * Our own bugs: pb_check(cond) aborts with file and line, in release builds
 * too.  Never for anything a peer, a file or the operating system can cause.
 * The condition has no side effects.
 */
#define pb_check(cond) \
	((cond) ? (void)0 : pb_check_failed(#cond, __FILE__, __LINE__))

/* Code that is never come to, for the reason that is said. */
#define pb_unreachable(what) pb_check_failed(what, __FILE__, __LINE__)

_Noreturn void pb_check_failed(const char *cond, const char *file, int line);

#endif
