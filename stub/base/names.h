/* SPDX-License-Identifier: MIT */
/*
 * The names that a process's C functions are called by: the dynamic symbols of the program
 * and its libraries.
 */
#ifndef STUB_BASE_NAMES_H
#define STUB_BASE_NAMES_H

#include <stdbool.h>

#include "stub/base/space.h"
#include "stub/base/symbols.h"

/* All zero is an empty set. */
struct names {
	struct symbols symbols;
	uint32_t *slot; /* open addressing: numbers of symbols, plus one */
	size_t slots;	/* a power of two, or 0 */
};

/*
 * Adds those of every mapped file of @space that is an ELF image.  What cannot be read, and what is
 * beyond 64 MB of tables, is left out.  Only ERR_NOMEM.
 */
struct err *names_add(struct names *n, const struct space *space) MUST_CHECK;
void names_deinit(struct names *n);

bool names_has(const struct names *n, const char *name);

#endif
