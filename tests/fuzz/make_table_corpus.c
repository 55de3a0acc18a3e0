// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Seeds for fuzz_table, compiled of random rules, into a folder. With "check"
 * before the folder: are those that are there still tables?
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "compile.h"
#include "random_rules.h"
#include "table.h"

#define SEEDS 16
#define SEED_MAX 16384

/* The image of as many statements as fit into a small file. */
static void *make_image(uint64_t seed, size_t *ret_size)
{
	struct compiled *compiled = NULL;
	void *image = NULL;

	for (unsigned int n = seed * 2; !image; n--) {
		struct random random = {seed};
		struct anybind_ruleset *rs = random_ruleset(&random, n % 8 ? n : n + 1);

		if (compile(&compiled, rs, NULL) < 0)
			abort();
		*ret_size = compile_size(compiled);
		if (*ret_size <= SEED_MAX) {
			image = calloc(1, *ret_size);
			if (!image)
				abort();
			compile_write(compiled, seed, 1700000000, image);
		}
		compile_free(compiled);
		anybind_ruleset_free(rs);
	}
	return image;
}

static int make(const char *path, uint64_t seed)
{
	size_t size;
	_cleanup_free_ void *image = make_image(seed, &size);
	FILE *file = fopen(path, "w");

	if (!file || fwrite(image, size, 1, file) != 1 || fclose(file)) {
		perror(path);
		return -1;
	}
	return 0;
}

static int check(const char *path)
{
	_cleanup_free_ void *image = aligned_alloc(64, SEED_MAX);
	struct anybind_ruleset *rs = NULL;
	FILE *file = fopen(path, "r");
	struct table table;
	size_t size;

	if (!file || !image) {
		perror(path);
		return -1;
	}
	size = fread(image, 1, SEED_MAX, file);
	fclose(file);
	if (table_open(&table, image, size, NULL) < 0 || table_ruleset(&table, &rs, NULL) < 0) {
		fprintf(stderr, "%s is no table of this version: run make_table_corpus FOLDER\n",
			path);
		return -1;
	}
	anybind_ruleset_free(rs);
	return 0;
}

int main(int argc, char *argv[])
{
	bool only_check = argc == 3 && !strcmp(argv[1], "check");

	if (argc < 2) {
		fprintf(stderr, "Usage: make_table_corpus [check] FOLDER\n");
		return EXIT_FAILURE;
	}
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/seed-%02u", argv[argc - 1], (unsigned int)seed);
		if ((only_check ? check(path) : make(path, seed)) < 0)
			return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
