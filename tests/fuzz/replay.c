/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Runs a fuzzer's function over the files of folders: libFuzzer's part where it is not used. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *folder, const char *name)
{
	uint8_t *data = NULL;
	size_t size = 0;
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "r");
	if (!file) {
		perror(path);
		return -1;
	}
	/* A buffer of just the file's size, so that ASan sees a read past it. */
	if (fseek(file, 0, SEEK_END) == 0) {
		size = (size_t)ftell(file);
		data = malloc(size ? size : 1);
		rewind(file);
	}
	if (!data || fread(data, 1, size, file) != size) {
		perror(path);
		free(data);
		fclose(file);
		return -1;
	}
	fclose(file);
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int main(int argc, char *argv[])
{
	unsigned int n = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *entry;

		if (!dir) {
			perror(argv[i]);
			return 1;
		}
		while ((entry = readdir(dir))) {
			if (entry->d_name[0] == '.')
				continue;
			if (replay(argv[i], entry->d_name) < 0)
				return 1;
			n++;
		}
		closedir(dir);
	}
	if (n == 0) {
		fprintf(stderr, "no files\n");
		return 1;
	}
	return 0;
}
