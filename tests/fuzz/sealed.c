#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "popbridge/base/check.h"
#include "popbridge/store/keyring.h"

/*
 * A file of keys, and behind RS (0x1e) something that was sealed.  What opens
 * must be what seals to the same length, with a key of the file; and whatever
 * is changed in it does not open any more.
 */

#define FILE_FD 100
#define FILE_NAME "/proc/self/fd/100"

static const struct pb_seal_place place = { .account = { "max", 3 },
	.column = "password" };

static void
fill_file(struct pb_slice octets)
{
	static bool made;

	if (!made) {
		int fd = memfd_create("fuzz", 0);

		pb_check(fd >= 0 && dup2(fd, FILE_FD) == FILE_FD);
		close(fd);
		pb_check(fchmod(FILE_FD, 0600) == 0);
		made = true;
	}
	pb_check(ftruncate(FILE_FD, 0) == 0);
	pb_check(pwrite(FILE_FD, octets.data, octets.len, 0) ==
	    (ssize_t)octets.len);
}

static void
check_error(const struct pb_error *err)
{
	const char *p;

	pb_check(err->kind != PB_ERROR_NONE && err->text[0] != '\0');
	for (p = err->text; *p != '\0'; p++)
		pb_check(*p >= ' ' && *p <= '~');
}

/* Sealed by a key of the file, and damaged in one octet. */
static void
seal_and_damage(const struct pb_keyring *ring, struct pb_slice text)
{
	uint8_t sealed[PB_SEAL_EXTRA + 64];
	struct pb_secret secret = { NULL, 0 };
	struct pb_slice octets;
	size_t at;

	text.len = text.len < 64 ? text.len : 64;
	pb_check(pb_seal(ring, &place, text, sealed) == PB_OK);
	octets = pb_slice((const char *)sealed, text.len + PB_SEAL_EXTRA);
	pb_check(pb_unseal(ring, &place, octets, &secret) == PB_OK);
	pb_check(pb_secret_reveal(&secret).len == text.len && (text.len == 0 ||
	    memcmp(pb_secret_reveal(&secret).data, text.data, text.len) == 0));
	at = (text.len > 0 ? (unsigned char)text.data[0] : 0) % octets.len;
	sealed[at] ^= 1;
	pb_check(pb_unseal(ring, &place, octets, &secret) != PB_OK);
	pb_secret_clear(&secret);
}

static void
unseal(const struct pb_keyring *ring, struct pb_slice sealed)
{
	struct pb_secret secret = { NULL, 0 };
	enum pb_status st = pb_unseal(ring, &place, sealed, &secret);
	uint8_t id[PB_KEY_ID_SIZE];

	pb_check(st == PB_OK || st == PB_AGAIN || st == PB_EINVAL);
	pb_check(st == PB_EINVAL || pb_seal_key(sealed, id) == PB_OK);
	pb_check(st != PB_AGAIN || pb_keyring_find(ring, id) == NULL);
	pb_check(st == PB_OK || pb_secret_reveal(&secret).len == 0);
	pb_check(st != PB_OK || pb_secret_reveal(&secret).len +
	    PB_SEAL_EXTRA == sealed.len);
	pb_secret_clear(&secret);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pb_slice in = pb_slice((const char *)data, size);
	size_t end = pb_slice_find(in, '\x1e');
	struct pb_error err = { .kind = PB_ERROR_NONE };
	struct pb_keyring ring;
	enum pb_status st;

	fill_file(pb_slice_sub(in, 0, end));
	st = pb_keyring_read(&ring, FILE_NAME, &err);
	pb_check(st == PB_OK || st == PB_EINVAL || st == PB_EIO);
	pb_check((st == PB_OK) == (ring.n > 0));
	if (st != PB_OK) {
		check_error(&err);
		return 0;
	}
	pb_slice_skip(&in, end < in.len ? end + 1 : end);
	unseal(&ring, in);
	seal_and_damage(&ring, in);
	pb_keyring_clear(&ring);
	return 0;
}
