/* SPDX-License-Identifier: MIT */
/* An ELF image's gaps, analysed: what of the tables never changes. */
#ifndef QXFER_JIT_OBJECT_H
#define QXFER_JIT_OBJECT_H

#include "qxfer/jit/flow.h"
#include "qxfer/jit/gaps.h"
#include "qxfer/jit/jit.h"

#define OBJECT_KEY_MAX 64u

struct object_part {
	uint32_t start, end; /* offsets from lo */
	uint32_t kind;	     /* enum jit_kind */
};

struct object {
	uint64_t first, dev, inode; /* of the mapping that it begins with */
	uint64_t lo, hi;
	char *path;
	struct object_part *part; /* by address */
	size_t nparts;
	struct jit_table table; /* offsets are from lo */
	bool seen;
};

void object_free(struct object *o);

/*
 * The image whose first mapping is @first; *ret is NULL if that is none.  @f: NULL: by the fallback.
 * Only ERR_NOMEM.
 */
struct err *object_open(const struct space *s, const struct map *first, struct flow *f,
			const struct jit_store *store, struct object **ret) MUST_CHECK;

/* The part that @offset from lo lies in; NULL: none. */
const struct object_part *object_part_at(const struct object *o, uint64_t offset);

/* saved.c: what is kept of it, and back; false: @data is nothing that was written so. */
void object_save(const struct object *o, struct buf *out);
bool object_restore(struct object *o, const uint8_t *data, size_t len);

#endif
