/* SPDX-License-Identifier: MIT */
/*
 * What a client has us keep while it calls functions in the inferior: registers that it
 * will want back, and memory that it had the inferior map.
 */
#ifndef STUB_CALLS_H
#define STUB_CALLS_H

#include "stub/target/target.h"

#define CALLS_SAVED_MAX	    64u /* the oldest goes when one more is saved */
#define CALLS_AREAS_MAX	    1024u
#define CALLS_AREA_SIZE_MAX (1ull << 32)

struct saved_regs {
	uint32_t id; /* 0: free */
	pid_t tid;
	uint8_t *values; /* as in `g'; those that are not available are zero */
	size_t len;
};

struct calls {
	struct saved_regs saved[CALLS_SAVED_MAX];
	uint32_t last_id;
	struct call_area {
		uint64_t addr, len;
	} * area;
	size_t nareas;
	uint64_t epoch; /* of the process that the areas are in */
};

void calls_deinit(struct calls *c);

struct err *calls_save(struct calls *c, struct target *t, pid_t tid, uint32_t *id_ret) MUST_CHECK;
/* Sets them again, and forgets them. */
struct err *calls_restore(struct calls *c, struct target *t, pid_t tid, uint32_t id) MUST_CHECK;

/* @prot: enum map_prot.  ERR_UNSUPPORTED: the target cannot make system calls. */
struct err *calls_map(struct calls *c, struct target *t, uint64_t len, unsigned int prot,
		      uint64_t *addr_ret) MUST_CHECK;
/* Only what calls_map() made. */
struct err *calls_unmap(struct calls *c, struct target *t, uint64_t addr) MUST_CHECK;

/* The client leaves: the process must be stopped, and has its memory as it was. */
void calls_undo(struct calls *c, struct target *t);

#endif
