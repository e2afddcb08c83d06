/* SPDX-License-Identifier: MIT */
#include "qxfer/v8/positions.h"

#include <string.h>

#define PAYLOAD_BITS 7
#define MORE	     0x80u

static bool next_unsigned(struct v8_bytes *b, uint64_t *ret)
{
	uint64_t v = 0;
	for (unsigned int shift = 0; shift < 64; shift += PAYLOAD_BITS) {
		if (!b->len)
			return false;
		uint8_t byte = *b->p++;
		b->len--;
		v |= (uint64_t)(byte & (MORE - 1)) << shift;
		if (!(byte & MORE)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/* The sign is in the lowest bit. */
static bool next_signed(struct v8_bytes *b, int64_t *ret)
{
	uint64_t v;
	if (!next_unsigned(b, &v))
		return false;
	*ret = (int64_t)(v >> 1 ^ (~(v & 1) + 1));
	return true;
}

/* Pairs of differences; that of the offset is complemented where no statement begins. */
bool position_find(struct v8_bytes table, int64_t offset, int64_t *ret)
{
	uint64_t position = 0;
	int64_t at = -1;
	bool found = false;

	while (table.len) {
		int64_t code, more;
		if (!next_signed(&table, &code) || !next_signed(&table, &more))
			return false;
		if (code < 0)
			code = ~code;
		if (code > INT32_MAX)
			return false;
		at += code;
		if (at > offset)
			break;
		position += (uint64_t)more;
		*ret = (int64_t)position;
		found = true;
	}
	return found;
}

int32_t position_offset(int64_t position)
{
	return (int32_t)((uint64_t)position >> 1 & 0x3fffffff) - 1;
}

int32_t position_inlining(int64_t position)
{
	return (int32_t)((uint64_t)position >> 31 & 0xffff) - 1;
}

/* ---- bytecodes ---- */

#define WIDE_1	     0u /* Wide and ExtraWide, and the same for the debugger */
#define WIDE_LAST    3u
#define PREFIX_CODES 11u
#define COUNT_MIN    120u

/*
 * Three rows of sizes, with as many bytecodes each: that many are right for which every row
 * begins as it must, by what Wide, ExtraWide and DebugBreak0 to DebugBreak6 have always been.
 */
static bool is_row(const uint8_t *p, uint8_t scale)
{
	/* What has one size, and how many operands that have the scale's. */
	static const uint8_t fixed[PREFIX_CODES] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3 };
	static const uint8_t operands[PREFIX_CODES] = { 0, 0, 0, 0, 0, 1, 2, 3, 4, 2, 3 };
	for (uint8_t i = 0; i < PREFIX_CODES; i++)
		if (p[i] != fixed[i] + operands[i] * scale)
			return false;
	return true;
}

bool bytecode_sizes_parse(const uint8_t *p, size_t len, struct v8_bytecode_sizes *ret)
{
	if (len < PREFIX_CODES || !is_row(p, 1))
		return false;
	for (uint32_t n = COUNT_MIN; n <= 256 && (size_t)n * 2 + PREFIX_CODES <= len; n++) {
		if (!is_row(p + n, 2) || !is_row(p + (size_t)n * 2, 4) || (size_t)n * 3 > len)
			continue;
		for (size_t i = 0; i < BYTECODE_SCALES; i++)
			memcpy(ret->size[i], p + i * n, n);
		ret->n = n;
		return true;
	}
	return false;
}

/* Of the bytecode at @at, with its prefix; 0: it is none. */
static size_t bytecode_length(struct v8_bytes code, size_t at,
			      const struct v8_bytecode_sizes *sizes)
{
	static const uint8_t scales[] = { 1, 2, 1, 2 };
	uint8_t op = code.p[at], scale = 0;
	size_t prefix = 0;

	if (op <= WIDE_LAST) {
		if (at + 1 >= code.len)
			return 0;
		scale = scales[op];
		op = code.p[at + 1];
		prefix = 1;
	}
	return op < sizes->n ? prefix + sizes->size[scale][op] : 0;
}

int32_t baseline_offset(struct v8_bytes table, struct v8_bytes code,
			const struct v8_bytecode_sizes *sizes, uint64_t pc)
{
	uint64_t end, more;
	size_t at = 0, current = 0;

	if (!next_unsigned(&table, &end))
		return -2;
	if (pc <= end)
		return -1;
	while (pc > end) {
		if (at >= code.len || !next_unsigned(&table, &more) || more > UINT32_MAX)
			return -2;
		size_t len = bytecode_length(code, at, sizes);
		if (!len)
			return -2;
		end += more;
		current = at;
		at += len;
	}
	return (int32_t)current;
}
