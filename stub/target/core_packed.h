/* SPDX-License-Identifier: MIT */
/*
 * Compressed cores, as coredumpctl and apport keep them and people send them: zstd, lz4, xz
 * and gzip, each if the library for it was there when archerfish was built.
 *
 * What comes out goes to a file without a name, in $TMPDIR or /var/tmp or /tmp, with holes
 * for zeros.  A small file can make a huge one: it ends where the core's own headers say
 * that the core does, at CORE_UNPACKED_MAX, and before the file system is full.
 */
#ifndef STUB_TARGET_CORE_PACKED_H
#define STUB_TARGET_CORE_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stub/base/err.h"

#define CORE_UNPACKED_MAX  (UINT64_C(1) << 38) /* bytes: 256 GiB */
#define CORE_UNPACKED_GAP  (64u << 20)	       /* bytes of the file system that stay free */
#define CORE_PACKED_MEMORY (256u << 20)	       /* what a library may use */

struct core_step {
	const uint8_t *in; /* both move on, by what was taken */
	size_t in_len;
	uint8_t *out; /* both move on, by what was given */
	size_t out_len;
	bool last;	   /* nothing will follow `in' */
	bool end;	   /* set: a stream has ended where `in' stands now */
	const char *fault; /* set: what is wrong; else NULL */
};

/* One way to compress.  State is the library's. */
struct core_packing {
	const char *name;
	uint8_t magic[6];
	uint8_t magic_len;
	const char *library; /* what this program was built without; NULL: nothing */
	void *(*begin)(void);
	void (*step)(void *state, struct core_step *s);
	void (*finish)(void *state);
};

/* core_apport.c: reports with a core that is compressed in one of the other ways */
void *core_apport_begin(void);
void core_apport_step(void *state, struct core_step *s);
void core_apport_finish(void *state);

/* core_packings.c: up to a row without a name. */
extern const struct core_packing core_packings[];

/*
 * *ret: a descriptor of the core that @fd is compressed from, for the caller to close; -1:
 * it is not compressed.  A file that is cut off gives the first part of a core.
 */
struct err *core_unpack(int fd, bool quiet, int *ret) MUST_CHECK;

#endif
