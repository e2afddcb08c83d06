/* SPDX-License-Identifier: MIT */
#include "arch/x86_length.h"

#include <string.h>

#define INSN_MAX 15u

/* What follows the opcode. */
enum {
	BAD,
	NONE,
	M,  /* ModRM */
	I1, /* an immediate of one byte, and so on */
	I2,
	I3,
	I4, /* a displacement: no prefix shortens it */
	IZ, /* four, or two with the operand size prefix */
	IV, /* eight with REX.W, else IZ */
	IA, /* an address */
	M_I1,
	M_IZ,
	M_G3B, /* group 3: an immediate of one byte with the first two */
	M_G3Z,
};

struct span {
	uint8_t first, last, what;
};

/* clang-format off */
/* Below 0x40 the columns repeat: see one_byte(). */
static const struct span map0[] = {
	{ 0x50, 0x5f, NONE }, { 0x63, 0x63, M },    { 0x68, 0x68, IZ },   { 0x69, 0x69, M_IZ },
	{ 0x6a, 0x6a, I1 },   { 0x6b, 0x6b, M_I1 }, { 0x6c, 0x6f, NONE }, { 0x70, 0x7f, I1 },
	{ 0x80, 0x80, M_I1 }, { 0x81, 0x81, M_IZ }, { 0x83, 0x83, M_I1 }, { 0x84, 0x8f, M },
	{ 0x90, 0x99, NONE }, { 0x9b, 0x9f, NONE }, { 0xa0, 0xa3, IA },   { 0xa4, 0xa7, NONE },
	{ 0xa8, 0xa8, I1 },   { 0xa9, 0xa9, IZ },   { 0xaa, 0xaf, NONE }, { 0xb0, 0xb7, I1 },
	{ 0xb8, 0xbf, IV },   { 0xc0, 0xc1, M_I1 }, { 0xc2, 0xc2, I2 },   { 0xc3, 0xc3, NONE },
	{ 0xc6, 0xc6, M_I1 }, { 0xc7, 0xc7, M_IZ }, { 0xc8, 0xc8, I3 },   { 0xc9, 0xc9, NONE },
	{ 0xca, 0xca, I2 },   { 0xcb, 0xcc, NONE }, { 0xcd, 0xcd, I1 },   { 0xcf, 0xcf, NONE },
	{ 0xd0, 0xd3, M },    { 0xd7, 0xd7, NONE }, { 0xd8, 0xdf, M },    { 0xe0, 0xe7, I1 },
	{ 0xe8, 0xe9, I4 },   { 0xeb, 0xeb, I1 },   { 0xec, 0xef, NONE }, { 0xf1, 0xf1, NONE },
	{ 0xf4, 0xf5, NONE }, { 0xf6, 0xf6, M_G3B },{ 0xf7, 0xf7, M_G3Z },{ 0xf8, 0xfd, NONE },
	{ 0xfe, 0xff, M },
};

/* 0x78 and 0x79 have operands of their own with some prefixes. */
static const struct span map1[] = {
	{ 0x00, 0x03, M },    { 0x05, 0x09, NONE }, { 0x0b, 0x0b, NONE }, { 0x0d, 0x0d, M },
	{ 0x10, 0x1f, M },    { 0x20, 0x23, M },    { 0x28, 0x2f, M },    { 0x30, 0x35, NONE },
	{ 0x37, 0x37, NONE }, { 0x40, 0x6f, M },    { 0x70, 0x73, M_I1 }, { 0x74, 0x76, M },
	{ 0x77, 0x77, NONE }, { 0x7a, 0x7f, M },    { 0x80, 0x8f, I4 },   { 0x90, 0x9f, M },
	{ 0xa0, 0xa2, NONE }, { 0xa3, 0xa3, M },    { 0xa4, 0xa4, M_I1 }, { 0xa5, 0xa5, M },
	{ 0xa8, 0xaa, NONE }, { 0xab, 0xab, M },    { 0xac, 0xac, M_I1 }, { 0xad, 0xaf, M },
	{ 0xb0, 0xb9, M },    { 0xba, 0xba, M_I1 }, { 0xbb, 0xc1, M },    { 0xc2, 0xc2, M_I1 },
	{ 0xc3, 0xc3, M },    { 0xc4, 0xc6, M_I1 }, { 0xc7, 0xc7, M },    { 0xc8, 0xcf, NONE },
	{ 0xd0, 0xff, M },
};
/* clang-format on */

static uint8_t look_up(const struct span *spans, size_t n, uint8_t op)
{
	for (size_t i = 0; i < n; i++)
		if (op >= spans[i].first && op <= spans[i].last)
			return spans[i].what;
	return BAD;
}

static uint8_t one_byte(uint8_t op)
{
	static const uint8_t columns[8] = { M, M, M, M, I1, IZ, BAD, BAD };
	return op < 0x40 ? columns[op & 7] : look_up(map0, sizeof(map0) / sizeof(map0[0]), op);
}

static uint8_t what_follows(uint8_t map, uint8_t op)
{
	switch (map) {
	case 0:
		return one_byte(op);
	case 1:
		return look_up(map1, sizeof(map1) / sizeof(map1[0]), op);
	case 3:
		return M_I1;
	default:
		return M;
	}
}

struct reader {
	const uint8_t *code;
	size_t len, at;
	bool word, wide; /* the operand size prefix, REX.W */
	struct x86_insn *insn;
};

static bool next(struct reader *r, uint8_t *ret)
{
	if (r->at >= r->len || r->at >= INSN_MAX)
		return false;
	*ret = r->code[r->at++];
	return true;
}

/* Legacy prefixes and REX; *ret is what comes behind them. */
static bool read_prefixes(struct reader *r, uint8_t *ret)
{
	while (next(r, ret)) {
		switch (*ret) {
		case 0x66:
			r->word = true;
			break;
		case 0x67:
			r->insn->short_addr = true;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
		case 0xf0:
		case 0xf2:
		case 0xf3:
			break;
		default:
			if ((*ret & 0xf0) != 0x40)
				return true;
			r->wide = *ret & 8;
			return next(r, ret);
		}
	}
	return false;
}

/* VEX of two and three bytes, and EVEX. */
static bool read_vex(struct reader *r, uint8_t prefix)
{
	uint8_t first, rest;

	r->insn->vex = true;
	r->insn->map = 1;
	if (!next(r, &first))
		return false;
	if (prefix == 0xc5)
		return true;
	r->insn->map = first & (prefix == 0x62 ? 7 : 0x1f);
	if (!next(r, &rest) || (prefix == 0x62 && !next(r, &rest)))
		return false;
	uint8_t map = r->insn->map;
	return (map >= 1 && map <= 3) || (prefix == 0x62 && (map == 5 || map == 6));
}

static bool read_opcode(struct reader *r)
{
	struct x86_insn *i = r->insn;

	if (!read_prefixes(r, &i->op))
		return false;
	if (i->op == 0xc4 || i->op == 0xc5 || i->op == 0x62)
		return read_vex(r, i->op) && next(r, &i->op);
	if (i->op != 0x0f)
		return true;
	i->map = 1;
	if (!next(r, &i->op))
		return false;
	if (i->op == 0x38 || i->op == 0x3a) {
		i->map = i->op == 0x38 ? 2 : 3;
		return next(r, &i->op);
	}
	return true;
}

static bool read_modrm(struct reader *r, uint8_t *ret)
{
	uint8_t sib = 0;

	r->insn->modrm = (uint8_t)r->at;
	if (!next(r, ret))
		return false;
	uint8_t mod = *ret >> 6, rm = *ret & 7;
	if (mod == 3)
		return true;
	if (rm == 4 && !next(r, &sib))
		return false;
	if (mod == 0 && rm == 5)
		r->insn->disp = (uint8_t)r->at;
	if (mod == 2 || (mod == 0 && (rm == 5 || (rm == 4 && (sib & 7) == 5))))
		r->at += 4;
	else if (mod == 1)
		r->at++;
	return true;
}

static size_t immediate(const struct reader *r, uint8_t what, uint8_t modrm)
{
	const size_t z = r->word && !r->wide ? 2 : 4;
	bool first_two = (modrm >> 3 & 7) < 2;

	switch (what) {
	case I1:
	case M_I1:
		return 1;
	case I2:
		return 2;
	case I3:
		return 3;
	case I4:
		return 4;
	case IZ:
	case M_IZ:
		return z;
	case IV:
		return r->wide ? 8 : z;
	case IA:
		return r->insn->short_addr ? 4 : 8;
	case M_G3B:
		return first_two ? 1 : 0;
	case M_G3Z:
		return first_two ? z : 0;
	default:
		return 0;
	}
}

bool x86_measure(const uint8_t *code, size_t len, struct x86_insn *ret)
{
	struct reader r = { .code = code, .len = len, .insn = ret };
	uint8_t modrm = 0;

	*ret = (struct x86_insn){ 0 };
	if (!read_opcode(&r))
		return false;
	uint8_t what = what_follows(ret->map, ret->op);
	if (what == BAD || (ret->op == 0x8f && ret->map == 0 && r.at < len && (code[r.at] & 0x38)))
		return false; /* AMD's XOP is the latter */
	bool has_modrm = what == M || what >= M_I1;
	if (has_modrm && !read_modrm(&r, &modrm))
		return false;
	r.at += immediate(&r, what, modrm);
	ret->len = (uint8_t)r.at;
	return r.at <= len && r.at <= INSN_MAX;
}

/* One-byte opcodes that are of no use elsewhere. */
static const struct span fixed0[] = {
	{ 0x70, 0x7f, 1 }, { 0xca, 0xcf, 1 }, { 0xe0, 0xe3, 1 },
	{ 0xe8, 0xe9, 1 }, { 0xeb, 0xeb, 1 }, { 0xf1, 0xf1, 1 },
};

static bool is_fixed_0f(uint8_t op)
{
	return (op >= 0x80 && op <= 0x8f) || op == 0x05 || op == 0x07 || op == 0x34 || op == 0x35;
}

enum x86_elsewhere x86_elsewhere(const struct x86_insn *insn, const uint8_t *code)
{
	uint8_t modrm = insn->modrm ? code[insn->modrm] : 0, reg = modrm >> 3 & 7;

	if (insn->disp && insn->short_addr)
		return X86_FIXED;
	if (insn->vex || insn->map > 1)
		return X86_MOVES;
	if (insn->map == 1)
		return is_fixed_0f(insn->op) ? X86_FIXED : X86_MOVES;
	if (look_up(fixed0, sizeof(fixed0) / sizeof(fixed0[0]), insn->op) == 1)
		return X86_FIXED;
	/* A load of ss puts the trap off; xbegin has an address from here. */
	if ((insn->op == 0x8e && reg == 2) || (insn->op == 0xc7 && modrm == 0xf8))
		return X86_FIXED;
	if (insn->op != 0xff)
		return X86_MOVES;
	if (reg == 3 || reg == 5) /* far ones */
		return X86_FIXED;
	return reg == 2 ? X86_CALLS : X86_MOVES;
}

bool x86_copy(const struct x86_insn *insn, const uint8_t *code, uint64_t from, uint64_t to,
	      uint8_t *copy)
{
	int32_t disp;

	memcpy(copy, code, insn->len);
	if (!insn->disp)
		return true;
	memcpy(&disp, code + insn->disp, sizeof(disp));
	int64_t moved = (int64_t)disp + (int64_t)(from - to);
	if (moved != (int32_t)moved)
		return false;
	disp = (int32_t)moved;
	memcpy(copy + insn->disp, &disp, sizeof(disp));
	return true;
}
