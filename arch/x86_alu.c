/* SPDX-License-Identifier: MIT */
/* Arithmetic and its flags (Intel SDM volume 1, "EFLAGS Register"). */
#include "arch/x86_emulate_priv.h"

void x86_set_flags(struct x86 *x, uint64_t which, uint64_t flags)
{
	x->r.eflags = (x->r.eflags & ~which) | (flags & which);
}

static uint64_t result_flags(uint64_t v, uint8_t size)
{
	uint64_t flags = 0;

	v &= x86_mask(size);
	if (!__builtin_parityll(v & 0xff))
		flags |= PF;
	if (!v)
		flags |= ZF;
	if (v >> (8 * size - 1))
		flags |= SF;
	return flags;
}

uint64_t x86_sum(struct x86 *x, bool minus, uint64_t a, uint64_t b, uint64_t carry)
{
	uint64_t m = x86_mask(x->size), top = 1ull << (8 * x->size - 1);
	uint64_t v = (minus ? a - b - carry : a + b + carry) & m;
	/* What is carried out of each bit. */
	uint64_t out = minus ? (~a & b) | (~(a ^ b) & v) : (a & b) | ((a | b) & ~v);
	uint64_t flags = result_flags(v, x->size);

	if (out & top)
		flags |= CF;
	if (out & 8)
		flags |= AF;
	if ((minus ? (a ^ b) & (a ^ v) : (a ^ v) & (b ^ v)) & top)
		flags |= OF;
	x86_set_flags(x, ARITHMETIC, flags);
	return v;
}

uint64_t x86_alu(struct x86 *x, unsigned int op, uint64_t a, uint64_t b)
{
	uint64_t carry = x->r.eflags & CF, v;

	a &= x86_mask(x->size);
	b &= x86_mask(x->size);
	switch (op) {
	case ALU_ADD:
		return x86_sum(x, false, a, b, 0);
	case ALU_ADC:
		return x86_sum(x, false, a, b, carry);
	case ALU_SBB:
		return x86_sum(x, true, a, b, carry);
	case ALU_SUB:
	case ALU_CMP:
		return x86_sum(x, true, a, b, 0);
	case ALU_OR:
		v = a | b;
		break;
	case ALU_AND:
		v = a & b;
		break;
	default:
		v = a ^ b;
	}
	x86_set_flags(x, ARITHMETIC, result_flags(v, x->size));
	return v;
}

bool x86_condition(const struct x86 *x, unsigned int code)
{
	uint64_t f = x->r.eflags;
	bool holds = false, less = !(f & SF) != !(f & OF);

	switch (code >> 1 & 7) {
	case 0:
		holds = f & OF;
		break;
	case 1:
		holds = f & CF;
		break;
	case 2:
		holds = f & ZF;
		break;
	case 3:
		holds = f & (CF | ZF);
		break;
	case 4:
		holds = f & SF;
		break;
	case 5:
		holds = f & PF;
		break;
	case 6:
		holds = less;
		break;
	default:
		holds = less || (f & ZF);
	}
	return holds != (code & 1);
}
