/* SPDX-License-Identifier: MIT */
/*
 * Writes an image of the synthetic library for debuggers to look at:
 *
 *	synth-image FILE [N]
 *
 * Of FOLDER/app.py, where FOLDER is FILE's, three functions; of rel/mod.py, a relative
 * path, two; and of N more functions in files of twenty each.  Prints how long the writing
 * took, in microseconds, and the image's size.
 */
#include <elf.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "qxfer/synth/synth.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* As CPython 3.12 has them: a first instruction on the line of the def. */
static const struct synth_row eat[] = {
	{ 0, 2, 10 }, { 2, 16, 12 }, { 16, 40, 11 }, { 40, 44, -1 }, { 44, 60, 13 }, { 60, 62, 11 },
};
static const struct synth_row one_line[] = { { 0, 2, 20 }, { 2, 8, 20 } };
static const struct synth_row module[] = {
	{ 0, 2, 0 }, { 2, 12, 1 }, { 12, 24, 10 }, { 24, 40, 300 }, { 40, 48, 25 },
};
static const struct synth_variable variables[] = {
	{ "self", true },
	{ "n", true },
	{ "total", false },
	{ "\xc3\xa9tat", false },
};

static const struct synth_code known[] = {
	{ 0x1000, "eat", NULL, "app.py", 10, 62, eat, LENGTH(eat), variables, 4 },
	{ 0x2000, "malloc", "Pool.malloc", "app.py", 20, 8, one_line, LENGTH(one_line), variables,
	  1 },
	{ 0x3000, "<module>", NULL, "app.py", 1, 48, module, LENGTH(module), NULL, 0 },
	{ 0x4000, "eat", NULL, "rel/mod.py", 10, 62, eat, LENGTH(eat), variables, 2 },
	{ 0x5000, "say \"\xc3\xa9\n\"", "a.<locals>.b\\c", "rel/mod.py", 20, 8, one_line,
	  LENGTH(one_line), NULL, 0 },
};

static void add(struct synth *s, const struct synth_code *code)
{
	const struct synth_function *f;
	struct err *err = synth_add(s, code, &f);
	if (err) {
		fprintf(stderr, "%s\n", err->msg);
		exit(1);
	}
}

/* The lines go up by ones, back now and then, as in loops. */
static void add_many(struct synth *s, unsigned int n)
{
	struct synth_row rows[100];
	char name[32], file[64];

	srandom(1);
	for (unsigned int i = 0; i < n; i++) {
		struct synth_code code = { .addr = 0x100000 + 0x100 * i,
					   .name = name,
					   .file = file };
		int32_t line = code.first_line = (int32_t)(random() % 3000) + 10;
		code.nrows = (size_t)random() % 80 + 20;
		for (size_t r = 0; r < code.nrows; r++) {
			uint32_t end = code.len + 2 + 2 * ((uint32_t)random() % 6);
			rows[r] = (struct synth_row){ code.len, end, line };
			code.len = end;
			line += random() % 8 ? (int32_t)(random() % 3) : -3;
		}
		code.rows = rows;
		code.variables = variables;
		code.nvariables = LENGTH(variables);
		snprintf(name, sizeof(name), "function_%u", i);
		snprintf(file, sizeof(file), "/usr/lib/python3/module_%u.py", i / 20);
		add(s, &code);
	}
}

static const struct synth_generation *commit(struct synth *s)
{
	const struct synth_generation *g = NULL;
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	struct err *err = synth_commit(s, &g);
	clock_gettime(CLOCK_MONOTONIC, &b);
	if (err || !g)
		exit(1);
	printf("%ld us, %zu bytes\n",
	       (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000, g->len);
	return g;
}

int main(int argc, char **argv)
{
	char folder[4000], path[4096];
	struct synth *s;

	if (argc < 2 || strlen(argv[1]) >= sizeof(folder))
		return 2;
	strcpy(folder, argv[1]); /* NOLINT: as long as was seen */
	const struct synth_options options = {
		.base = SYNTH_BASE, .machine = EM_X86_64, .directory = dirname(folder), .jit = true
	};
	if (synth_create(&options, &s))
		return 1;
	for (size_t i = 0; i < LENGTH(known); i++) {
		struct synth_code code = known[i];
		snprintf(path, sizeof(path), "%s/%s", options.directory, code.file);
		code.file = strcmp(code.file, "app.py") == 0 ? path : code.file;
		add(s, &code);
	}
	add_many(s, argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 0) : 0);
	const struct synth_generation *g = commit(s);
	FILE *f = fopen(argv[1], "we");
	if (!f || fwrite(g->bytes, 1, g->len, f) != g->len || fclose(f))
		return 1;
	synth_destroy(s);
	return 0;
}
