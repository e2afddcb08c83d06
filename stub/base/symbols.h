/* SPDX-License-Identifier: MIT */
/*
 * The functions of an ELF image by address: what to call a place in code.
 *
 * From the dynamic symbols in memory, from .symtab of the image's file, and from
 * .symtab of its separate debug file; whichever are there.
 */
#ifndef STUB_BASE_SYMBOLS_H
#define STUB_BASE_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stub/base/image.h"

struct symbol {
	uint64_t addr; /* at run time */
	uint64_t size; /* 0: not said; it reaches as far as the next one */
	uint32_t name; /* where in `names' */
	uint8_t rank;  /* of several at one address the lowest is shown */
};

/* All zero is an empty set. */
struct symbols {
	struct symbol *symbol; /* sorted by address after symbols_sort() */
	size_t n, cap;
	char *names;
	size_t names_len, names_cap;
	uint64_t looked_at; /* bytes read for it so far, whatever came of them */
};

void symbols_deinit(struct symbols *s);

/*
 * Each adds what it finds; nothing to be found is no error.  Only ERR_NOMEM.
 * symbols_add_static(): of the file that image_add_file() gave @img.
 * symbols_add_debug(): of the file @fd, which stays the caller's, if it is the
 * debug file of @img: by its build-id, or where one of the two has none and @crc is
 * given, by that being the checksum of the file (that of .gnu_debuglink).  *added says
 * whether it is.
 */
struct err *symbols_add_dynamic(struct symbols *s, struct image *img) MUST_CHECK;
struct err *symbols_add_static(struct symbols *s, struct image *img) MUST_CHECK;
struct err *symbols_add_debug(struct symbols *s, struct image *img, int fd, const uint32_t *crc,
			      bool *added) MUST_CHECK;

/* To be called after the last was added, and before the first is looked up. */
void symbols_sort(struct symbols *s);

/* The function that @addr is in; NULL if it has no name.  *offset is how far in. */
const char *symbols_find(const struct symbols *s, uint64_t addr, uint64_t *offset);

#endif
