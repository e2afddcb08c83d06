/* SPDX-License-Identifier: MIT */
/*
 * Memory that only the client sees, laid over the inferior's: the pictures of the
 * synthetic library, stacks and variables of virtual threads.
 *
 * It lies between the session's requests (m x M X qSearch qCRC) and the target.  Walkers
 * and the inferior itself never see it: nothing of it goes through struct mem.
 */
#ifndef STUB_OVERLAY_H
#define STUB_OVERLAY_H

#include "stub/base/mem.h"

/* Addresses that the inferior does not use, and what is to be seen there. */
struct overlay_area {
	uint64_t start, end;
	const char *what; /* for messages */
	/*
	 * Reads up to @len bytes at @addr, which lie within the area, and returns how many
	 * there are.  What it has begun to make for that stays until the stop ends.
	 */
	size_t (*read)(void *ctx, uint64_t addr, uint8_t *buf, size_t len);
};

struct overlay {
	const struct overlay_area *areas; /* sorted, apart; borrowed */
	size_t n;
	void *ctx;
};

/* As mem_read_some() of both together; @below has what lies in no area. */
size_t overlay_read(const struct overlay *o, struct mem *below, uint64_t addr, void *buf,
		    size_t len);

/* The first area that has any of [addr, addr + len), or NULL. */
const struct overlay_area *overlay_find(const struct overlay *o, uint64_t addr, uint64_t len);

#endif
