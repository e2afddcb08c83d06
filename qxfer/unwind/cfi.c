/* SPDX-License-Identifier: MIT */
#include "qxfer/unwind/cfi.h"

#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define RECORD_MAX   (1u << 20) /* bytes of one CIE or FDE; real ones have at most some thousand */
#define REMEMBER_MAX 16u	/* states remembered one within the other */
#define AUGMENT_MAX  16u	/* characters of an augmentation */
#define EXPR_MAX     4096u	/* bytes of an expression */

/* How a pointer is written: Linux Standard Base Core, "DWARF Exception Header Encoding". */
enum {
	ENC_ABSPTR = 0x00,
	ENC_ULEB = 0x01,
	ENC_UDATA2 = 0x02,
	ENC_UDATA4 = 0x03,
	ENC_UDATA8 = 0x04,
	ENC_SLEB = 0x09,
	ENC_SDATA2 = 0x0a,
	ENC_SDATA4 = 0x0b,
	ENC_SDATA8 = 0x0c,
	ENC_FORMAT = 0x0f,
	ENC_PCREL = 0x10,
	ENC_DATAREL = 0x30,
	ENC_BASE = 0x70,
	ENC_INDIRECT = 0x80,
	ENC_OMIT = 0xff,
};

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

struct cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra;
	uint8_t pointers; /* how its FDEs write addresses */
	bool augmented;	  /* its FDEs have augmentation data, to be skipped */
	bool signal;
	struct cfi_cursor program;
};

struct fde {
	struct cie cie;
	uint64_t start, end;
	struct cfi_cursor program;
};

static struct err *broken(uint64_t at, const char *why)
{
	return err_new(ERR_BAD_DATA, "the unwind table at 0x%llx %s", (unsigned long long)at, why);
}

/* ---- pointers ---- */

static uint64_t read_format(struct cfi_cursor *c, uint8_t format)
{
	switch (format) {
	case ENC_ABSPTR:
	case ENC_UDATA8:
	case ENC_SDATA8:
		return cfi_uint(c, 8);
	case ENC_UDATA4:
		return cfi_uint(c, 4);
	case ENC_SDATA4:
		return (uint64_t)cfi_int(c, 4);
	case ENC_UDATA2:
		return cfi_uint(c, 2);
	case ENC_SDATA2:
		return (uint64_t)cfi_int(c, 2);
	case ENC_ULEB:
		return cfi_uleb(c);
	case ENC_SLEB:
		return (uint64_t)cfi_sleb(c);
	default:
		c->bad = true;
		return 0;
	}
}

/* @data: what ENC_DATAREL is relative to. */
static uint64_t read_pointer(struct cfi_cursor *c, uint8_t enc, uint64_t data)
{
	uint64_t field = c->at;
	uint64_t v = read_format(c, enc & ENC_FORMAT);
	if ((enc & ENC_BASE) == ENC_PCREL)
		v += field;
	else if ((enc & ENC_BASE) == ENC_DATAREL)
		v += data;
	else if (enc & ENC_BASE)
		c->bad = true;
	if (enc & ENC_INDIRECT && !c->bad && mem_read_some(c->mem, v, &v, sizeof(v)) != sizeof(v))
		c->bad = true;
	return v;
}

/* ---- CIE and FDE ---- */

/* The bytes of the record at @addr after its length. */
static struct err *open_record(const struct cfi_table *t, struct mem *m, uint64_t addr,
			       struct cfi_cursor *ret)
{
	struct cfi_cursor c = { .mem = m, .at = addr, .end = t->hi };
	if (addr < t->lo || addr >= t->hi)
		return broken(addr, "lies outside its image");
	uint64_t len = cfi_uint(&c, 4);
	if (len == UINT32_MAX)
		len = cfi_uint(&c, 8);
	if (c.bad || !len || len > RECORD_MAX || len > t->hi - c.at)
		return broken(addr, "has no valid length");
	c.end = c.at + len;
	*ret = c;
	return NULL;
}

/* The letters after the z: one datum each, in their order. */
static void read_augmentation(struct cfi_cursor *c, const char *letters, struct cie *cie)
{
	uint64_t len = cfi_uleb(c), end = c->at + len;
	if (len > c->end - c->at) {
		c->bad = true;
		return;
	}
	for (; *letters && !c->bad; letters++) {
		uint8_t enc;
		if (*letters == 'R')
			cie->pointers = (uint8_t)cfi_uint(c, 1);
		else if (*letters == 'L')
			cfi_uint(c, 1);
		else if (*letters == 'S')
			cie->signal = true;
		else if (*letters == 'P') {
			enc = (uint8_t)cfi_uint(c, 1);
			read_format(c, enc & ENC_FORMAT);
		} else if (*letters != 'B')
			break; /* what follows is not known, but its length is */
	}
	c->at = end;
}

static struct err *read_cie(const struct cfi_table *t, struct mem *m, uint64_t addr,
			    struct cie *ret)
{
	struct cfi_cursor c;
	char letters[AUGMENT_MAX + 1] = "";
	size_t n = 0;
	struct err *err = open_record(t, m, addr, &c);
	if (err)
		return err;
	uint64_t id = cfi_uint(&c, 4);
	uint64_t version = cfi_uint(&c, 1);
	if (id || (version != 1 && version != 3))
		return broken(addr, "is of an unknown kind");
	while (n < AUGMENT_MAX && (letters[n] = (char)cfi_uint(&c, 1)))
		n++;
	*ret = (struct cie){ .augmented = letters[0] == 'z' };
	ret->code_align = cfi_uleb(&c);
	ret->data_align = cfi_sleb(&c);
	ret->ra = version == 1 ? cfi_uint(&c, 1) : cfi_uleb(&c);
	if (ret->augmented)
		read_augmentation(&c, letters + 1, ret);
	else if (letters[0])
		return broken(addr, "is of an unknown kind");
	ret->program = c;
	if (c.bad || ret->ra >= SPACE_REGS)
		return broken(addr, "is cut short");
	return NULL;
}

static struct err *read_fde(const struct cfi_table *t, struct mem *m, uint64_t addr,
			    struct fde *ret)
{
	struct cfi_cursor c;
	struct err *err = open_record(t, m, addr, &c);
	if (err)
		return err;
	uint64_t field = c.at, back = cfi_uint(&c, 4);
	if (c.bad || !back)
		return broken(addr, "is no description of a function");
	err = read_cie(t, m, field - back, &ret->cie);
	if (err)
		return err;
	ret->start = read_pointer(&c, ret->cie.pointers, 0);
	ret->end = ret->start + read_format(&c, ret->cie.pointers & ENC_FORMAT);
	if (ret->cie.augmented) {
		uint64_t len = cfi_uleb(&c);
		c.bad |= len > c.end - c.at;
		c.at += len;
	}
	ret->program = c;
	return c.bad ? broken(addr, "is cut short") : NULL;
}

/* ---- .eh_frame_hdr ---- */

struct search_table {
	uint64_t at; /* of pairs of int32_t, relative to the header: function, FDE */
	uint64_t n;
};

static struct err *read_header(const struct cfi_table *t, struct mem *m, struct search_table *ret)
{
	struct cfi_cursor c = { .mem = m, .at = t->hdr, .end = t->hi };
	uint8_t enc[4];
	for (size_t i = 0; i < ARRAY_SIZE(enc); i++)
		enc[i] = (uint8_t)cfi_uint(&c, 1);
	if (c.bad || enc[0] != 1 || enc[1] == ENC_OMIT || enc[2] == ENC_OMIT ||
	    enc[3] != (ENC_DATAREL | ENC_SDATA4))
		return broken(t->hdr, "cannot be searched");
	read_pointer(&c, enc[1], t->hdr);
	ret->n = read_pointer(&c, enc[2], t->hdr);
	ret->at = c.at;
	if (c.bad || ret->n > (t->hi - c.at) / 8)
		return broken(t->hdr, "has no valid length");
	return NULL;
}

static bool read_pair(const struct cfi_table *t, struct mem *m, const struct search_table *table,
		      uint64_t i, uint64_t pair[2])
{
	int32_t v[2];
	if (mem_read_some(m, table->at + 8 * i, v, sizeof(v)) != sizeof(v))
		return false;
	pair[0] = t->hdr + (uint64_t)(int64_t)v[0];
	pair[1] = t->hdr + (uint64_t)(int64_t)v[1];
	return true;
}

/* The address of the last FDE whose function does not begin behind @pc. */
static struct err *find_fde(const struct cfi_table *t, struct mem *m, uint64_t pc, uint64_t *ret)
{
	struct search_table table;
	uint64_t lo = 0, pair[2];
	struct err *err = read_header(t, m, &table);
	if (err)
		return err;
	*ret = 0;
	for (uint64_t hi = table.n; lo < hi;) {
		uint64_t mid = lo + (hi - lo) / 2;
		if (!read_pair(t, m, &table, mid, pair))
			return broken(table.at, "cannot be read");
		if (pair[0] > pc) {
			hi = mid;
		} else {
			*ret = pair[1];
			lo = mid + 1;
		}
	}
	return NULL;
}

/* ---- running a program ---- */

struct rules {
	struct cfi_rule cfa;
	struct cfi_rule reg[SPACE_REGS];
};

struct machine {
	const struct cie *cie;
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

static void set_offset(struct machine *m, uint64_t reg, enum cfi_kind kind, int64_t factored)
{
	uint64_t offset = (uint64_t)factored * (uint64_t)m->cie->data_align;
	set_rule(m, reg, (struct cfi_rule){ .kind = (uint8_t)kind, .offset = (int64_t)offset });
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
		set_offset(m, reg, CFI_AT, (int64_t)cfi_uleb(&m->c));
		break;
	case CFA_OFFSET_EXTENDED_SF:
		set_offset(m, reg, CFI_AT, cfi_sleb(&m->c));
		break;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		set_offset(m, reg, CFI_AT, -(int64_t)cfi_uleb(&m->c));
		break;
	case CFA_VAL_OFFSET:
		set_offset(m, reg, CFI_IS, (int64_t)cfi_uleb(&m->c));
		break;
	case CFA_VAL_OFFSET_SF:
		set_offset(m, reg, CFI_IS, cfi_sleb(&m->c));
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
		set_cfa(m, reg, cfi_sleb(&m->c) * m->cie->data_align);
		break;
	case CFA_DEF_CFA_REGISTER:
		set_cfa(m, cfi_uleb(&m->c), m->now.cfa.offset);
		break;
	case CFA_DEF_CFA_OFFSET:
		set_cfa_offset(m, (int64_t)cfi_uleb(&m->c));
		break;
	case CFA_DEF_CFA_OFFSET_SF:
		set_cfa_offset(m, cfi_sleb(&m->c) * m->cie->data_align);
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
		m->loc = read_pointer(&m->c, m->cie->pointers, 0);
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
		set_offset(m, low, CFI_AT, (int64_t)cfi_uleb(&m->c));
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
	return m->wrong || m->c.bad ? broken(program->at, "is not understood") : NULL;
}

struct err *cfi_find(const struct cfi_table *t, struct mem *m, uint64_t pc, struct cfi_row *ret)
{
	struct machine machine = { .loc = 0 };
	struct fde fde;
	uint64_t addr;
	struct err *err = find_fde(t, m, pc, &addr);
	if (!err && addr)
		err = read_fde(t, m, addr, &fde);
	if (err)
		return err;
	if (!addr || pc < fde.start || pc >= fde.end)
		return err_new(ERR_NOT_FOUND, "nothing says how to unwind 0x%llx",
			       (unsigned long long)pc);
	machine.cie = &fde.cie;
	machine.now.cfa.kind = CFI_UNDEFINED;
	err = run(&machine, &fde.cie.program, UINT64_MAX);
	if (err)
		return err;
	machine.first = machine.now;
	machine.loc = fde.start;
	err = run(&machine, &fde.program, pc);
	if (err)
		return err;
	*ret = (struct cfi_row){ .pc = pc,
				 .start = fde.start,
				 .end = fde.end,
				 .signal = fde.cie.signal,
				 .ra = (uint8_t)fde.cie.ra,
				 .cfa = machine.now.cfa };
	memcpy(ret->reg, machine.now.reg, sizeof(ret->reg));
	return NULL;
}

/* ---- applying a row ---- */

static bool is_known(const struct space_regs *regs, unsigned int reg)
{
	return regs->known & 1u << reg;
}

static struct err *find_cfa(const struct cfi_row *row, struct mem *m, const struct space_regs *regs,
			    uint64_t *ret)
{
	if (row->cfa.kind == CFI_IS_EXPR)
		return cfi_eval(m, row->cfa.expr, row->cfa.expr_len, regs, NULL, ret);
	if (row->cfa.kind != CFI_COPY || !is_known(regs, row->cfa.reg))
		return err_new(ERR_BAD_DATA, "the frame at 0x%llx has no address that is known",
			       (unsigned long long)row->pc);
	*ret = regs->value[row->cfa.reg] + (uint64_t)row->cfa.offset;
	return NULL;
}

static struct err *find_register(const struct cfi_rule *rule, struct mem *m,
				 const struct space_regs *regs, uint64_t cfa, uint64_t *ret)
{
	struct err *err;
	uint64_t at;
	switch (rule->kind) {
	case CFI_AT:
		return mem_ptr(m, cfa + (uint64_t)rule->offset, ret);
	case CFI_IS:
		*ret = cfa + (uint64_t)rule->offset;
		return NULL;
	case CFI_COPY:
		*ret = regs->value[rule->reg];
		return is_known(regs, rule->reg)
			       ? NULL
			       : err_new(ERR_BAD_DATA, "register %u is not known", rule->reg);
	case CFI_IS_EXPR:
		return cfi_eval(m, rule->expr, rule->expr_len, regs, &cfa, ret);
	default:
		err = cfi_eval(m, rule->expr, rule->expr_len, regs, &cfa, &at);
		return err ? err : mem_ptr(m, at, ret);
	}
}

struct err *cfi_apply(const struct cfi_row *row, struct mem *m, struct space_regs *regs,
		      uint64_t *cfa)
{
	struct space_regs caller = *regs;
	struct err *err = find_cfa(row, m, regs, cfa);
	if (err)
		return err;
	caller.value[SPACE_REG_SP] = *cfa;
	caller.known |= 1u << SPACE_REG_SP;
	for (unsigned int i = 0; i < SPACE_REGS; i++) {
		uint64_t value;
		if (row->reg[i].kind == CFI_KEPT)
			continue;
		caller.known &= ~(1u << i);
		if (row->reg[i].kind == CFI_UNDEFINED)
			continue;
		err = find_register(&row->reg[i], m, regs, *cfa, &value);
		if (err && i == row->ra)
			return err;
		if (err) {
			err_drop(err); /* whoever needs it will say so */
			continue;
		}
		caller.value[i] = value;
		caller.known |= 1u << i;
	}
	caller.value[SPACE_REG_PC] = caller.value[row->ra];
	/* Without a rule there is no way back either. */
	if (row->reg[row->ra].kind == CFI_KEPT || !is_known(&caller, row->ra))
		caller.known &= ~(1u << SPACE_REG_PC);
	else
		caller.known |= 1u << SPACE_REG_PC;
	*regs = caller;
	return NULL;
}
