/* SPDX-License-Identifier: MIT */
/*
 * Source lines inside a text about Python.
 *
 * Files are slow and an inferior that is stopped is waiting: so the text says only
 * where which line belongs, and the lines are read and put in afterwards, when the
 * inferior may run again or be gone.
 */
#ifndef QXFER_PYTHON_QUOTES_H
#define QXFER_PYTHON_QUOTES_H

#include "stub/base/arena.h"
#include "stub/base/buf.h"

#define PY_QUOTE_FILES 256u /* of one text; lines of more files are left out */

struct py_quote {
	size_t at; /* in the text: the line goes before this byte */
	const char *file;
	int32_t number;	  /* 1 is the first */
	const char *text; /* the line itself, if memory had it; else NULL */
	unsigned int margin;
};

/* All zero: none are wanted yet. */
struct py_quotes {
	struct py_quote *line; /* by place */
	size_t n, cap;
	const char *file[PY_QUOTE_FILES];
	size_t nfiles;
	const char *last; /* the one of them that was asked for last */
	struct arena arena;
	/* Of lines wanted from now on: before them come so many blanks and "| ", if any. */
	unsigned int margin;
	bool failed; /* out of memory; lines are missing */
};

/* Where lines come from. */
struct py_quote_source {
	/* Appends the line without blanks around it, as UTF-8 for a terminal; false: no such line. */
	bool (*line)(void *ctx, const char *file, int32_t number, struct buf *out);
	void *ctx;
};

void py_quotes_deinit(struct py_quotes *l);

/*
 * Line @number of @file belongs behind what @out has now, after four blanks.  With
 * @text it is that, and no file is read.  @l may be NULL: no lines.
 */
void py_quotes_want(struct py_quotes *l, const struct buf *out, const char *file, int32_t number,
		    const char *text);

/* Appends @text to @out, with the lines that there are. */
void py_quotes_put(const struct py_quotes *l, const struct buf *text,
		   const struct py_quote_source *source, struct buf *out);

#endif
