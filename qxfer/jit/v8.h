/* SPDX-License-Identifier: MIT */
/*
 * V8's code, found without a symbol.
 *
 * Builtins are one stretch of machine code in the program (the embedded blob), with a
 * table of its own that says where each is; V8's globals point to both.  What is
 * compiled at run time are objects in anonymous memory: the word before the code leads to a heap object
 * that points back to the code, and says how long it is.
 *
 * V8 10 to 13 (Node 18 to 24), 64-bit, without pointer compression.  Nothing is taken
 * from a table of versions: what does not check out is not used.
 */
#ifndef QXFER_JIT_V8_H
#define QXFER_JIT_V8_H

#include "qxfer/jit/gaps.h"
#include "qxfer/jit/rows.h"
#include "stub/base/space.h"

#define V8_BUILTINS_MAX 8192u
#define V8_BUILTINS_MIN 256u
#define V8_CODE_MAX	(16u << 20)

struct v8_builtin {
	uint32_t start, len; /* offset in the blob */
	const char *name;    /* in v8_blob.names; NULL: not known */
};

struct v8_blob {
	uint64_t code, code_size; /* run-time addresses */
	uint64_t data, data_size;
	struct v8_builtin *builtin; /* by start */
	size_t n;
	char *names;
};

void v8_blob_deinit(struct v8_blob *b);

/* The blob of the image [lo, hi), whose gaps are @gaps; n == 0: it has none.  Only ERR_NOMEM. */
struct err *v8_blob_find(const struct space *s, uint64_t lo, uint64_t hi, const struct gaps *gaps,
			 struct v8_blob *ret) MUST_CHECK;

/*
 * A compiled function: @code is what the bytes at run-time address @addr are, of which @len can
 * be seen.  The length of the code; 0: there is no such object here.  *object: its heap object.
 */
uint32_t v8_code_at(const struct space *s, const uint8_t *code, uint64_t addr, uint64_t len,
		    uint64_t *object);
#define V8_CODE_ALIGN  32u
#define V8_CODE_HEADER 128u /* bytes before the code that v8_code_at() reads */

#endif
