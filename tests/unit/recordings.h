/* SPDX-License-Identifier: MIT */
/*
 * What the unit tests that replay recorded memory (tests/mem/recorded.h) share: one
 * recording at a time, the walker over it, and what it writes.
 */
#ifndef TESTS_UNIT_RECORDINGS_H
#define TESTS_UNIT_RECORDINGS_H

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>

#include "qxfer/python/python.h"
#include "stub/base/buf.h"
#include "tests/mem/recorded.h"

static glob_t files; /* the recordings, once find_recordings() has been called */
static struct recorded rec;
static struct python *py;
static struct buf out;

static inline void open_recording(const char *path)
{
	cr_assert(recorded_load(path, &rec), "%s", path);
	cr_assert_null(python_create(&py));
}

static inline void close_recording(void)
{
	python_destroy(py);
	py = NULL;
	recorded_free(&rec);
	buf_deinit(&out);
}

static inline void find_recordings(const char *pattern)
{
	cr_assert_eq(glob(pattern, 0, NULL, &files), 0, "no recordings");
}

/* To end a test, wherever it ended. */
static inline void forget_recordings(void)
{
	close_recording();
	globfree(&files);
}

#define for_each_recording(i)                                                               \
	for (size_t i = 0; i < files.gl_pathc && (open_recording(files.gl_pathv[i]), true); \
	     close_recording(), i++)

static inline void *slurp(const char *path, size_t *len)
{
	static char text[1u << 20];
	FILE *f = fopen(path, "re");
	cr_assert_not_null(f, "%s is missing; UPDATE=1 makes it", path);
	*len = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	return text;
}

static inline void spit(const char *path, const struct buf *b)
{
	FILE *f = fopen(path, "we");
	cr_assert_not_null(f);
	cr_assert_eq(fwrite(b->data, 1, b->len, f), b->len);
	(void)fclose(f);
}

#endif
