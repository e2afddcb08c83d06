/* SPDX-License-Identifier: MIT */
/*
 * Memory that is given back all at once: many small pieces with one lifetime.
 */
#ifndef STUB_BASE_ARENA_H
#define STUB_BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunk; /* the newest; all zero is an empty arena */
};

/* @len zeroed bytes, aligned for anything; NULL if out of memory. */
void *arena_alloc(struct arena *a, size_t len);
/* A copy of @len bytes and a NUL after them; NULL if out of memory. */
char *arena_strdup(struct arena *a, const void *data, size_t len);
/* Forgets every piece; keeps a chunk for what comes next. */
void arena_reset(struct arena *a);
void arena_deinit(struct arena *a);

#endif
