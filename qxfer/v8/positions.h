/* SPDX-License-Identifier: MIT */
/*
 * V8's tables of positions: which place in a script an offset in bytecode or in machine code
 * belongs to (src/codegen/source-position-table.cc), and which bytecode an offset in baseline code
 * (src/baseline/bytecode-offset-iterator.cc).
 */
#ifndef QXFER_V8_POSITIONS_H
#define QXFER_V8_POSITIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct v8_bytes {
	const uint8_t *p;
	size_t len;
};

/*
 * The last position at or before @offset: as V8 keeps it (position_offset(), position_inlining()).
 * False: there is none, or the table is not one.
 */
bool position_find(struct v8_bytes table, int64_t offset, int64_t *ret);
/* In the script; -1: none. */
int32_t position_offset(int64_t position);
/* In the code's list of inlined functions; -1: it is of the function itself. */
int32_t position_inlining(int64_t position);

/* How long bytecodes are, for operands of 1, 2 and 4 bytes. */
#define BYTECODE_SCALES 3u
struct v8_bytecode_sizes {
	uint8_t size[BYTECODE_SCALES][256];
	uint32_t n; /* 0: not known */
};

/* From the table that V8 has of them, if that is at @p; false: it is not. */
bool bytecode_sizes_parse(const uint8_t *p, size_t len, struct v8_bytecode_sizes *ret);
#define BYTECODE_SIZES_START "\1\1\1\1\1\2\3\4\5\5\6" /* what it begins with */
#define BYTECODE_SIZES_MAX   (3u * 256u)

/*
 * The offset in @code, bytecodes, of the one that @pc, an offset in baseline code, is the return
 * address of a call in; @table is that code's.  -1: it is in what comes before the first;
 * -2: not to be found.
 */
int32_t baseline_offset(struct v8_bytes table, struct v8_bytes code,
			const struct v8_bytecode_sizes *sizes, uint64_t pc);

#endif
