/* SPDX-License-Identifier: MIT */
/*
 * The mappings of an inferior, sorted by address.
 *
 * Parsed from the text of /proc/PID/maps for a live process; a core builds the
 * same list from its program headers and NT_FILE.
 */
#ifndef STUB_BASE_MAPS_H
#define STUB_BASE_MAPS_H

#include <stddef.h>
#include <stdint.h>

#include "stub/base/err.h"

enum map_prot { MAP_R = 1, MAP_W = 2, MAP_X = 4, MAP_SHARED_MEM = 8 };

struct map {
	uint64_t start, end; /* [start, end) */
	uint64_t offset;     /* of `start` in the file */
	uint64_t dev, inode; /* inode 0: anonymous */
	unsigned int prot;   /* enum map_prot */
	char *path;	     /* as the inferior sees it, or "[heap]"..; "" if none.  Owned. */
};

struct maps {
	struct map *map;
	size_t n;
};

/* Replaces *ret by the mappings in @text; lines that do not parse are an ERR_BAD_DATA. */
struct err *maps_parse(const char *text, size_t len, struct maps *ret) MUST_CHECK;
void maps_deinit(struct maps *m);

/* The mapping that holds @addr, or NULL.  Binary search; lent by @m. */
const struct map *maps_find(const struct maps *m, uint64_t addr);

/*
 * The program's first mapping, or NULL: the lowest of a file, as Linux puts libraries
 * above the program.  Anonymous memory may lie lower: mimalloc, which free-threaded
 * Pythons allocate with, asks for addresses from 2 TiB on.  Lent by @m.
 */
const struct map *maps_program(const struct maps *m);

#endif
