/* SPDX-License-Identifier: MIT */
/*
 * Tables in the form that others read: a shared object for debuggers on Linux.
 *
 * It has no code of its own.  Its sections without contents lie where the regions are, its
 * .debug_frame has their rules, and its symbols and DWARF (minimal: units and functions, which
 * count where another file's sections overlap) the functions' names.
 */
#ifndef QXFER_JIT_IMAGE_H
#define QXFER_JIT_IMAGE_H

#include "qxfer/jit/jit.h"
#include "stub/base/buf.h"

#define JIT_IMAGE_MAX	  (64u << 20) /* bytes */
#define JIT_IMAGE_REGIONS 4096u	      /* further ones are left out */
/* Addresses in the file are lower by so much than those in memory, which begin above it. */
#define JIT_IMAGE_L_ADDR  0x1000ull

struct jit_image {
	struct buf bytes;
	uint64_t l_ld, lm; /* for libraries-svr4, with JIT_IMAGE_L_ADDR */
};

/*
 * @place: the address of a page that nothing else uses, where the image's headers are said to
 * lie.  Regions for which @wanted says no are left out.  ERR_NOMEM, or ERR_NOT_FOUND: no region
 * is left.
 */
struct err *jit_image_write(const struct jit_region *r, size_t n,
			    bool (*wanted)(const struct jit_region *r), uint64_t place,
			    const char *name, struct jit_image *ret) MUST_CHECK;

/* image_frame.c: the .debug_frame of them. */
void jit_image_put_frame(struct buf *out, const struct jit_region *const *r, size_t n);

#endif
