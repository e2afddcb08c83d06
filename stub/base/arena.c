/* SPDX-License-Identifier: MIT */
#include "stub/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE 32768u

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, cap;
	alignas(max_align_t) uint8_t data[];
};

static struct arena_chunk *new_chunk(size_t len)
{
	size_t cap = len > CHUNK_SIZE ? len : CHUNK_SIZE;
	struct arena_chunk *c = malloc(sizeof(*c) + cap);
	if (c) {
		c->next = NULL;
		c->used = 0;
		c->cap = cap;
	}
	return c;
}

void *arena_alloc(struct arena *a, size_t len)
{
	if (len > SIZE_MAX / 2)
		return NULL;
	len = (len + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!a->chunk || len > a->chunk->cap - a->chunk->used) {
		struct arena_chunk *c = new_chunk(len);
		if (!c)
			return NULL;
		c->next = a->chunk;
		a->chunk = c;
	}
	void *p = a->chunk->data + a->chunk->used;
	a->chunk->used += len;
	return memset(p, 0, len);
}

char *arena_strdup(struct arena *a, const void *data, size_t len)
{
	char *p = arena_alloc(a, len + 1);
	if (p && len)
		memcpy(p, data, len);
	return p;
}

void arena_reset(struct arena *a)
{
	while (a->chunk && a->chunk->next) {
		struct arena_chunk *next = a->chunk->next;
		free(a->chunk);
		a->chunk = next;
	}
	if (a->chunk)
		a->chunk->used = 0;
}

void arena_deinit(struct arena *a)
{
	arena_reset(a);
	free(a->chunk);
	a->chunk = NULL;
}
