/* SPDX-License-Identifier: MIT */
/*
 * The least a walker can do: what a hundred lines without bounds, checks, names of
 * threads, columns or a document would read.  For CPython 3.11 to 3.15; to be
 * compared with, not to be used.
 */
#ifndef TESTS_BENCH_BARE_H
#define TESTS_BENCH_BARE_H

#include <sys/types.h>

#include "qxfer/python/offsets.h"

struct bare {
	pid_t pid;
	uint64_t runtime;
	const struct py_offsets *off;
	uint64_t walks;
	size_t threads, frames, reads;
	char text[1u << 18]; /* "File, line N, in NAME" of each frame */
	size_t len;
};

/* Walks every stack once, from nothing but the two addresses; the rest of *b is the result. */
void bare_walk(struct bare *b);

#endif
