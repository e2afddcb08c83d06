/* SPDX-License-Identifier: MIT */
/*
 * The names that a runtime gives to the code that it makes: /tmp/perf-PID.map, for perf (Linux,
 * tools/perf/Documentation/jit-interface.txt): "START SIZE NAME" a line, in hex.
 *
 * The file is the inferior's, in its root and by its own process number.  A name is a name: what the
 * file says of where code lies is asked about code alone that was found otherwise.
 */
#ifndef QXFER_JIT_PERFMAP_H
#define QXFER_JIT_PERFMAP_H

#include <sys/types.h>

#include "stub/base/space.h"

#define PERFMAP_MAX	    (32u << 20) /* bytes that are read */
#define PERFMAP_ENTRIES_MAX (1u << 19)
#define PERFMAP_NAME_MAX    200u

struct perfmap_entry {
	uint64_t start, len;
	uint32_t name, name_len; /* in text */
	uint32_t line;		 /* of two about one place the later counts */
};

/* All zero is an empty one. */
struct perfmap {
	char *text;
	struct perfmap_entry *entry; /* by start, then line */
	size_t n;
	dev_t dev;
	ino_t inode;
	off_t size;
};

void perfmap_deinit(struct perfmap *m);
/* Reads it anew if it has changed; without one, or out of memory, it is empty. */
void perfmap_refresh(struct perfmap *m, const struct space *s);
/* Takes @len bytes at @text, which become its own (malloc). */
void perfmap_parse(struct perfmap *m, char *text, size_t len);

/* The name of the code that begins at @addr; false: it has none. */
bool perfmap_name(const struct perfmap *m, uint64_t addr, char name[PERFMAP_NAME_MAX]);

#endif
