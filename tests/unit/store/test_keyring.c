#include "fixture.h"

#include "popbridge/base/mem.h"
#include "popbridge/store/keyring.h"

static const struct pb_seal_place place = { { "max", 3 }, "recoverable" };

#define NO_KEY \
	"g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static enum pb_status
read_keys(const struct folder *f, struct pb_keyring *ring, const char *text,
    mode_t mode, struct pb_error *err)
{
	write_file(f->key_file, pb_slice_str(text), mode);
	return pb_keyring_read(ring, f->key_file, err);
}

static void
a_file_of_keys_is_read_in_its_order(void **state)
{
	struct pb_keyring ring;
	struct pb_error err;
	struct folder f;

	(void)state;
	folder_new(&f);
	assert_int_equal(read_keys(&f, &ring, KEY_2 "\n\n" KEY_1, 0400, &err),
	    PB_OK);
	assert_int_equal(ring.n, 2);
	assert_int_equal(ring.keys[0].key[0], 0xf0);
	assert_int_equal(ring.keys[0].key[31], 0xef);
	assert_int_equal(ring.keys[1].key[31], 0x1f);
	assert_memory_not_equal(ring.keys[0].id, ring.keys[1].id,
	    PB_KEY_ID_SIZE);
	/* The name of a key is no part of it. */
	assert_memory_not_equal(ring.keys[1].id, ring.keys[1].key,
	    PB_KEY_ID_SIZE);
	folder_remove(&f);
}

static void
a_file_with_what_is_no_key_is_refused_and_not_quoted(void **state)
{
	static const char *const rows[] = {
		"", "\n\n", KEY_1 "0\n", KEY_1 " \n", KEY_1 "\r\n", "abc\n",
		KEY_1 "\ngeheim\n",
		NO_KEY "\n",
	};
	struct pb_keyring ring;
	struct pb_error err;
	struct folder f;
	size_t i;

	(void)state;
	folder_new(&f);
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		assert_int_equal(read_keys(&f, &ring, rows[i], 0600, &err),
		    PB_EINVAL);
		assert_int_equal(ring.n, 0);
		assert_non_null(strstr(err.text, f.key_file));
		assert_null(strstr(err.text, "geheim"));
		assert_null(strstr(err.text, "0102"));
	}
	folder_remove(&f);
}

static void
too_many_keys_are_refused(void **state)
{
	char text[(PB_KEYRING_MAX + 20) * 65 + 1];
	struct pb_keyring ring;
	struct pb_error err;
	struct folder f;
	size_t i;

	(void)state;
	folder_new(&f);
	text[0] = '\0';
	for (i = 0; i < PB_KEYRING_MAX; i++)
		memcpy(text + i * 65, KEY_1 "\n", 66);
	assert_int_equal(read_keys(&f, &ring, text, 0600, &err), PB_OK);
	assert_int_equal(ring.n, PB_KEYRING_MAX);
	assert_int_equal(pb_keyring_renew(&ring), PB_ETOOBIG);
	for (; i < PB_KEYRING_MAX + 20; i++) {
		memcpy(text + i * 65, KEY_1 "\n", 66);
		assert_int_equal(read_keys(&f, &ring, text, 0600, &err),
		    PB_EINVAL);
	}
	folder_remove(&f);
}

static void
a_file_that_others_can_get_at_is_refused(void **state)
{
	static const struct {
		mode_t mode;
		enum pb_status st;
	} rows[] = {
		{ 0600, PB_OK }, { 0400, PB_OK }, { 0440, PB_OK },
		{ 0640, PB_OK }, { 0604, PB_EINVAL }, { 0644, PB_EINVAL },
		{ 0602, PB_EINVAL }, { 0660, PB_EINVAL }, { 0666, PB_EINVAL },
	};
	struct pb_keyring ring;
	struct pb_error err;
	struct folder f;
	size_t i;

	(void)state;
	folder_new(&f);
	for (i = 0; i < COUNT(rows); i++) {
		ROW(rows, i);
		unlink(f.key_file);
		assert_int_equal(read_keys(&f, &ring, KEY_1, rows[i].mode,
		    &err), rows[i].st);
		if (rows[i].st != PB_OK)
			assert_non_null(strstr(err.text, "chmod 600"));
	}
	folder_remove(&f);
}

static void
what_is_no_file_is_refused_and_what_is_not_there_is_said(void **state)
{
	struct pb_keyring ring;
	struct pb_error err;
	struct folder f;

	(void)state;
	folder_new(&f);
	assert_int_equal(pb_keyring_read(&ring, f.key_file, &err), PB_EOF);
	assert_non_null(strstr(err.text, "no such file"));
	assert_int_equal(pb_keyring_read(&ring, f.path, &err), PB_EINVAL);
	assert_int_equal(mkfifo(f.key_file, 0600), 0);
	assert_int_equal(pb_keyring_read(&ring, f.key_file, &err), PB_EINVAL);
	folder_remove(&f);
}

static void
what_is_written_is_read_again_and_keeps_its_mode(void **state)
{
	struct pb_keyring ring = { .n = 0 };
	struct pb_keyring again;
	struct pb_error err;
	struct stat st;
	struct folder f;

	(void)state;
	folder_new(&f);
	assert_int_equal(pb_keyring_renew(&ring), PB_OK);
	assert_int_equal(pb_keyring_renew(&ring), PB_OK);
	assert_memory_not_equal(&ring.keys[0], &ring.keys[1],
	    sizeof(ring.keys[0]));
	assert_int_equal(pb_keyring_write(&ring, f.key_file, &err), PB_OK);
	assert_int_equal(stat(f.key_file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(pb_keyring_read(&again, f.key_file, &err), PB_OK);
	assert_int_equal(again.n, 2);
	assert_memory_equal(again.keys, ring.keys, 2 * sizeof(ring.keys[0]));
	assert_int_equal(chmod(f.key_file, 0640), 0);
	assert_int_equal(pb_keyring_write(&ring, f.key_file, &err), PB_OK);
	assert_int_equal(stat(f.key_file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	folder_remove(&f);
}

static void
a_file_that_cannot_be_written_leaves_nothing_behind(void **state)
{
	struct pb_keyring ring = { .n = 0 };
	char path[128];
	struct pb_error err;
	struct folder f;

	(void)state;
	folder_new(&f);
	assert_int_equal(pb_keyring_renew(&ring), PB_OK);
	snprintf(path, sizeof(path), "%s/none/x", f.path);
	assert_int_equal(pb_keyring_write(&ring, path, &err), PB_EIO);
	/* A folder cannot be replaced by a file. */
	assert_int_equal(mkdir(f.key_file, 0700), 0);
	assert_int_equal(pb_keyring_write(&ring, f.key_file, &err), PB_EIO);
	assert_int_equal(rmdir(f.key_file), 0);
	folder_remove(&f);
}

static void
ring_of(struct pb_keyring *ring, const char *text)
{
	struct pb_error err;
	struct folder f;

	folder_new(&f);
	assert_int_equal(read_keys(&f, ring, text, 0600, &err), PB_OK);
	folder_remove(&f);
}

static void
what_is_sealed_opens_at_its_place_only(void **state)
{
	static const struct pb_seal_place others[] = {
		{ { "moritz", 6 }, "recoverable" },
		{ { "max", 3 }, "upstream_password" },
		{ { "maxr", 4 }, "ecoverable" },
		{ { "", 0 }, "recoverable" },
	};
	uint8_t sealed[6 + PB_SEAL_EXTRA];
	uint8_t again[6 + PB_SEAL_EXTRA];
	struct pb_slice s = { (const char *)sealed, sizeof(sealed) };
	struct pb_secret out = { .priv_data = NULL };
	struct pb_keyring ring;
	size_t i;

	(void)state;
	ring_of(&ring, KEY_1);
	assert_int_equal(pb_seal(&ring, &place, OCTETS("geheim"), sealed),
	    PB_OK);
	assert_int_equal(pb_seal(&ring, &place, OCTETS("geheim"), again),
	    PB_OK);
	assert_memory_not_equal(sealed, again, sizeof(sealed));
	assert_null(memmem(sealed, sizeof(sealed), "geheim", 6));
	assert_int_equal(pb_unseal(&ring, &place, s, &out), PB_OK);
	ASSERT_TEXT(pb_secret_reveal(&out), "geheim");
	for (i = 0; i < COUNT(others); i++) {
		ROW(others, i);
		assert_int_equal(pb_unseal(&ring, &others[i], s, &out),
		    PB_EINVAL);
		assert_int_equal(pb_secret_reveal(&out).len, 0);
	}
}

static void
every_changed_or_missing_octet_is_noticed(void **state)
{
	uint8_t sealed[6 + PB_SEAL_EXTRA];
	struct pb_secret out = { .priv_data = NULL };
	struct pb_keyring ring;
	struct pbt_guarded g;
	enum pb_status st;
	size_t i;

	(void)state;
	ring_of(&ring, KEY_1);
	assert_int_equal(pb_seal(&ring, &place, OCTETS("geheim"), sealed),
	    PB_OK);
	for (i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1;
		st = pb_unseal(&ring, &place, pb_slice((char *)sealed,
		    sizeof(sealed)), &out);
		/* In its id it is a key that is not there. */
		assert_int_equal(st, i >= 1 && i <= PB_KEY_ID_SIZE ? PB_AGAIN
								   : PB_EINVAL);
		sealed[i] ^= 1;
		pbt_guard(&g, pb_slice((char *)sealed, i));
		assert_int_equal(pb_unseal(&ring, &place, g.octets, &out),
		    PB_EINVAL);
		pbt_unguard(&g);
	}
}

static void
an_older_key_opens_and_the_newest_seals(void **state)
{
	uint8_t sealed[6 + PB_SEAL_EXTRA];
	struct pb_slice s = { (const char *)sealed, sizeof(sealed) };
	struct pb_secret out = { .priv_data = NULL };
	uint8_t id[PB_KEY_ID_SIZE];
	struct pb_keyring old;
	struct pb_keyring both;
	struct pb_keyring other;

	(void)state;
	ring_of(&old, KEY_1);
	ring_of(&both, KEY_2 "\n" KEY_1);
	ring_of(&other, KEY_2);
	assert_int_equal(pb_seal(&old, &place, OCTETS("geheim"), sealed),
	    PB_OK);
	assert_int_equal(pb_unseal(&both, &place, s, &out), PB_OK);
	assert_int_equal(pb_unseal(&other, &place, s, &out), PB_AGAIN);
	assert_int_equal(pb_seal(&both, &place, OCTETS("geheim"), sealed),
	    PB_OK);
	assert_int_equal(pb_seal_key(s, id), PB_OK);
	assert_ptr_equal(pb_keyring_find(&both, id), &both.keys[0]);
	assert_int_equal(pb_unseal(&old, &place, s, &out), PB_AGAIN);
	assert_int_equal(pb_unseal(&other, &place, s, &out), PB_OK);
	pb_secret_clear(&out);
}

static void
a_secret_has_a_maximum_and_needs_memory(void **state)
{
	static char secret[PB_SEAL_MAX + 1];
	static uint8_t sealed[PB_SEAL_MAX + PB_SEAL_EXTRA + 1];
	struct pb_slice s = { (const char *)sealed, sizeof(sealed) - 1 };
	struct pb_secret out = { .priv_data = NULL };
	struct pb_keyring ring;
	unsigned long n;

	(void)state;
	ring_of(&ring, KEY_1);
	assert_int_equal(pb_seal(&ring, &place, pb_slice(secret,
	    sizeof(secret)), sealed), PB_ETOOBIG);
	assert_int_equal(pb_seal(&ring, &place, pb_slice(secret, PB_SEAL_MAX),
	    sealed), PB_OK);
	for (n = 1; n <= 2; n++) {
		pb_mem_fail_from(n);
		assert_int_equal(pb_unseal(&ring, &place, s, &out),
		    PB_ENOMEM);
	}
	pb_mem_fail_from(0);
	assert_int_equal(pb_unseal(&ring, &place, s, &out), PB_OK);
	assert_int_equal(pb_secret_reveal(&out).len, PB_SEAL_MAX);
	s.len++;
	assert_int_equal(pb_unseal(&ring, &place, s, &out), PB_EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_keys_is_read_in_its_order),
		cmocka_unit_test(
		    a_file_with_what_is_no_key_is_refused_and_not_quoted),
		cmocka_unit_test(too_many_keys_are_refused),
		cmocka_unit_test(a_file_that_others_can_get_at_is_refused),
		cmocka_unit_test(
		    what_is_no_file_is_refused_and_what_is_not_there_is_said),
		cmocka_unit_test(
		    what_is_written_is_read_again_and_keeps_its_mode),
		cmocka_unit_test(
		    a_file_that_cannot_be_written_leaves_nothing_behind),
		cmocka_unit_test(what_is_sealed_opens_at_its_place_only),
		cmocka_unit_test(every_changed_or_missing_octet_is_noticed),
		cmocka_unit_test(an_older_key_opens_and_the_newest_seals),
		cmocka_unit_test(a_secret_has_a_maximum_and_needs_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
