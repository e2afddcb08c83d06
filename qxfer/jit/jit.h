/* SPDX-License-Identifier: MIT */
/*
 * Code of a process that no ELF unwind table covers, and how to unwind it all the same.
 *
 * Two sorts.  Gaps in images (assembler without annotations, V8's builtins) never change:
 * they are analysed once, and kept by the image's build-id where a store is given.  Anonymous
 * executable memory, which a runtime compiles into, is read at each stop.
 *
 * Through memory and mappings alone, so that a core or a recording serves as well.
 */
#ifndef QXFER_JIT_JIT_H
#define QXFER_JIT_JIT_H

#include "qxfer/jit/rows.h"
#include "stub/base/buf.h"
#include "stub/base/space.h"

enum jit_kind {
	JIT_GAP,
	JIT_V8_BUILTINS,
	JIT_V8_CODE,
	JIT_WASM, /* or other code whose functions begin with a frame */
	JIT_PERF_TRAMPOLINE,
	JIT_PYTHON,
	JIT_UNKNOWN,
	JIT_KINDS,
};

/* "v8-builtins". */
const char *jit_kind_name(enum jit_kind kind);
/* What it is, in words. */
const char *jit_kind_text(enum jit_kind kind);

/* Where what was found out about an image is kept; both may fail silently. */
struct jit_store {
	/* Appends what was stored under @key, a name of letters, digits and dashes. */
	bool (*load)(void *ctx, const char *key, struct buf *out);
	void (*save)(void *ctx, const char *key, const void *data, size_t len);
	void *ctx;
};

struct jit;

struct err *jit_create(struct jit **ret) MUST_CHECK;
void jit_destroy(struct jit *j);
/* @store is borrowed; NULL: none. */
void jit_set_store(struct jit *j, const struct jit_store *store);

struct jit_place {
	enum jit_kind kind;
	struct jit_rule rule;
	uint64_t start, end; /* of the function, or of the region if there is none */
	const char *name;    /* of the function, or NULL; lent until the next stop */
};

/*
 * What holds at @pc, which no unwind table describes.  False: it is not code of these sorts.
 * Only that image or area is analysed that @pc lies in.
 */
bool jit_find(struct jit *j, const struct space *s, uint64_t pc, struct jit_place *ret);

/* Whether a runtime may compile into this mapping. */
bool jit_is_compiled(const struct map *m);

struct jit_region {
	uint64_t start, end;
	enum jit_kind kind;
	const char *path;	       /* of the image, or NULL */
	const struct jit_table *table; /* offset 0 of which is at @base; lent until the next stop */
	uint64_t base;
	uint64_t version; /* another one: the table has changed */
	bool fixed;	  /* it never does */
	bool second;	  /* mapped besides the image that it is of */
};

/*
 * All regions, by address.  Lent by @j until the next call.  Only ERR_NOMEM.
 */
struct err *jit_survey(struct jit *j, const struct space *s, const struct jit_region **ret,
		       size_t *n) MUST_CHECK;

#endif
