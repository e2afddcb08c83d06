/* SPDX-License-Identifier: MIT */
#include "qxfer/v8/sizes.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK	  (1u << 20)
#define START_LEN (sizeof(BYTECODE_SIZES_START) - 1)
#define SEARCHED  (512ull << 20) /* bytes at most */

/* In @len bytes; of those at the end only what is whole is taken. */
static bool search(const uint8_t *bytes, size_t len, struct v8_bytecode_sizes *ret)
{
	const uint8_t *at = bytes, *end = bytes + len;
	while ((at = memmem(at, (size_t)(end - at), BYTECODE_SIZES_START, START_LEN)) != NULL) {
		if (bytecode_sizes_parse(at, (size_t)(end - at), ret))
			return true;
		at++;
	}
	return false;
}

static bool search_map(const struct space *s, const struct map *m, uint8_t *bytes, uint64_t *left,
		       struct v8_bytecode_sizes *ret)
{
	for (uint64_t at = m->start; at < m->end && *left >= CHUNK;) {
		size_t want = m->end - at < CHUNK ? (size_t)(m->end - at) : CHUNK;
		size_t got = mem_read_some(s->mem, at, bytes, want);
		*left -= CHUNK;
		if (search(bytes, got, ret))
			return true;
		if (got < want || want < CHUNK)
			break;
		at += CHUNK - BYTECODE_SIZES_MAX;
	}
	return false;
}

void v8_sizes_find(const struct space *s, struct v8_bytecode_sizes *ret)
{
	uint8_t *bytes = malloc(CHUNK);
	uint64_t left = SEARCHED;
	bool found = !bytes;

	for (size_t i = 0; i < s->maps->n && !found; i++) {
		const struct map *m = &s->maps->map[i];
		if (m->inode && m->prot & MAP_R && !(m->prot & MAP_W))
			found = search_map(s, m, bytes, &left, ret);
	}
	free(bytes);
}
