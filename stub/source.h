/* SPDX-License-Identifier: MIT */
/*
 * Lines of source files as the inferior sees them: below its root directory, in
 * its mount namespace, relative names from its working directory.
 *
 * What a file says it is encoded in (PEP 263) is honoured for UTF-8, Latin-1 and
 * ASCII; of other encodings, what is not ASCII is shown as \x80.
 */
#ifndef STUB_SOURCE_H
#define STUB_SOURCE_H

#include "qxfer/python_quotes.h"
#include "stub/target/target.h"

#define SOURCE_FILE_MAX	 (16u << 20) /* bytes; a longer file is not read */
#define SOURCE_BYTES_MAX (64u << 20) /* of all files together */

struct source_file {
	char *name;
	char *data; /* NULL: not to be had */
	size_t len;
	int os_errno; /* why not */
	size_t *line; /* where each begins, and one more */
	size_t nlines;
	bool latin1, bytes; /* neither: UTF-8 */
};

/* All zero but the descriptors: nothing was read yet. */
struct source {
	int root, cwd; /* -1: there is none; owned */
	struct source_file *file;
	size_t n, cap, bytes;
};

/* From now on @t may move and end; the files stay to be read. */
void source_open(struct source *s, struct target *t);
void source_close(struct source *s);

/* A file that was read, or of which is known why it was not; NULL: out of memory. */
const struct source_file *source_file(struct source *s, const char *name);
/*
 * Appends line @number of @f (1 is the first) as UTF-8 fit for a terminal, tabs as
 * they are; false: it has no such line.
 */
bool source_line(const struct source_file *f, int32_t number, struct buf *out);

/* What py_quotes_put() asks for a line. */
struct py_quote_source source_lines(struct source *s);

#endif
