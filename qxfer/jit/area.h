/* SPDX-License-Identifier: MIT */
/*
 * Anonymous memory that can be executed: what a runtime compiles.
 *
 * Read anew at each stop as far as pages of it exist (V8 reserves 512 MB and uses some), and
 * analysed when it is not as it was: each function that has other bytes than before.
 */
#ifndef QXFER_JIT_AREA_H
#define QXFER_JIT_AREA_H

#include "qxfer/jit/flow.h"
#include "qxfer/jit/jit.h"
#include "qxfer/jit/perfmap.h"
#include "stub/base/space.h"

#define AREA_SIZE_MAX  (1ull << 31) /* of one area */
#define AREA_BYTES_MAX (64u << 20)  /* of its pages that exist; further ones are left out */
#define AREA_FUNCS_MAX (1u << 17)

/* Pages next to each other. */
struct area_run {
	uint32_t start; /* offset from the area's begin */
	uint32_t len;
	size_t at; /* where in `bytes' */
};

struct area_bytes {
	uint8_t *data;
	size_t len, cap;
	struct area_run *run;
	size_t nruns, runs_cap;
	bool cut; /* there were more */
};

struct area {
	uint64_t start, end;
	enum jit_kind kind;
	struct area_bytes now, before;
	struct jit_table table; /* offsets are from start */
	struct jit_table last;	/* what it was of the bytes before */
	enum jit_kind last_kind;
	uint64_t generation; /* of the memory that it was read at */
	uint64_t version;    /* counts how often it was found changed */
	bool seen;
	const struct perfmap *names; /* borrowed; NULL: none */
};

void area_deinit(struct area *a);

/* Reads the area, and analyses it if it has changed.  @f: NULL: by the fallback.  Only ERR_NOMEM. */
struct err *area_refresh(struct area *a, const struct space *s, struct flow *f) MUST_CHECK;

/* What [offset, offset + len) was before; NULL: it was not read. */
const uint8_t *area_before(const struct area *a, uint32_t offset, uint32_t len);

/* area_kinds.c: fills in a->kind and a->table from a->now. */
void area_analyse(struct area *a, const struct space *s, struct flow *f);

#endif
