#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "popbridge/base/check.h"

/*
 * Runs a fuzz target on files and on all files of directories, so that every
 * seed and every old crash is a test without libFuzzer.
 */

static unsigned long replayed;

static void
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t size = 0;
	char *data = NULL;
	char *exact;

	pb_check(f != NULL);
	for (;;) {
		size_t n;

		data = realloc(data, size + 65536);
		pb_check(data != NULL);
		n = fread(data + size, 1, 65536, f);
		size += n;
		if (n == 0)
			break;
	}
	fclose(f);
	printf("%s\n", path);
	fflush(stdout);
	exact = pbt_exact(pb_slice(data, size));
	LLVMFuzzerTestOneInput((const uint8_t *)exact, size);
	free(exact);
	free(data);
	replayed++;
}

static void
replay(const char *path)
{
	struct stat st;
	struct dirent *entry;
	DIR *dir;

	if (stat(path, &st) != 0) {
		fprintf(stderr, "replay: no such file: %s\n", path);
		exit(1);
	}
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path);
		return;
	}
	dir = opendir(path);
	pb_check(dir != NULL);
	for (entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		char name[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		replay_file(name);
	}
	closedir(dir);
}

int
main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		replay(argv[i]);
	if (replayed == 0) {
		fprintf(stderr, "replay: nothing to replay\n");
		return 1;
	}
	printf("%lu inputs\n", replayed);
	return 0;
}
