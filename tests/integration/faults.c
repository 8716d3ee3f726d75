/*
 * Preloaded into popbridge, this lets calls fail as the file FAULTS says: an
 * array of 64-bit numbers, shared with the test, in the order of enum slot.
 * All 0: nothing fails.  Other programs are left alone.
 */
#define _GNU_SOURCE
#include <crypt.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <resolv.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define STRANGE "slow.example"

enum slot {
	SEED,
	ALLOC_AT,		/* the n-th allocation from now on fails */
	ALLOC_CHANCE,		/* so many of a million do */
	ALLOC_CALLS,		/* told: how many there were */
	ALLOC_FAILED,		/* told */
	SOCKET_MOST,		/* octets of a read or write, 1 to so many */
	SOCKET_AGAIN,		/* so many of a thousand: EINTR, or EAGAIN */
	SOCKET_CALLS,		/* told: how many were cut or refused */
	OPEN_ERRNO,		/* of socket, accept and open */
	OPEN_FAILED,		/* told */
	DISK_ERRNO,		/* of changes to files */
	DISK_MOST,		/* octets of a write to a file, 1 to so many */
	DISK_FAILED,		/* told */
	DISK_HOLD,		/* changes to files wait until it is 0 */
	DISK_HELD,		/* told: so many wait */
	NAME_ERROR,		/* of getaddrinfo, EAI_... */
	NAME_HOLD,		/* the same waits for names until it is 0 */
	NAME_STRANGE,		/* a domain's server has a name that waits */
	NAME_HELD,		/* told */
	HASH_HOLD,		/* crypt_r waits until it is 0 */
	HASH_HELD,		/* told */
	CLOCK_JUMP,		/* seconds that the time of day is off */
	SLOTS
};

static _Atomic int64_t nothing[SLOTS];
static _Atomic int64_t *slots = nothing;
static _Atomic uint64_t calls;

/* Found once each; RTLD_NEXT may be a sanitizer's. */
#define REAL(result, name, ...) \
	static result (*real)(__VA_ARGS__); \
	if (real == NULL) \
		*(void **)&real = dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("FAULTS");
	void *map;
	int fd;

	if (path == NULL || strcmp(program_invocation_short_name,
	    "popbridge") != 0)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	map = mmap(NULL, SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (fd < 0 || map == MAP_FAILED)
		abort();
	close(fd);
	slots = map;
}

/* The same for the same seed and number of the call. */
static uint64_t
chance(uint64_t below)
{
	uint64_t x = (uint64_t)slots[SEED] * UINT64_C(0x9e3779b97f4a7c15) +
	    ++calls * UINT64_C(0xbf58476d1ce4e5b9);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (x ^ x >> 31) % below;
}

static void
hold(enum slot until, enum slot told)
{
	if (slots[until] == 0)
		return;
	slots[told]++;
	while (slots[until] != 0)
		(void)poll(NULL, 0, 1);
	slots[told]--;
}

/* memory */

/* AddressSanitizer ends the process where it cannot learn of its stack. */
static _Thread_local int spared;

int
pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
	int (*real)(pthread_t, pthread_attr_t *);
	int result;

	*(void **)&real = dlsym(RTLD_NEXT, "pthread_getattr_np");
	spared++;
	result = real(thread, attr);
	spared--;
	return result;
}

static int
starved(void)
{
	int64_t at;
	int fails = 0;

	if (slots == nothing || spared > 0)
		return 0;
	slots[ALLOC_CALLS]++;
	at = slots[ALLOC_AT];
	if (at > 0 && atomic_fetch_sub(&slots[ALLOC_AT], 1) == 1)
		fails = 1;
	if (slots[ALLOC_CHANCE] > 0 &&
	    chance(1000000) < (uint64_t)slots[ALLOC_CHANCE])
		fails = 1;
	if (fails) {
		slots[ALLOC_FAILED]++;
		errno = ENOMEM;
	}
	return fails;
}

void *
malloc(size_t size)
{
	REAL(void *, malloc, size_t);
	return starved() ? NULL : real(size);
}

void *
calloc(size_t n, size_t size)
{
	REAL(void *, calloc, size_t, size_t);
	return starved() ? NULL : real(n, size);
}

void *
realloc(void *p, size_t size)
{
	REAL(void *, realloc, void *, size_t);
	return size > 0 && starved() ? NULL : real(p, size);
}

/* sockets, and files that are no log */

enum kind { OTHER, SOCKET, FILE_OF_OURS };

static enum kind
kind_of(int fd)
{
	struct stat st;

	if (slots == nothing || fstat(fd, &st) != 0)
		return OTHER;
	if (S_ISSOCK(st.st_mode))
		return SOCKET;
	return S_ISREG(st.st_mode) && fd > STDERR_FILENO ? FILE_OF_OURS
							: OTHER;
}

static size_t
some(int64_t most, size_t len)
{
	size_t n = 1 + chance((uint64_t)most);

	return n < len ? n : len;
}

/* How many octets it may be; -1: none, and errno is set. */
static ssize_t
allowed(int fd, size_t len, int writes)
{
	enum kind kind = kind_of(fd);

	if (kind == SOCKET && slots[SOCKET_AGAIN] > 0 &&
	    chance(1000) < (uint64_t)slots[SOCKET_AGAIN]) {
		slots[SOCKET_CALLS]++;
		errno = chance(2) == 0 ? EINTR : EAGAIN;
		return -1;
	}
	if (kind == SOCKET && slots[SOCKET_MOST] > 0 && len > 0) {
		slots[SOCKET_CALLS]++;
		return (ssize_t)some(slots[SOCKET_MOST], len);
	}
	if (kind == FILE_OF_OURS && writes)
		hold(DISK_HOLD, DISK_HELD);
	if (kind == FILE_OF_OURS && writes && slots[DISK_ERRNO] != 0) {
		slots[DISK_FAILED]++;
		errno = (int)slots[DISK_ERRNO];
		return -1;
	}
	if (kind == FILE_OF_OURS && writes && slots[DISK_MOST] > 0 && len > 0) {
		slots[DISK_FAILED]++;
		return (ssize_t)some(slots[DISK_MOST], len);
	}
	return (ssize_t)len;
}

ssize_t
read(int fd, void *data, size_t len)
{
	ssize_t n = allowed(fd, len, 0);
	REAL(ssize_t, read, int, void *, size_t);
	return n < 0 ? -1 : real(fd, data, (size_t)n);
}

ssize_t
recv(int fd, void *data, size_t len, int flags)
{
	ssize_t n = allowed(fd, len, 0);
	REAL(ssize_t, recv, int, void *, size_t, int);
	return n < 0 ? -1 : real(fd, data, (size_t)n, flags);
}

ssize_t
write(int fd, const void *data, size_t len)
{
	ssize_t n = allowed(fd, len, 1);
	REAL(ssize_t, write, int, const void *, size_t);
	return n < 0 ? -1 : real(fd, data, (size_t)n);
}

ssize_t
send(int fd, const void *data, size_t len, int flags)
{
	ssize_t n = allowed(fd, len, 1);
	REAL(ssize_t, send, int, const void *, size_t, int);
	return n < 0 ? -1 : real(fd, data, (size_t)n, flags);
}

ssize_t
readv(int fd, const struct iovec *v, int count)
{
	ssize_t n = allowed(fd, count > 0 ? v[0].iov_len : 0, 0);
	struct iovec first = { .iov_base = count > 0 ? v[0].iov_base : NULL,
		.iov_len = n > 0 ? (size_t)n : 0 };
	REAL(ssize_t, readv, int, const struct iovec *, int);
	if (n < 0)
		return -1;
	return first.iov_len < (count > 0 ? v[0].iov_len : 0)
	    ? real(fd, &first, 1) : real(fd, v, count);
}

ssize_t
writev(int fd, const struct iovec *v, int count)
{
	ssize_t n = allowed(fd, count > 0 ? v[0].iov_len : 0, 1);
	struct iovec first = { .iov_base = count > 0 ? v[0].iov_base : NULL,
		.iov_len = n > 0 ? (size_t)n : 0 };
	REAL(ssize_t, writev, int, const struct iovec *, int);
	if (n < 0)
		return -1;
	return first.iov_len < (count > 0 ? v[0].iov_len : 0)
	    ? real(fd, &first, 1) : real(fd, v, count);
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t at)
{
	ssize_t n = allowed(fd, len, 1);
	REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
	return n < 0 ? -1 : real(fd, data, (size_t)n, at);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	ssize_t n = allowed(fd, len, 1);
	REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
	return n < 0 ? -1 : real(fd, data, (size_t)n, at);
}

int
ftruncate(int fd, off_t len)
{
	REAL(int, ftruncate, int, off_t);
	return allowed(fd, 0, 1) < 0 ? -1 : real(fd, len);
}

int
ftruncate64(int fd, off64_t len)
{
	REAL(int, ftruncate64, int, off64_t);
	return allowed(fd, 0, 1) < 0 ? -1 : real(fd, len);
}

int
fsync(int fd)
{
	REAL(int, fsync, int);
	return allowed(fd, 0, 1) < 0 ? -1 : real(fd);
}

int
fdatasync(int fd)
{
	REAL(int, fdatasync, int);
	return allowed(fd, 0, 1) < 0 ? -1 : real(fd);
}

/* descriptors */

static int
full(void)
{
	if (slots[OPEN_ERRNO] == 0)
		return 0;
	slots[OPEN_FAILED]++;
	errno = (int)slots[OPEN_ERRNO];
	return 1;
}

int
socket(int domain, int type, int protocol)
{
	REAL(int, socket, int, int, int);
	return full() ? -1 : real(domain, type, protocol);
}

int
accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	REAL(int, accept4, int, struct sockaddr *, socklen_t *, int);
	return full() ? -1 : real(fd, address, len, flags);
}

static mode_t
mode_in(int flags, va_list rest)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

int
open(const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;
	REAL(int, open, const char *, int, ...);
	va_start(rest, flags);
	mode = mode_in(flags, rest);
	va_end(rest);
	return full() ? -1 : real(path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;
	REAL(int, open64, const char *, int, ...);
	va_start(rest, flags);
	mode = mode_in(flags, rest);
	va_end(rest);
	return full() ? -1 : real(path, flags, mode);
}

FILE *
fopen(const char *path, const char *mode)
{
	REAL(FILE *, fopen, const char *, const char *);
	return full() ? NULL : real(path, mode);
}

FILE *
fopen64(const char *path, const char *mode)
{
	REAL(FILE *, fopen64, const char *, const char *);
	return full() ? NULL : real(path, mode);
}

/* names, and hashes of passwords */

int
getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **result)
{
	int numeric = hints != NULL && hints->ai_flags & AI_NUMERICHOST;
	int strange = node != NULL && strcmp(node, STRANGE) == 0;
	REAL(int, getaddrinfo, const char *, const char *,
	    const struct addrinfo *, struct addrinfo **);
	if (!numeric)
		hold(strange ? NAME_STRANGE : NAME_HOLD, NAME_HELD);
	if (!numeric && slots[NAME_ERROR] != 0)
		return (int)slots[NAME_ERROR];
	return real(node, service, hints, result);
}

/* Says that `name` is served by STRANGE. */
static int
answer_strangely(const char *name, unsigned char *answer)
{
	static const unsigned char head[] = { 0, 1, 0x80, 0, 0, 0, 0, 1 };
	static const unsigned char row[] = { 0, 33, 0, 1, 0, 0, 0, 60 };
	unsigned char target[64];
	int len = ns_name_pton(STRANGE, target, sizeof(target)) < 0 ? 0
	    : (int)strlen(STRANGE) + 2;
	unsigned char *at = answer + 12;

	memset(answer, 0, 12);
	memcpy(answer, head, sizeof(head));
	if (ns_name_pton(name, at, 256) < 0)
		return -1;
	at += strlen(name) + 2;
	memcpy(at, row, sizeof(row));
	at += sizeof(row);
	ns_put16((unsigned)(6 + len), at);
	ns_put16(0, at + 2);
	ns_put16(0, at + 4);
	ns_put16(993, at + 6);
	memcpy(at + 8, target, (size_t)len);
	return (int)(at + 8 + len - answer);
}

/* As with a name server that does not answer. */
int
res_nquery(res_state state, const char *name, int class, int type,
    unsigned char *answer, int size)
{
	REAL(int, res_nquery, res_state, const char *, int, int,
	    unsigned char *, int);
	hold(NAME_HOLD, NAME_HELD);
	if (slots[NAME_STRANGE] != 0)
		return answer_strangely(name, answer);
	return real(state, name, class, type, answer, size);
}

char *
crypt_r(const char *phrase, const char *setting, struct crypt_data *data)
{
	REAL(char *, crypt_r, const char *, const char *, struct crypt_data *);
	hold(HASH_HOLD, HASH_HELD);
	return real(phrase, setting, data);
}

/* time */

int
clock_gettime(clockid_t clock, struct timespec *time)
{
	int result;
	REAL(int, clock_gettime, clockid_t, struct timespec *);
	result = real(clock, time);
	if (result == 0 && (clock == CLOCK_REALTIME ||
	    clock == CLOCK_REALTIME_COARSE))
		time->tv_sec += slots[CLOCK_JUMP];
	return result;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	int result;
	REAL(int, gettimeofday, struct timeval *, void *);
	result = real(tv, zone);
	if (result == 0)
		tv->tv_sec += slots[CLOCK_JUMP];
	return result;
}

time_t
time(time_t *result)
{
	time_t now;
	REAL(time_t, time, time_t *);
	now = real(NULL) + slots[CLOCK_JUMP];
	if (result != NULL)
		*result = now;
	return now;
}
