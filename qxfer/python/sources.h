/* SPDX-License-Identifier: MIT */
/*
 * Source lines that the program itself has: of code that came from no file, if whoever
 * made it put its text where traceback looks, linecache.cache (Lib/linecache.py, 3.6 to
 * 3.15: { name: (size, mtime, lines, full name) }).
 */
#ifndef QXFER_PYTHON_SOURCES_H
#define QXFER_PYTHON_SOURCES_H

#include "qxfer/python/values.h"

/* Appends line @number of @file without blanks around it; false: the program has no such line. */
bool py_source_line(struct py_values *v, const char *file, int32_t number, struct buf *out);

#endif
