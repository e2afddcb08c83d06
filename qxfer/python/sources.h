/* SPDX-License-Identifier: MIT */
/*
 * Source lines that the program itself has: of code that came from no file, if whoever
 * made it put its text where traceback looks, linecache.cache (Lib/linecache.py, 3.6 to
 * 3.15: { name: (size, mtime, lines, full name) }).
 */
#ifndef QXFER_PYTHON_SOURCES_H
#define QXFER_PYTHON_SOURCES_H

#include "qxfer/python/values.h"

struct py_source {
	struct py_values *v;
	uint64_t lines; /* the list of them */
	uint64_t n;
};

/* Looks for the text of @file; false: the program does not have it. */
bool py_source_open(struct py_values *v, const char *file, struct py_source *ret);
/*
 * Appends line @number, 1 is the first, without its end: @whole, or without blanks around
 * it.  False: there is no such line.
 */
bool py_source_put(const struct py_source *s, int64_t number, bool whole, struct buf *out);

#endif
