/* SPDX-License-Identifier: MIT */
/* The programs that make rows: DWARF 5, 6.4.2 "Call Frame Instructions". */
#include <string.h>

#include "qxfer/unwind/cfi_priv.h"

#define REMEMBER_MAX 16u   /* states remembered one within the other */
#define EXPR_MAX     4096u /* bytes of an expression */

/* DWARF 5, table 7.29; the two at the end are GNU's. */
enum {
	CFA_ADVANCE_LOC = 0x40,
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
	CFA_NOP = 0x00,
	CFA_SET_LOC = 0x01,
	CFA_ADVANCE_LOC1 = 0x02,
	CFA_ADVANCE_LOC2 = 0x03,
	CFA_ADVANCE_LOC4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER_STATE = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
	CFA_OPS = 0x30,
};

struct rules {
	struct cfi_rule cfa;
	struct cfi_rule reg[SPACE_REGS];
};

struct machine {
	const struct cfi_cie *cie;
	struct cfi_cursor c;
	uint64_t loc;
	struct rules now, first; /* first: what the CIE says, for DW_CFA_restore */
	struct rules remembered[REMEMBER_MAX];
	unsigned int nremembered;
	bool wrong;
};

/* Of registers that are not followed the rules are read, and lost. */
static void set_rule(struct machine *m, uint64_t reg, struct cfi_rule rule)
{
	if (reg < SPACE_REGS)
		m->now.reg[reg] = rule;
}

/* Overflow wraps: the number is whoever's. */
static int64_t times_align(const struct machine *m, uint64_t factored)
{
	return (int64_t)(factored * (uint64_t)m->cie->data_align);
}

static void set_offset(struct machine *m, uint64_t reg, enum cfi_kind kind, uint64_t factored)
{
	set_rule(m, reg,
		 (struct cfi_rule){ .kind = (uint8_t)kind, .offset = times_align(m, factored) });
}

static void restore_rule(struct machine *m, uint64_t reg)
{
	if (reg < SPACE_REGS)
		m->now.reg[reg] = m->first.reg[reg];
}

static void set_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
	if (reg >= SPACE_REGS)
		m->wrong = true;
	else
		m->now.cfa = (struct cfi_rule){ .kind = CFI_COPY,
						.reg = (uint8_t)reg,
						.offset = offset };
}

static void set_cfa_offset(struct machine *m, int64_t offset)
{
	if (m->now.cfa.kind == CFI_COPY)
		m->now.cfa.offset = offset;
	else
		m->wrong = true;
}

static struct cfi_rule read_expression(struct machine *m, enum cfi_kind kind)
{
	uint64_t len = cfi_uleb(&m->c);
	struct cfi_rule rule = { .kind = (uint8_t)kind,
				 .expr_len = (uint32_t)len,
				 .expr = m->c.at };
	if (len > EXPR_MAX || len > m->c.end - m->c.at)
		m->wrong = true;
	else
		m->c.at += len;
	return rule;
}

static void remember(struct machine *m)
{
	if (m->nremembered == REMEMBER_MAX)
		m->wrong = true;
	else
		m->remembered[m->nremembered++] = m->now;
}

static void recall(struct machine *m)
{
	if (!m->nremembered)
		m->wrong = true;
	else
		m->now = m->remembered[--m->nremembered];
}

static void advance(struct machine *m, uint64_t delta)
{
	m->loc += delta * m->cie->code_align;
}

/* Those that change how one register is found. */
static void run_register(struct machine *m, uint8_t op)
{
	uint64_t reg = cfi_uleb(&m->c);
	switch (op) {
	case CFA_OFFSET_EXTENDED:
		set_offset(m, reg, CFI_AT, cfi_uleb(&m->c));
		break;
	case CFA_OFFSET_EXTENDED_SF:
		set_offset(m, reg, CFI_AT, (uint64_t)cfi_sleb(&m->c));
		break;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		set_offset(m, reg, CFI_AT, 0 - cfi_uleb(&m->c));
		break;
	case CFA_VAL_OFFSET:
		set_offset(m, reg, CFI_IS, cfi_uleb(&m->c));
		break;
	case CFA_VAL_OFFSET_SF:
		set_offset(m, reg, CFI_IS, (uint64_t)cfi_sleb(&m->c));
		break;
	case CFA_RESTORE_EXTENDED:
		restore_rule(m, reg);
		break;
	case CFA_UNDEFINED:
		set_rule(m, reg, (struct cfi_rule){ .kind = CFI_UNDEFINED });
		break;
	case CFA_SAME_VALUE:
		set_rule(m, reg, (struct cfi_rule){ .kind = CFI_KEPT });
		break;
	case CFA_REGISTER: {
		uint64_t from = cfi_uleb(&m->c);
		m->wrong |= from >= SPACE_REGS;
		set_rule(m, reg, (struct cfi_rule){ .kind = CFI_COPY, .reg = (uint8_t)from });
		break;
	}
	case CFA_EXPRESSION:
		set_rule(m, reg, read_expression(m, CFI_AT_EXPR));
		break;
	default:
		set_rule(m, reg, read_expression(m, CFI_IS_EXPR));
		break;
	}
}

static void run_cfa(struct machine *m, uint8_t op)
{
	uint64_t reg;
	switch (op) {
	case CFA_DEF_CFA:
		reg = cfi_uleb(&m->c);
		set_cfa(m, reg, (int64_t)cfi_uleb(&m->c));
		break;
	case CFA_DEF_CFA_SF:
		reg = cfi_uleb(&m->c);
		set_cfa(m, reg, times_align(m, (uint64_t)cfi_sleb(&m->c)));
		break;
	case CFA_DEF_CFA_REGISTER:
		set_cfa(m, cfi_uleb(&m->c), m->now.cfa.offset);
		break;
	case CFA_DEF_CFA_OFFSET:
		set_cfa_offset(m, (int64_t)cfi_uleb(&m->c));
		break;
	case CFA_DEF_CFA_OFFSET_SF:
		set_cfa_offset(m, times_align(m, (uint64_t)cfi_sleb(&m->c)));
		break;
	default:
		m->now.cfa = read_expression(m, CFI_IS_EXPR);
		break;
	}
}

static void run_other(struct machine *m, uint8_t op)
{
	switch (op) {
	case CFA_NOP:
		break;
	case CFA_SET_LOC:
		m->loc = cfi_pointer(&m->c, m->cie->pointers, 0);
		break;
	case CFA_ADVANCE_LOC1:
		advance(m, cfi_uint(&m->c, 1));
		break;
	case CFA_ADVANCE_LOC2:
		advance(m, cfi_uint(&m->c, 2));
		break;
	case CFA_ADVANCE_LOC4:
		advance(m, cfi_uint(&m->c, 4));
		break;
	case CFA_REMEMBER_STATE:
		remember(m);
		break;
	case CFA_RESTORE_STATE:
		recall(m);
		break;
	case CFA_GNU_ARGS_SIZE:
		cfi_uleb(&m->c);
		break;
	default:
		m->wrong = true;
		break;
	}
}

typedef void (*runner)(struct machine *m, uint8_t op);

static const runner runners[CFA_OPS] = {
	[CFA_OFFSET_EXTENDED] = run_register,
	[CFA_RESTORE_EXTENDED] = run_register,
	[CFA_UNDEFINED] = run_register,
	[CFA_SAME_VALUE] = run_register,
	[CFA_REGISTER] = run_register,
	[CFA_EXPRESSION] = run_register,
	[CFA_OFFSET_EXTENDED_SF] = run_register,
	[CFA_VAL_OFFSET] = run_register,
	[CFA_VAL_OFFSET_SF] = run_register,
	[CFA_VAL_EXPRESSION] = run_register,
	[CFA_GNU_NEGATIVE_OFFSET_EXTENDED] = run_register,
	[CFA_DEF_CFA] = run_cfa,
	[CFA_DEF_CFA_REGISTER] = run_cfa,
	[CFA_DEF_CFA_OFFSET] = run_cfa,
	[CFA_DEF_CFA_EXPRESSION] = run_cfa,
	[CFA_DEF_CFA_SF] = run_cfa,
	[CFA_DEF_CFA_OFFSET_SF] = run_cfa,
};

static void run_op(struct machine *m)
{
	uint8_t op = (uint8_t)cfi_uint(&m->c, 1), low = op & 0x3f;
	switch (op & 0xc0) {
	case CFA_ADVANCE_LOC:
		advance(m, low);
		return;
	case CFA_OFFSET:
		set_offset(m, low, CFI_AT, cfi_uleb(&m->c));
		return;
	case CFA_RESTORE:
		restore_rule(m, low);
		return;
	default:
		break;
	}
	if (low < CFA_OPS && runners[low])
		runners[low](m, low);
	else
		run_other(m, low);
}

/* Runs @program as far as it is about @pc. */
static struct err *run(struct machine *m, const struct cfi_cursor *program, uint64_t pc)
{
	m->c = *program;
	while (m->c.at < m->c.end && m->loc <= pc && !m->wrong && !m->c.bad)
		run_op(m);
	return m->wrong || m->c.bad ? cfi_broken(program->at, "is not understood") : NULL;
}

struct err *cfi_run(const struct cfi_fde *fde, uint64_t pc, struct cfi_row *ret)
{
	struct machine m = { .cie = &fde->cie, .now.cfa.kind = CFI_UNDEFINED };
	struct err *err = run(&m, &fde->cie.program, UINT64_MAX);
	if (err)
		return err;
	m.first = m.now;
	m.loc = fde->start;
	err = run(&m, &fde->program, pc);
	if (err)
		return err;
	*ret = (struct cfi_row){ .pc = pc,
				 .start = fde->start,
				 .end = fde->end,
				 .signal = fde->cie.signal,
				 .ra = (uint8_t)fde->cie.ra,
				 .cfa = m.now.cfa };
	memcpy(ret->reg, m.now.reg, sizeof(ret->reg));
	return NULL;
}
